/**
 * Bet 2, loading and lifetime: one native host loads engines that are plain C libraries and lets go of them again.
 * Programs run in child processes, so that what is measured is theirs alone.
 */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildHost } from "../../src/toolchain/host.ts";
import { Toolchain } from "../../src/toolchain/toolchain.ts";
import { TINY_C, SLOW_C, compileSo, haveCompiler, tinyEngine } from "../../src/runtime/testing/tiny.ts";

const run = promisify(execFile);
const compiler = await haveCompiler();
const linux = process.platform === "linux";
const folder = mkdtempSync(join(tmpdir(), "hone-loading-"));
const cache = join(folder, "cache");
const runtime = join(folder, "runtime.mjs");
const tiny = join(folder, "tiny.mjs");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  const bundle = (entry: string, outfile: string): Promise<unknown> =>
    build({ entryPoints: [join(import.meta.dirname, entry)], outfile, bundle: true, platform: "node", format: "esm", logLevel: "error" });
  await bundle("../../src/runtime.ts", runtime);
  await bundle("../../src/runtime/testing/tiny.ts", tiny);
  if (!compiler) return;
  writeFileSync(join(folder, "tiny.so"), await compileSo(TINY_C));
  writeFileSync(join(folder, "host.node"), (await buildHost()).bytes);
});

/** Runs a module in a process of its own; what it prints as JSON is the answer. */
async function program(name: string, text: string, env: Record<string, string> = {}, wrap: readonly string[] = []): Promise<unknown> {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, text);
  const line = [...wrap, process.execPath, "--expose-gc", path];
  const { stdout } = await run(line[0] ?? "", line.slice(1), { env: { ...process.env, HONE_CACHE: cache, ...env }, timeout: 60_000 });
  return JSON.parse(stdout);
}

/** Whether this user may mount, in a mount namespace that ends with the process. */
function canMount(): boolean {
  try {
    execFileSync("unshare", ["-m", "sh", "-c", `mkdir -p ${folder}/probe && mount -t tmpfs -o noexec tmpfs ${folder}/probe`], {
      stdio: "ignore",
    });
    return true;
  } catch {
    process.stderr.write("skipped: this user may not mount, so noexec folders cannot be tried\n");
    return false;
  }
}

describe.skipIf(!compiler)("loading", () => {
  test("two engines with two contexts each, from the main thread and two workers at once, share code and weights", async () => {
    for (const [name, weight] of [
      ["two", 2],
      ["ten", 10],
    ] as const)
      writeFileSync(join(folder, `${name}.hone`), await tinyEngine({ weight }));
    const answer = await program(
      "threads",
      `
      import { Worker, isMainThread, parentPort } from "node:worker_threads";
      import { fileURLToPath } from "node:url";
      import { Session } from "./runtime.mjs";
      const x = { type: "float32", dims: [4], data: Float32Array.of(1, 2, 3, 4) };
      const sessions = [];
      for (const name of ["two", "ten"]) sessions.push(await Session.open(new URL(name + ".hone", import.meta.url).pathname));
      const contexts = sessions.flatMap((s) => [s.createContext(), s.createContext()]);
      const results = [];
      for (let i = 0; i < 50; i++) results.push(await Promise.all(contexts.map((c) => c.run({ x }))));
      const last = results.at(-1).map((r) => r.y.data[3]);
      if (!isMainThread) {
        parentPort.postMessage(last);
        // The second worker leaves without closing: its environment must clean up after it.
        if (process.argv[2] === "close") for (const s of sessions) await s.close();
      } else {
        const file = fileURLToPath(import.meta.url);
        const workers = ["close", "leave"].map((how) => new Worker(file, { argv: [how] }));
        const alive = [];
        const exits = workers.map((w) => new Promise((ok) => w.on("exit", ok)));
        const fromWorkers = await Promise.all(workers.map((w) => new Promise((ok, no) => {
          w.on("message", (m) => { alive.push(sessions[0].nativeStats().engines); ok(m); });
          w.on("error", no);
        })));
        await Promise.all(exits);
        const between = sessions[0].nativeStats();
        for (const s of sessions) await s.close();
        console.log(JSON.stringify({ last, fromWorkers, alive, between, after: sessions[0].nativeStats() }));
      }`,
    );
    const last = [57, 57, 89, 89]; // 4 · weight + 49 runs before, in each context for itself
    expect(answer).toMatchObject({
      last,
      fromWorkers: [last, last],
      alive: [2, 2],
      between: { engines: 2, contexts: 4 },
      after: { engines: 0, contexts: 0, runs: 600 },
    });
  });

  test("a thousand distinct engines, opened, run and closed, leave memory and mappings flat", async () => {
    const answer = await program(
      "thousand",
      `
      import { readFileSync } from "node:fs";
      import { createHash } from "node:crypto";
      import { Session } from "./runtime.mjs";
      import { restamp, tinyEngine } from "./tiny.mjs";
      const so = readFileSync(new URL("tiny.so", import.meta.url));
      const host = readFileSync(new URL("host.node", import.meta.url));
      const x = { type: "float32", dims: [4], data: Float32Array.of(0, 0, 0, 0) };
      const maps = () => { try { return readFileSync("/proc/self/maps", "utf8").split("\\n").length; } catch { return 0; } };
      const state = async () => {
        for (let i = 0; i < 3; i++) { gc(); await new Promise((ok) => setTimeout(ok, 10)); }
        const { rss, heapTotal } = process.memoryUsage();
        return { maps: maps(), native: (rss - heapTotal) / 2 ** 20 };
      };
      let wrong = 0, stats, warm;
      for (let i = 1; i <= 1200; i++) {
        const session = await Session.open(await tinyEngine({ host, so: restamp(so, i) }), { native: "allow" });
        const [a, b] = [session.runSync({ x }), await session.run({ x })];
        if (a.y.data[0] !== i || b.y.data[0] !== i + 1) wrong++;
        await session.close();
        stats = session.nativeStats();
        if (i === 200) warm = await state();
      }
      console.log(JSON.stringify({ wrong, stats, warm, end: await state() }));`,
    );
    const { wrong, stats, warm, end } = answer as {
      wrong: number;
      stats: { engines: number; contexts: number };
      warm: { maps: number; native: number };
      end: { maps: number; native: number };
    };
    expect(wrong).toBe(0);
    expect(stats).toMatchObject({ engines: 0, contexts: 0 });
    // A thousand libraries that stayed would be 5,000 mappings and some 20 MB. JavaScript's heap, which is not counted here,
    // grows by its own rules, and with it a few mappings.
    expect(end.maps - warm.maps).toBeLessThan(150);
    expect(end.native - warm.native).toBeLessThan(6);
    process.stderr.write(
      `loading: 1,000 engines: mappings ${warm.maps} -> ${end.maps}, RSS without the JS heap ${warm.native.toFixed(1)} -> ${end.native.toFixed(1)} MB\n`,
    );
  });

  test("the event loop stays free while an engine runs in a loop", async () => {
    writeFileSync(join(folder, "slow.hone"), await tinyEngine({ code: SLOW_C }));
    const answer = await program(
      "loop",
      `
      import { monitorEventLoopDelay } from "node:perf_hooks";
      import { Session } from "./runtime.mjs";
      const session = await Session.open(new URL("slow.hone", import.meta.url).pathname);
      const x = { type: "float32", dims: [4], data: Float32Array.of(40, 1, 2, 3) };
      await session.run({ x });
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      for (let i = 0; i < 25; i++) await session.run({ x });
      delay.disable();
      console.log(JSON.stringify({ median: delay.percentile(50) / 1e6, p90: delay.percentile(90) / 1e6 }));
      await session.close();`,
    );
    const { median, p90 } = answer as { median: number; p90: number };
    // A run on this thread would hold it for 40 ms each time. The bound leaves room for other work on the machine.
    expect(median).toBeLessThan(5);
    expect(p90).toBeLessThan(20);
  });

  test.skipIf(!linux)("the same library links into a C program with -z defs", async () => {
    const tools = await Toolchain.open({ cache: join(folder, "tools") });
    writeFileSync(join(folder, "libtiny.so"), await compileSo(TINY_C, tools));
    const text = `
      #include <stdint.h>
      int hone_run_0(const uint8_t *, uint8_t *, const void *const *, void *const *);
      static _Alignas(64) float weights[16] = {5}, arena[16];
      int main(void) {
        float x[4] = {1, 2, 3, 4}, y[4];
        const void *in[1] = {x};
        void *out[1] = {y};
        return hone_run_0((const uint8_t *)weights, (uint8_t *)arena, in, out) == 0 && y[3] == 20.0f ? 7 : 1;
      }`;
    const linkFlags = ["-Wl,-z,defs", `-L${folder}`, "-ltiny", `-Wl,-rpath,${folder}`];
    const { outputs } = await tools.build({ name: "main", sources: [{ name: "main.c", text }], emit: "exe", linkFlags });
    expect(() => execFileSync(outputs[0]?.path ?? "")).toThrow(expect.objectContaining({ status: 7 }));
  });
});

describe.skipIf(!compiler || !linux || !canMount())("folders that may not hold code", () => {
  const text = (name: string): string => `
    import { Session } from "./runtime.mjs";
    const x = { type: "float32", dims: [4], data: Float32Array.of(1, 2, 3, 4) };
    try {
      const session = await Session.open(new URL("two.hone", import.meta.url).pathname);
      console.log(JSON.stringify({ from: session.info.loadedFrom, y: [...session.runSync({ x }).y.data], name: ${JSON.stringify(name)} }));
      await session.close();
    } catch (e) {
      console.log(JSON.stringify({ code: e.code, hint: e.hint, problems: e.problems.length }));
    }`;
  const noexec = (paths: readonly string[]): string[] => [
    "unshare",
    "-m",
    "sh",
    "-c",
    `${paths.map((p) => `mount -t tmpfs -o noexec tmpfs '${p}'`).join(" && ")} && exec "$@"`,
    "sh",
  ];

  test("another folder is taken when the cache is mounted noexec", async () => {
    writeFileSync(join(folder, "two.hone"), await tinyEngine({ weight: 2 }));
    const blocked = join(folder, "blocked");
    const other = join(folder, "other");
    mkdirSync(blocked);
    const env = { HONE_CACHE: blocked, XDG_CACHE_HOME: other };
    expect(await program("noexec", text("other"), env, noexec([blocked]))).toMatchObject({ from: "file", y: [2, 4, 6, 8] });
  });

  test("an engine is loaded from memory when the host's folder became noexec", async () => {
    const answer = await program(
      "memory",
      `
      import { execFileSync } from "node:child_process";
      import { readFileSync } from "node:fs";
      import { Session } from "./runtime.mjs";
      import { restamp, tinyEngine } from "./tiny.mjs";
      const [host, so] = ["host.node", "tiny.so"].map((name) => readFileSync(new URL(name, import.meta.url)));
      const open = async (constant) => Session.open(await tinyEngine({ host, so: restamp(so, constant) }), { native: "allow" });
      const first = await open(2); // y[3] = 4 · weight 2 + constant
      execFileSync("mount", ["-t", "tmpfs", "-o", "noexec", "tmpfs", process.env.HONE_CACHE + "/native"]);
      const second = await open(3);
      const third = await open(4);
      const x = { type: "float32", dims: [4], data: Float32Array.of(1, 2, 3, 4) };
      console.log(JSON.stringify([first, second, third].map((s) => [s.info.loadedFrom, s.runSync({ x }).y.data[3]])));
      for (const s of [first, second, third]) await s.close();`,
      { HONE_CACHE: join(folder, "turned") },
      ["unshare", "-m"],
    );
    expect(answer).toEqual([
      ["file", 10],
      ["memory", 11],
      ["memory", 12],
    ]);
  });

  test("when no folder may hold code, the error says what to set", async () => {
    const all = join(folder, "all");
    mkdirSync(all);
    const env = {
      HONE_CACHE: join(all, "a"),
      XDG_CACHE_HOME: join(all, "b"),
      HOME: join(all, "c"),
      XDG_RUNTIME_DIR: join(all, "d"),
      TMPDIR: join(all, "e"),
    };
    const answer = await program("nowhere", text("nowhere"), env, noexec([all, "/var/tmp", "/dev/shm"]));
    expect(answer).toMatchObject({ code: "engine.load", hint: expect.stringContaining("HONE_CACHE") as string });
  });
});
