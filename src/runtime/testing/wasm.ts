import { createHash } from "node:crypto";
import { packEngine, type PackOptions } from "../../compiler/pack.ts";
import { compileWasm } from "../../compiler/wasm.ts";
import type { Graph, Value } from "../../ir/graph.ts";
import { readEngine } from "../../engine/read.ts";
import { writeEngine } from "../../engine/write.ts";
import type { Instruction } from "../../targets/wasm/instruction.ts";
import { MEET } from "../../targets/wasm/meet.ts";
import { encodeModule } from "../../targets/wasm/module.ts";
import { opBuilder } from "../../ops/index.ts";
import { sym } from "../../tensor/dim.ts";
import { tensor } from "../../tensor/tensor.ts";

/** Deterministic numbers in [-1, 1). */
export const numbers = (count: number, seed: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: count }, (_, i) => ((Math.imul(i + seed, 2654435761) >>> 0) % 4096) / 2048 - 1);

/** A convolution of 3 to 8 channels with bias and ReLU, whose rows are a symbol, and the mean of each channel. */
export function convGraph(): Graph {
  const b = opBuilder("conv");
  const x = b.input("x", "float32", [1, 3, sym("rows"), 8]);
  const w = b.constant(tensor("float32", [8, 3, 3, 3], numbers(8 * 27, 1)), "w");
  const bias = b.constant(tensor("float32", [8], numbers(8, 2)), "bias");
  const y = b.op("relu", [b.op("conv", [x, w, bias], { pads: [1, 1, 1, 1] }, { name: "conv" })], {}, { name: "relu" });
  b.output(y, "y");
  return b.finish();
}

/** Convolutions large enough for threads to share, by Winograd's, the direct and the depthwise schedule, and a small one between them. */
export function sharedEngine(): Uint8Array {
  const b = opBuilder("shared");
  const weight = (dims: readonly number[], seed: number): Value =>
    b.constant(
      tensor(
        "float32",
        dims,
        numbers(
          dims.reduce((n, d) => n * d, 1),
          seed,
        ).map((v) => v * 0.1),
      ),
      `w${seed}`,
    );
  const x = b.input("x", "float32", [1, 16, 40, 40]);
  const wide = b.op("relu", [b.op("conv", [x, weight([32, 16, 3, 3], 1)], { pads: [1, 1, 1, 1] })]);
  const strided = b.op("conv", [wide, weight([48, 32, 3, 3], 2)], { pads: [1, 1, 1, 1], strides: [2, 2] });
  const deep = b.op("relu", [b.op("conv", [strided, weight([48, 1, 3, 3], 3)], { pads: [1, 1, 1, 1], group: 48 })]);
  const small = b.op("conv", [deep, weight([8, 48, 1, 1], 4)], { strides: [4, 4] });
  b.output(
    b.op("add", [b.op("conv", [deep, weight([96, 48, 1, 1], 5)]), b.op("reduceMean", [small], { axes: [1, 2, 3], keepDims: true })]),
    "y",
  );
  return packEngine(compileWasm(b.finish(), { shareFrom: 0 }), OPTIONS, (bytes) => createHash("sha256").update(bytes).digest("hex"));
}

/**
 * {@link sharedEngine} with other code: where x[0] is its number, a thread of the run traps, between two meetings of all; the others
 * meet. It writes nothing.
 */
export function trappingEngine(): Uint8Array {
  const op = (name: string, value?: number): Instruction => ({
    op: name,
    imm: value === undefined ? { kind: "none" } : { kind: "number", value },
  });
  const block: Instruction = { op: "if", imm: { kind: "result" } };
  const load = (name: string): Instruction => ({ op: name, imm: { kind: "memory", align: 2, offset: 0 } });
  const zero: Instruction = { op: "i32.const", imm: { kind: "const", type: "i32", value: 0 } };
  const [inputs, part, parts, barrier] = [2, 4, 5, 6];
  const meet = [op("local.get", parts), op("local.get", barrier), op("call", 0), op("br_if", 0)];
  const number = [op("local.get", inputs), load("i32.load"), load("f32.load"), op("i32.trunc_sat_f32_s")];
  const trap = [...number, op("local.get", part), op("i32.eq"), block, zero, zero, op("i32.div_s"), op("drop"), op("end")];
  const code = encodeModule({
    memory: { initial: 0, maximum: 65_536 },
    scratch: false,
    functions: [
      MEET,
      {
        name: "hone_run_0",
        params: ["weights", "arena", "inputs", "outputs", "part", "parts", "barrier"],
        locals: [],
        code: [...meet, ...trap, ...meet],
        exported: true,
      },
    ],
  });
  const { manifest, sections } = readEngine(sharedEngine());
  const targets = manifest.targets.map(({ scratchBytes: _, ...target }) => target);
  return writeEngine({
    manifest: { ...manifest, targets },
    sections: [...sections].map(([name, bytes]) => ({ name, bytes: name.startsWith("wasm:") ? code : bytes })),
  });
}

const OPTIONS: PackOptions = { modelHash: "0".repeat(64), format: "onnx", build: {} };

/** Doubles x until `bound` is exceeded: for ever when it is not positive. */
export function doublingGraph(): Graph {
  const body = opBuilder("body");
  body.input("iteration", "int64", []);
  const v = body.input("v", "float32", [1]);
  const limit = body.input("limit", "float32", [1]);
  const next = body.op("add", [v, v]);
  body.output(body.op("less", [next, limit]), "more");
  body.output(next, "next");
  const b = opBuilder("doubling");
  const x = b.input("x", "float32", [1]);
  const bound = b.input("bound", "float32", [1]);
  const [y] = b.ops("loop", [undefined, undefined, x, bound], { carried: 1, exits: true }, { regions: [body.finish()], outputs: 1 });
  if (y) b.output(y, "y");
  return b.finish();
}

export const engineOf = (graph: Graph): Uint8Array =>
  packEngine(compileWasm(graph, {}), OPTIONS, (bytes) => createHash("sha256").update(bytes).digest("hex"));

/** {@link convGraph} as an engine with WebAssembly only, for 8 and for 12 rows. */
export function convEngine(): Uint8Array {
  const profiles = [8, 12].map((rows) => ({ x: [1, 3, rows, 8] }));
  return packEngine(compileWasm(convGraph(), { profiles }), OPTIONS, (bytes) => createHash("sha256").update(bytes).digest("hex"));
}
