/** Full disks, interrupts and two builds at once: an error with a code, and nothing half-written. */
import { spawn, spawnSync, type SpawnSyncReturns } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hone, writeTiny } from "../../src/cli/testing/command.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "../../src/formats/onnx/write.ts";
import { haveCompiler } from "../../src/runtime/testing/tiny.ts";
import { tensor } from "../../src/tensor/tensor.ts";

const root = join(import.meta.dirname, "../..");
const MAIN = ["--import", "tsx", join(root, "src/cli/main.ts")];
const compiler = await haveCompiler();
const TIMEOUT = { timeout: 120_000 };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hone-interrupted-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

/** Everything in a folder, with what lies in its folders. */
const everything = (path: string): string[] => (existsSync(path) ? readdirSync(path, { recursive: true, encoding: "utf8" }).sort() : []);
const leftovers = (path: string): string[] => everything(path).filter((name) => /\.tmp$|work-/.test(name));

/** The command line in a process that may write files of `blocks` · 512 bytes at most, as on a disk that is full. */
function crammed(blocks: number, args: readonly string[], env: Readonly<Record<string, string>> = {}): SpawnSyncReturns<string> {
  const command = `ulimit -f ${blocks}; exec "$0" "$@"`;
  const options = { cwd: root, encoding: "utf8", env: { ...process.env, ...env } } as const;
  return spawnSync("sh", ["-c", command, process.execPath, ...MAIN, ...args, "--json"], options);
}

const codeOf = (ran: SpawnSyncReturns<string>): unknown => (JSON.parse(ran.stdout) as { error?: { code?: unknown } }).error?.code;

describe.skipIf(!compiler || process.platform !== "linux")("a full disk", () => {
  beforeEach(async () => {
    writeTiny(at("tiny.onnx"), 64);
    expect((await hone(["build", at("tiny.onnx"), "-o", at("tiny.hone")])).code).toBe(0);
    mkdirSync(at("out"));
  });

  test("leaves no engine", TIMEOUT, () => {
    const ran = crammed(8, ["build", at("tiny.onnx"), "-o", at("out/tiny.hone")]);
    expect([ran.status, codeOf(ran)]).toEqual([1, "file.unwritable"]);
    expect(everything(at("out"))).toEqual([]);
  });

  test("leaves the engine that was there", TIMEOUT, () => {
    writeFileSync(at("out/tiny.hone"), "the old one");
    expect(crammed(8, ["build", at("tiny.onnx"), "-o", at("out/tiny.hone")]).status).toBe(1);
    expect(readFileSync(at("out/tiny.hone"), "utf8")).toBe("the old one");
    expect(everything(at("out"))).toEqual(["tiny.hone"]);
  });

  test("leaves no output of a run when one of them does not fit", TIMEOUT, async () => {
    expect((await hone(["run", at("tiny.hone")])).code).toBe(0); // Unpacks its code.
    const ran = crammed(8, ["run", at("tiny.hone"), "-o", at("out")]);
    expect([ran.status, codeOf(ran)]).toEqual([1, "file.unwritable"]);
    expect(everything(at("out"))).toEqual([]);
  });

  test("on which an engine cannot be unpacked either is an error of loading", TIMEOUT, () => {
    const ran = crammed(8, ["run", at("tiny.hone")], { HONE_CACHE: at("cache"), XDG_CACHE_HOME: at("xdg"), HOME: at("home") });
    expect([ran.status, codeOf(ran)]).toEqual([1, "engine.load"]);
    expect(leftovers(folder)).toEqual([]);
  });

  test("of the cache is named as that, with the way out", TIMEOUT, () => {
    const ran = crammed(1, ["build", at("tiny.onnx"), "-o", at("out/tiny.hone")], { HONE_CACHE: at("cache") });
    expect([ran.status, codeOf(ran)]).toEqual([1, "file.unwritable"]);
    expect(ran.stderr).toContain("HONE_CACHE");
    expect([...leftovers(folder), ...everything(at("out"))]).toEqual([]);
  });

  test("keeps whole stages only", TIMEOUT, () => {
    expect(crammed(8, ["build", at("tiny.onnx"), "-o", at("out/tiny.hone"), "--keep", at("kept")]).status).toBe(1);
    expect(leftovers(at("kept"))).toEqual([]);
    for (const name of everything(at("kept")).filter((n) => n.endsWith(".c"))) {
      expect(readFileSync(join(at("kept"), name), "utf8")).toMatch(/\}\s*$/);
    }
  });
});

/** `count` convolutions, no two alike, so that each is a kernel to compile. */
function writeDeep(path: string, count: number): void {
  const weight = (i: number): readonly [string, ReturnType<typeof tensor>] => {
    const dims = [i + 2, i === 0 ? 1 : i + 1, 3, 3] as const;
    return [`w${i}`, tensor("float32", dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(0.01))];
  };
  const layers = Array.from({ length: count }, (_, i) => i);
  const graph = onnxGraph({
    node: layers.map((i) => onnxNode("Conv", [i === 0 ? "x" : `v${i}`, `w${i}`], [i === count - 1 ? "y" : `v${i + 1}`])),
    initializer: layers.map((i) => onnxTensor(...weight(i))),
    input: [onnxValueInfo("x", "float32", [1, 1, 64, 64])],
    output: [onnxValueInfo("y", "float32", [])],
  });
  writeFileSync(path, writeOnnx(onnxModel({ graph })));
}

describe.skipIf(!compiler)("builds", () => {
  const build = (output: string, env: Readonly<Record<string, string>>): ReturnType<typeof spawn> =>
    spawn(process.execPath, [...MAIN, "build", at("deep.onnx"), "-o", output], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: "ignore",
    });
  const ended = (child: ReturnType<typeof spawn>): Promise<number | null> => new Promise((resolve) => child.once("exit", resolve));

  async function compiling(cache: string): Promise<void> {
    while (!everything(cache).some((name) => name.includes("work-"))) await pause(20);
  }

  test("that are interrupted leave nothing behind", TIMEOUT, async () => {
    writeDeep(at("deep.onnx"), 24);
    mkdirSync(at("out"));
    const child = build(at("out/deep.hone"), { HONE_CACHE: at("cache") });
    const end = ended(child);
    await compiling(at("cache"));
    child.kill("SIGINT");
    expect(await end).toBe(130);
    expect([...leftovers(at("cache")), ...everything(at("out"))]).toEqual([]);
  });

  test("that are killed leave no engine, and the next one goes on", TIMEOUT, async () => {
    writeDeep(at("deep.onnx"), 3);
    mkdirSync(at("out"));
    const child = build(at("out/deep.hone"), { HONE_CACHE: at("cache") });
    const end = ended(child);
    await compiling(at("cache"));
    child.kill("SIGKILL");
    await end;
    expect(existsSync(at("out/deep.hone"))).toBe(false);
    expect(await ended(build(at("out/deep.hone"), { HONE_CACHE: at("cache") }))).toBe(0);
    expect((await hone(["run", at("out/deep.hone")])).code).toBe(0);
  });

  test("of one model at once, into one cache and one place, give what one gives", TIMEOUT, async () => {
    writeDeep(at("deep.onnx"), 2);
    const both = [build(at("one.hone"), { HONE_CACHE: at("cache") }), build(at("one.hone"), { HONE_CACHE: at("cache") })];
    expect(await Promise.all(both.map(ended))).toEqual([0, 0]);
    expect(await ended(build(at("alone.hone"), { HONE_CACHE: at("other") }))).toBe(0);
    expect(readFileSync(at("one.hone")).equals(readFileSync(at("alone.hone")))).toBe(true);
    expect(leftovers(folder)).toEqual([]);
  });
});

describe.skipIf(!compiler)("an AbortSignal that has fired", () => {
  test("ends every verb that takes long with the code of an interrupt", TIMEOUT, async () => {
    writeTiny(at("tiny.onnx"));
    expect((await hone(["build", at("tiny.onnx"), "-o", at("tiny.hone")])).code).toBe(0);
    mkdirSync(at("photos"));
    writeFileSync(at("photos/a.jpg"), "no photo");
    writeFileSync(at("truth.json"), JSON.stringify({ images: [{ id: 1, file_name: "a.jpg" }], annotations: [], categories: [] }));
    writeFileSync(at("found.json"), "[]");
    const before = everything(folder);
    const verbs = [
      ["inspect", at("tiny.onnx")],
      ["build", at("tiny.onnx"), "-o", at("again.hone")],
      ["run", at("tiny.hone"), "-o", at("results")],
      ["convert", at("tiny.onnx"), "-o", at("again.onnx")],
      ["calibrate", at("tiny.onnx"), "--images", at("photos"), "-o", at("table.json")],
      ["build", at("tiny.onnx"), "--precision", "int8", "--calib", at("photos"), "-o", at("int8.hone")],
      ["report", at("tiny.hone"), at("tiny.hone"), "-o", at("page.html")],
      ["reduce", at("tiny.onnx"), "-o", at("part.onnx")],
      ["doctor", "--preprocess", at("tiny.hone"), "--reference", at("found.json"), "--image", at("photos/a.jpg")],
      ["compare", at("tiny.onnx"), "--against", "naive"],
      ["bench", at("tiny.hone")],
      ["profile", at("tiny.onnx")],
      ["eval", at("tiny.hone"), "--images", at("photos"), "--annotations", at("truth.json"), "--any-class"],
      ["eval", "--detections", at("found.json"), "--annotations", at("truth.json")],
      ["face", at("a.jpg"), "-o", at("faces.png")],
      ["demo", at("photos"), "-o", at("demo")],
    ];
    for (const args of verbs) {
      const ran = await hone([...args, "--json"], { signal: AbortSignal.abort() });
      expect([args[0], ran.code, ran.json()["error"]]).toMatchObject([args[0], 130, { code: "aborted" }]);
    }
    expect(everything(folder)).toEqual(before);
  });
});
