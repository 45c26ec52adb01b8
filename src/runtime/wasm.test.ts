import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readEngine } from "../engine/read.ts";
import { writeEngine } from "../engine/write.ts";
import { bindInputs } from "../passes/bind-shapes.ts";
import { evaluateGraph } from "../ops/evaluate.ts";
import { zeros, type Tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { PAGE_BYTES, type WasmMemory } from "./core/wasm/api.ts";
import { WasmBackend } from "./core/wasm/backend.ts";
import { WasmEngine } from "./core/wasm/engine.ts";
import { wasmFeatures } from "./core/wasm/features.ts";
import { Regions } from "./core/wasm/regions.ts";
import { withSharedMemory } from "./core/wasm/share.ts";
import { Session, type OpenOptions } from "./node/session.ts";
import { errorOf } from "./testing/errors.ts";
import { convEngine, convGraph, doublingGraph, engineOf, numbers, sharedEngine, trappingEngine } from "./testing/wasm.ts";

const bytes = convEngine();
const open = (options: OpenOptions = {}): Promise<Session> => Session.open(bytes, options);
const input = (rows: number, seed: number): Tensor => ({ type: "float32", dims: [1, 3, rows, 8], data: numbers(24 * rows, seed) });
const wanted = (x: Tensor): Tensor => must(evaluateGraph(bindInputs(convGraph(), { x: x.dims }), { x })["y"], "y");

function near(got: Tensor | undefined, want: Tensor): void {
  expect(got?.dims).toEqual(want.dims);
  want.data.forEach((v: number | bigint, i: number) => expect(Number(got?.data[i])).toBeCloseTo(Number(v), 5));
}

describe("an engine of WebAssembly", () => {
  test("opens from bytes, says what runs, and runs in all four ways", async () => {
    const session = await open();
    const best = wasmFeatures().includes("relaxed-simd") ? "wasm:relaxed" : "wasm:simd128";
    expect(session.info).toMatchObject({ target: best, loadedFrom: "memory" });
    expect(session.info.why).toMatch(/^the file has no native code; /);
    const x = input(8, 3);
    const want = wanted(x);
    near((await session.run({ x }))["y"], want);
    near(session.runSync({ x })["y"], want);
    const y = zeros("float32", [1, 8, 8, 8]);
    await session.runInto({ x }, { y });
    near(y, want);
    const z = zeros("float32", [1, 8, 8, 8]);
    session.runIntoSync({ x }, { y: z });
    near(z, want);
    await session.close();
    expect((await errorOf(() => session.run({ x }))).code).toBe("engine.closed");
  });

  test("leaves the bytes that it was opened from as they were, those of a Buffer too", async () => {
    const buffer = Buffer.from(bytes);
    for (let i = 0; i < 2; i++) await (await Session.open(buffer)).close();
    expect(buffer.equals(bytes)).toBe(true);
  });

  test("runs loops that data end, and gives up on those that do not end", { timeout: 60_000 }, async () => {
    const session = await Session.open(engineOf(doublingGraph()));
    const one = (value: number): Tensor => ({ type: "float32", dims: [1], data: Float32Array.of(value) });
    near((await session.run({ x: one(3), bound: one(100) }))["y"], one(192));
    expect((await errorOf(() => session.run({ x: one(0), bound: one(1) }))).code).toBe("engine.loop");
    expect((await errorOf(() => session.runSync({ x: one(0), bound: one(1) }))).code).toBe("engine.loop");
    near(session.runSync({ x: one(1), bound: one(6) })["y"], one(8));
    await session.close();
  });

  test("has its profiles, in one memory", async () => {
    const session = await open();
    const inputs = [input(8, 1), input(12, 2), input(8, 5)];
    for (const x of inputs) near(session.runSync({ x })["y"], wanted(x));
    expect((await errorOf(() => session.run({ x: input(9, 1) }))).message).toContain("float32[1x3x8x8 or 1x3x12x8]");
    await session.close();
  });

  test("runs contexts side by side, off the event loop", async () => {
    const session = await open({ contexts: 3 });
    const xs = Array.from({ length: 24 }, (_, i) => input(i % 2 === 0 ? 8 : 12, i));
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const results = await Promise.all(xs.map((x) => session.run({ x })));
    clearInterval(timer);
    results.forEach((r, i) => near(r["y"], wanted(must(xs[i], "x"))));
    expect(turns).toBeGreaterThan(0);
    await session.close();
  });

  test("threads share a run, and the result is the same to the bit", { timeout: 60_000 }, async () => {
    const shared = sharedEngine();
    const x: Tensor = { type: "float32", dims: [1, 16, 40, 40], data: numbers(25_600, 11) };
    const alone = await Session.open(shared);
    const want = alone.runSync({ x })["y"];
    await alone.close();
    for (const threads of [2, 3]) {
      const session = await Session.open(shared, { threads, contexts: 2 });
      for (let i = 0; i < 5; i++) expect(session.runSync({ x })["y"]).toEqual(want);
      const results = await Promise.all(Array.from({ length: 6 }, () => session.run({ x })));
      for (const r of results) expect(r["y"]).toEqual(want);
      expect(session.runSync({ x })["y"]).toEqual(want);
      await session.close();
    }
  });

  test(
    "a thread that traps ends the run with an error, on this thread and off it, and the next run is whole",
    { timeout: 60_000 },
    async () => {
      const x = (part: number): Tensor => ({ type: "float32", dims: [1, 16, 40, 40], data: new Float32Array(25_600).fill(part) });
      const session = await Session.open(trappingEngine(), { threads: 3, contexts: 1 });
      expect(session.info.threads).toBe(3);
      for (const part of [2, 0, 1]) {
        const error = await errorOf(() => session.runSync({ x: x(part) }));
        expect(error.code).toBe("internal");
        expect(error.message).toContain("trapped");
        session.runSync({ x: x(3) });
      }
      for (const part of [2, 0, 1]) {
        expect((await errorOf(() => session.run({ x: x(part) }))).message).toContain("trapped");
        await session.run({ x: x(3) });
      }
      expect((await errorOf(() => session.run({ x: x(1) }))).code).toBe("internal");
      session.runSync({ x: x(3) });
      await session.close();
    },
  );

  test("threads that cannot start are an error, not a wait without end", async () => {
    const engine = readEngine(sharedEngine());
    const target = must(
      engine.manifest.targets.find((t) => t.section === "wasm:simd128"),
      "target",
    );
    let closed = 0;
    const lane = {
      run: () => Promise.resolve(),
      close: () => {
        closed++;
      },
    };
    const loaded = await WasmEngine.load(engine, target, { shared: true, threads: 2 });
    const backend = new WasmBackend(loaded, {
      newMemory: (bytes) => new ArrayBuffer(bytes),
      startLane: (thread) => {
        loaded.stateOf(thread).failed();
        return lane;
      },
    });
    const context = backend.createContext(0);
    expect((await errorOf(() => context.run([], []))).code).toBe("engine.load");
    expect(closed).toBe(1);
    backend.close();
  });

  test("opening and closing again and again keeps memory flat", async () => {
    const once = async (): Promise<void> => {
      const session = await open({ contexts: 1 });
      await session.run({ x: input(8, 1) });
      await session.close();
    };
    for (let i = 0; i < 10; i++) await once();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 50; i++) await once();
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  });

  test("says what is wrong with code that is not hone's", async () => {
    const engine = readEngine(bytes);
    const changed = (code: Uint8Array, scratchBytes?: number): Uint8Array =>
      writeEngine({
        manifest: {
          ...engine.manifest,
          targets: engine.manifest.targets.map((t) => (scratchBytes === undefined ? t : { ...t, scratchBytes })),
        },
        sections: [...engine.sections].map(([name, old]) => ({ name, bytes: name.startsWith("wasm:") ? code : old })),
      });
    const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    for (const code of [empty, empty.subarray(0, 3), Uint8Array.of(...empty, 2, 255, 255, 255, 255, 255, 255)])
      expect((await errorOf(() => Session.open(changed(code)))).code).toBe("engine.damaged");
    const cut = must(engine.sections.get("wasm:simd128"), "code");
    expect((await errorOf(() => Session.open(changed(cut.subarray(0, cut.length - 9))))).code).toBe("engine.load");
    const greedy = await Session.open(changed(cut, 2 ** 31));
    expect((await errorOf(() => greedy.run({ x: input(8, 1) }).then(() => greedy.runSync({ x: input(8, 1) })))).code).toBe("engine.load");
    await greedy.close();
  });

  test("is refused when it needs what is not known here", async () => {
    const engine = readEngine(bytes);
    const targets = engine.manifest.targets.map((t) => ({ ...t, features: ["simd4096"] }));
    const sections = [...engine.sections].map(([name, part]) => ({ name, bytes: part }));
    const error = await errorOf(() => Session.open(writeEngine({ manifest: { ...engine.manifest, targets }, sections })));
    expect(error.code).toBe("engine.cpu");
    expect(error.message).toContain("lacks simd4096");
  });
});

test("a shared copy differs in one bit, and only of a module that imports a memory with a maximum first", () => {
  const code = must(readEngine(bytes).sections.get("wasm:simd128"), "code");
  const shared = withSharedMemory(code);
  expect([...code].flatMap((b, i) => (b === shared[i] ? [] : [b ^ (shared[i] ?? 0)]))).toEqual([2]);
  expect(() => withSharedMemory(shared)).toThrow(/does not begin/);
});

test("regions never overlap, are aligned, and what is given back is used again", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 300_000 }), fc.constant(-1)), { maxLength: 60 }), (steps) => {
      const memory = {
        buffer: new ArrayBuffer(PAGE_BYTES),
        grow: (pages: number) => ((memory.buffer = new ArrayBuffer(memory.buffer.byteLength + pages * PAGE_BYTES)), 0),
      };
      const regions = new Regions(memory satisfies WasmMemory);
      const taken: { from: number; to: number }[] = [];
      for (const [i, step] of steps.entries()) {
        if (step < 0) {
          const [gone] = taken.splice(i % Math.max(1, taken.length), 1);
          if (gone) regions.give(gone.from);
          continue;
        }
        const from = regions.take(step);
        expect(from % 64).toBe(0);
        expect(from).toBeGreaterThan(0);
        expect(from + step).toBeLessThanOrEqual(memory.buffer.byteLength);
        expect(taken.some((r) => from < r.to && r.from < from + step)).toBe(false);
        taken.push({ from, to: from + Math.max(1, step) });
      }
      for (const r of taken) regions.give(r.from);
      const size = memory.buffer.byteLength;
      regions.take(size - 128);
      expect(memory.buffer.byteLength).toBe(size);
    }),
  );
});
