/** Threads change who computes what, and nothing else. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildEngine } from "../compiler/node/build.ts";
import { opBuilder } from "../ops/index.ts";
import { haveCompiler } from "../runtime/testing/tiny.ts";
import { Session } from "../runtime/node/session.ts";
import type { Graph, Value } from "../ir/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";

function tensor(dims: readonly number[], seed: number, scale = 1): Tensor {
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => scale * Math.sin(i * 12.9898 + seed));
  return { type: "float32", dims, data };
}

/** Every schedule that threads share: Winograd by strips and by channels, direct, depthwise, pointwise, pooling, a matrix product. */
function network(): Graph {
  const b = opBuilder("threads");
  const attrs = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], group: 1 };
  const conv = (x: Value, w: readonly number[], more: object = {}): Value =>
    b.op("conv", [x, b.constant(tensor(w, w[0] ?? 0, 1 / 16))], { ...attrs, ...more });
  const first = b.op("relu", [conv(b.input("x", "float32", [1, 3, 96, 96]), [32, 3, 3, 3], { strides: [2, 2] })]);
  const wide = conv(first, [32, 32, 3, 3]);
  const deep = conv(b.op("maxPool", [wide], { kernel: [2, 2], strides: [2, 2] }), [72, 32, 3, 3]);
  const own = conv(deep, [72, 1, 5, 5], { pads: [2, 2, 2, 2], group: 72 });
  const point = b.op("add", [conv(own, [72, 72, 1, 1], { pads: [0, 0, 0, 0] }), deep]);
  const flat = b.op("reshape", [point, b.constant({ type: "int64", dims: [2], data: new BigInt64Array([72n, -1n]) })]);
  b.output(b.op("gemm", [flat, b.constant(tensor([576, 100], 3, 1 / 16))], {}), "y");
  return b.finish();
}

test.skipIf(!(await haveCompiler()))(
  "two and five threads give the bits of one, alone and side by side",
  { timeout: 120_000 },
  async () => {
    const { engine } = await buildEngine(network(), { modelHash: "0", format: "onnx", targets: ["native"] });
    if (!engine) throw new Error("no engine");
    const feeds = { x: tensor([1, 3, 96, 96], 1) };
    const run = async (threads: number, times: number): Promise<readonly unknown[]> => {
      const session = await Session.open(engine, { native: "allow", threads });
      const results = await Promise.all(Array.from({ length: times }, () => session.run(feeds)));
      for (let i = 0; i < times; i++) results.push(session.runSync(feeds));
      await session.close();
      return results.map((r) => r["y"]?.data);
    };
    const [want] = await run(1, 1);
    for (const threads of [2, 5]) for (const got of await run(threads, 8)) expect(got).toEqual(want);
    await expect(Session.open(engine, { native: "allow", threads: 0 })).rejects.toThrow(HoneError);
  },
);

test.skipIf(!(await haveCompiler()))(
  "the bytes that a session is opened from stay, the file's are moved",
  { timeout: 120_000 },
  async () => {
    const { engine } = await buildEngine(network(), { modelHash: "1", format: "onnx", targets: ["native"] });
    if (!engine) throw new Error("no engine");
    const feeds = { x: tensor([1, 3, 96, 96], 1) };
    const before = engine.slice();
    const fromBytes = await Session.open(engine, { native: "allow" });
    const want = fromBytes.runSync(feeds)["y"]?.data;
    await fromBytes.close();
    expect(Buffer.compare(engine, before)).toBe(0);
    const folder = await mkdtemp(join(tmpdir(), "hone-"));
    try {
      await writeFile(join(folder, "network.hone"), engine);
      for (let i = 0; i < 2; i++) {
        const fromFile = await Session.open(join(folder, "network.hone"));
        expect(fromFile.runSync(feeds)["y"]?.data).toEqual(want);
        await fromFile.close();
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
