import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { buildEngine } from "../compiler/node/build.ts";
import { zeros, type Tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import type { Feeds } from "./core/types.ts";
import { selectTarget, targetsFor } from "./core/select.ts";
import { loadHost, type HostAddon } from "./node/host.ts";
import { Session, type OpenOptions } from "./node/session.ts";
import { buildHost } from "../toolchain/host.ts";
import { PLATFORM, SLOW_C, haveCompiler, tinyEngine, tinyManifest, vector, type TinyOptions } from "./testing/tiny.ts";
import { errorOf } from "./testing/errors.ts";
import { doublingGraph } from "./testing/wasm.ts";

const compiler = await haveCompiler();
const folder = mkdtempSync(join(tmpdir(), "hone-runtime-"));
beforeAll(() => {
  vi.stubEnv("HONE_CACHE", join(folder, "cache"));
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

async function open(engine: TinyOptions = {}, options: OpenOptions = {}): Promise<Session> {
  return Session.open(await tinyEngine(engine), { native: "allow", ...options });
}

describe.skipIf(!compiler)("a session", () => {
  test("runs in all four ways, from a path and from bytes", async () => {
    const path = join(folder, "tiny.hone");
    writeFileSync(path, await tinyEngine({ weight: 3 }));
    const session = await Session.open(path, { contexts: 1 });
    expect(session.inputNames).toEqual(["x"]);
    expect(session.outputMetadata).toEqual([{ name: "y", isTensor: true, type: "float32", shape: ["n"] }]);
    expect(session.info).toMatchObject({ target: `so:${PLATFORM}-test`, platform: PLATFORM, loadedFrom: "file", rejected: [] });
    const x = vector(1, 2, 3, 4);
    expect((await session.run({ x }))["y"]).toEqual(vector(3, 6, 9, 12));
    expect(session.runSync({ x })["y"]).toEqual(vector(4, 7, 10, 13));
    const y = zeros("float32", [4]);
    await session.runInto({ x }, { y });
    expect(y).toEqual(vector(5, 8, 11, 14));
    session.runIntoSync({ x }, { y });
    expect(y).toEqual(vector(6, 9, 12, 15));
    await session.close();
    expect(session.nativeStats()).toMatchObject({ engines: 0, contexts: 0 });
  });

  test("picks the profile by the dims and lists the profiles when none fits", async () => {
    const session = await open();
    const x = vector(1, 1, 1, 1, 1, 1, 1, 1);
    expect(session.runSync({ x })["y"]?.dims).toEqual([8]);
    const error = await errorOf(() => session.run({ x: vector(1, 2) }));
    expect(error.code).toBe("feeds.invalid");
    expect(error.message).toBe('input "x": expected float32[4 or 8], got float32[2]');
    expect(error.hint).toContain("x=4; x=8");
    await session.close();
  });

  test("names everything that is wrong with feeds and outputs, at once", async () => {
    const session = await open();
    const x = vector(1, 2, 3, 4);
    const bad: [string, Feeds][] = [
      ["got nothing", {}],
      ['no input "z"', { x, z: x }],
      ["got int32[4]", { x: { ...x, type: "int32" } }],
      ["got Float64Array", { x: { ...x, data: new Float64Array(4) } }],
      ["got a plain array", { x: { ...x, data: [1, 2, 3, 4] } }],
      ["4 elements, got 3", { x: { ...x, data: new Float32Array(3) } }],
      ["resizable", { x: { ...x, data: resizable() } }],
    ];
    for (const [text, feeds] of bad) {
      const error = await errorOf(() => session.runSync(feeds));
      expect(error.code).toBe("feeds.invalid");
      expect(error.describe()).toContain(text);
    }
    expect((await errorOf(() => session.run({ z: x }))).problems).toHaveLength(2);
    const inPlace = await errorOf(() => session.runInto({ x }, { y: x }));
    expect(inPlace.message).toContain("shares memory");
    expect((await errorOf(() => session.runInto({ x }, { y: zeros("float32", [8]) }))).code).toBe("feeds.invalid");
    await session.close();
  });

  test("allocates nothing native in runInto", async () => {
    const session = await open({}, { contexts: 1 });
    const feeds = { x: vector(1, 2, 3, 4) };
    const outputs = { y: zeros("float32", [4]) };
    await session.runInto(feeds, outputs);
    const { allocations, bytesAlive, runs } = session.nativeStats();
    for (let i = 0; i < 100; i++) await session.runInto(feeds, outputs);
    for (let i = 0; i < 100; i++) session.runIntoSync(feeds, outputs);
    expect(session.nativeStats()).toMatchObject({ allocations, bytesAlive, runs: runs + 200 });
    await session.close();
  });

  test("gives up on loops that do not end", { timeout: 60_000 }, async () => {
    const { engine } = await buildEngine(doublingGraph(), { modelHash: "0".repeat(64), format: "onnx", targets: ["native"] });
    const session = await Session.open(must(engine, "engine"), { native: "allow" });
    const one = (value: number): Tensor => ({ type: "float32", dims: [1], data: Float32Array.of(value) });
    expect((await session.run({ x: one(3), bound: one(100) }))["y"]?.data[0]).toBe(192);
    expect((await errorOf(() => session.run({ x: one(0), bound: one(1) }))).code).toBe("engine.loop");
    expect((await errorOf(() => session.runSync({ x: one(0), bound: one(1) }))).code).toBe("engine.loop");
    await session.close();
  });

  test("takes views and shared memory", async () => {
    const session = await open();
    const view = new Float32Array(new SharedArrayBuffer(64), 4, 4).fill(2);
    expect((await session.run({ x: { type: "float32", dims: [4], data: view } }))["y"]).toEqual(vector(4, 4, 4, 4));
    await session.close();
  });

  test("closes after the runs that were asked for, twice if it must, and refuses later ones", async () => {
    const session = await open({ code: SLOW_C }, { contexts: 1 });
    const context = session.createContext();
    const runs = [session.run({ x: vector(40, 0, 0, 0) }), session.run({ x: vector(1, 2, 3, 4) }), context.run({ x: vector(60, 1, 1, 1) })];
    const closing = [session.close(), session.close()];
    expect((await errorOf(() => session.run({ x: vector(1, 2, 3, 4) }))).code).toBe("engine.closed");
    expect((await errorOf(() => context.runSync({ x: vector(1, 2, 3, 4) }))).code).toBe("engine.closed");
    expect((await errorOf(() => session.createContext())).code).toBe("engine.closed");
    expect((await Promise.all(runs)).map((r) => r["y"]?.data[1])).toEqual([0, 2, 1]);
    await Promise.all(closing);
    await session.close();
    expect(session.nativeStats()).toMatchObject({ engines: 0, contexts: 0 });
  });

  test("runs contexts side by side, and a queued run can be taken back", async () => {
    const session = await open({ code: SLOW_C }, { contexts: 2 });
    const slow = { x: vector(150, 0, 0, 0) };
    await Promise.all([session.run({ x: vector(0, 0, 0, 0) }), session.run({ x: vector(0, 0, 0, 0) })]);
    const start = performance.now();
    const controller = new AbortController();
    const both = [session.run(slow), session.run(slow)];
    const third = errorOf(() => session.run(slow, { signal: controller.signal }));
    controller.abort();
    expect((await third).code).toBe("aborted");
    await Promise.all(both);
    expect(performance.now() - start).toBeLessThan(290);
    expect(session.runSync({ x: vector(1, 5, 0, 0) })["y"]?.data[1]).toBe(5);
    await session.close();
  });

  test("says why an engine cannot be opened, before any of its code is run", async () => {
    const bytes = await tinyEngine();
    expect((await errorOf(() => Session.open(bytes))).code).toBe("engine.load");
    const native = { native: "allow" } as const;
    const flipped = bytes.slice();
    flipped[bytes.length >> 1] = (flipped[bytes.length >> 1] ?? 0) ^ 4;
    expect((await errorOf(() => Session.open(flipped, native))).code).toBe("engine.damaged");
    expect((await errorOf(() => Session.open(join(folder, "none.hone")))).code).toBe("file.not-found");
    expect((await errorOf(() => Session.open(folder))).code).toBe("file.unreadable");
    const cut = join(folder, "cut.hone");
    writeFileSync(cut, bytes.subarray(0, 1000));
    expect((await errorOf(() => Session.open(cut))).at.file).toBe(cut);
    const [target] = tinyManifest().targets;
    if (target === undefined) throw new Error("no target");
    const cpu = await errorOf(() => open({ manifest: { targets: [{ ...target, features: ["avx4096"] }] } }));
    expect(cpu.code).toBe("engine.cpu");
    expect(cpu.message).toContain("lacks avx4096");
    const elsewhere = await errorOf(() => open({ manifest: { targets: [{ ...target, platform: "vax-vms" }] } }));
    expect(elsewhere.message).toContain(`native code for vax-vms, this machine is ${PLATFORM}`);
    const garbage = await errorOf(() => open({ so: Uint8Array.of(1, 2, 3) }));
    expect(garbage.code).toBe("engine.load");
    const huge = await open({ manifest: { profiles: [4, 8].map((n) => ({ arenaBytes: 2 ** 40, inputs: [[n]], outputs: [[n]] })) } });
    const memory = await errorOf(() => huge.run({ x: vector(1, 2, 3, 4) })).catch(() => undefined);
    if (memory !== undefined) expect(memory.code).toBe("engine.load");
    await huge.close();
    expect((await errorOf(() => Session.open(cut, { signal: AbortSignal.abort() }))).code).toBe("aborted");
  });

  test("the host refuses handles and sizes that are wrong", async () => {
    const { addon } = await loadHost((await buildHost()).bytes);
    const call = (name: keyof HostAddon, ...args: unknown[]): unknown => {
      const f: unknown = Reflect.get(addon, name);
      return typeof f === "function" ? Reflect.apply(f, addon, args) : undefined;
    };
    const wrong = [0, -1, 1.5, NaN, 2 ** 60, 2 ** 20, 2 ** 20 + 5, "1", null, undefined, {}, []];
    for (const name of ["unload", "createContext", "destroyContext", "run", "runAsync"] as const) {
      for (const handle of wrong) expect(() => call(name, handle, [], [], [], [], 1)).toThrow();
      expect(() => call(name)).toThrow();
    }
    expect(() => call("load", "k", "/nowhere.so", new Uint8Array(0), 1, 0)).toThrow(/nowhere/);
    expect(() => call("load", "k", "/nowhere.so", "weights", 1, 0)).toThrow(/bytes/);
    expect(() => call("load", "k", "/nowhere.so", new Uint8Array(0), 0, 0)).toThrow();
    expect(() => call("load", "k", "/nowhere.so", new Uint8Array(0), 1, 2)).toThrow(/give/);
    expect(() => call("load", "k".repeat(300), "/nowhere.so", new Uint8Array(0), 1, 0)).toThrow();
    const session = await open();
    await session.close();
    expect(addon.stats()).toMatchObject({ engines: 0, contexts: 0 });
  });
});

test("the best target that the CPU can run is picked", () => {
  const target = { kind: "so", platform: "x86_64-linux" } as const;
  const wide = { ...target, section: "so:512", features: ["avx2", "avx512f"] };
  const plain = { ...target, section: "so:2", features: ["avx2"] };
  const manifest = tinyManifest({ targets: [wide, plain] });
  expect(targetsFor(manifest, "x86_64-linux")).toEqual([wide, plain]);
  const picked = selectTarget([wide, plain], ["avx2"]);
  expect(picked.target).toBe(plain);
  expect(picked.rejected).toEqual([{ target: "so:512", why: "the CPU lacks avx512f" }]);
  expect(selectTarget([wide, plain], ["avx512f", "avx2"]).target).toBe(wide);
});

function resizable(): Float32Array {
  const Growing = ArrayBuffer as new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer;
  return new Float32Array(new Growing(16, { maxByteLength: 64 }), 0, 4);
}
