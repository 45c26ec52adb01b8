/**
 * An ordinary user with a home folder, no C compiler, and a project folder that may only be read. Needs root, to become that user.
 */
import { execFile } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pathWithoutCompiler } from "../../scripts/no-compiler.mjs";
import { ensureBuilt } from "../../scripts/setup.mjs";
import { writeTiny } from "../../src/cli/testing/command.ts";
import { packageFile } from "../../src/workflow/detector.ts";

const ROOT = join(import.meta.dirname, "../..");
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write("skipped: only root can become another user\n");

describe.skipIf(!isRoot)("an unprivileged user without a compiler", () => {
  let place = "";
  let home = "";
  let project = "";
  let path = { folder: "", remove: (): void => undefined };

  beforeAll(async () => {
    ensureBuilt();
    path = pathWithoutCompiler();
    await chmod(path.folder, 0o755);
    place = await mkdtemp(join(tmpdir(), "hone-user-"));
    [home, project] = [join(place, "home"), join(place, "project")];
    await chmod(place, 0o755);
    for (const folder of [home, project]) await mkdir(folder);
    await chown(home, NOBODY, NOBODY);
  }, 120_000);

  afterAll(async () => {
    path.remove();
    await rm(place, { recursive: true, force: true });
  });

  /** Runs a command as the user; the answer is what it prints. */
  async function asUser(command: string, args: readonly string[], cwd: string): Promise<string> {
    // What reaches the network stays: npm needs it.
    const network = Object.entries(process.env).filter(([name]) => /proxy|^npm_config_registry$|extra_ca_certs/i.test(name));
    const env = { ...Object.fromEntries(network), HOME: home, PATH: path.folder, TMPDIR: home };
    const { stdout } = await promisify(execFile)(command, [...args], { cwd, env, uid: NOBODY, gid: NOBODY, maxBuffer: 1 << 26 });
    return stdout;
  }

  const object = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

  test("the project folder cannot be written, and no compiler is found", async () => {
    await expect(asUser("sh", ["-c", "touch project-was-written"], project)).rejects.toThrow(/denied/i);
    await expect(asUser("sh", ["-c", "cc --version || gcc --version || clang --version"], home)).rejects.toThrow(/not found/);
  });

  test("hone from the checkout: doctor, demo, bench and face", { timeout: 180_000 }, async () => {
    const hone = async (...args: string[]): Promise<Record<string, unknown>> =>
      object(await asUser(process.execPath, [join(ROOT, "bin/hone.js"), ...args, "--json"], project));
    expect(await hone("doctor")).toMatchObject({ well: true });
    const photo = packageFile("@vladmandic/face-api", "demo/sample1.jpg");
    if (photo === undefined) return;
    const demo = await hone("demo", photo, "-o", join(home, "demo"));
    expect(demo).toMatchObject({ faces: 3 });
    expect(demo["target"]).toMatch(/^wasm:/);
    const face = await hone("face", photo, "-o", join(home, "faces.png"));
    expect(face["faces"]).toHaveLength(3);
    const engine = String(demo["engine"]);
    expect((await hone("bench", engine, "--iterations", "3"))["target"]).toMatch(/^wasm:/);
    expect(await readdir(project)).toEqual([]);
  });

  test("the package, installed by npm into the home folder, builds and runs a model", { timeout: 180_000 }, async (context) => {
    await promisify(execFile)("npm", ["pack", "--silent", "--pack-destination", place], { cwd: ROOT });
    const [archive] = (await readdir(place)).filter((name) => name.endsWith(".tgz"));
    const app = join(home, "app");
    await asUser("mkdir", [app], home);
    try {
      await asUser("npm", ["install", "--omit=dev", "--omit=optional", "--no-audit", "--no-fund", join(place, archive ?? "")], app);
    } catch (error) {
      const text = String(error);
      if (!/ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENETUNREACH/.test(text)) throw error;
      context.skip("npm reaches no registry");
    }
    const bin = join(app, "node_modules/.bin/hone");
    writeTiny(join(project, "tiny.onnx"));
    const built = object(await asUser(bin, ["build", "tiny.onnx", "-o", join(home, "tiny.hone"), "--json"], project));
    expect(built).toMatchObject({ target: "wasm" });
    const ran = object(await asUser(bin, ["run", join(home, "tiny.hone"), "--json"], project));
    expect(ran["target"]).toMatch(/^wasm:/);
  });
});
