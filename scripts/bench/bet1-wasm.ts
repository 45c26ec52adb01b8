/**
 * Bet 1, WebAssembly: how close the convolutions come to the speed of their own register tile working from the first-level cache,
 * both measured in this run in alternation. Run it by itself: npx tsx scripts/bench/bet1-wasm.ts
 */
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { compileGraph } from "../../src/compiler/compile.ts";
import type { Call } from "../../src/compiler/program.ts";
import type { Graph } from "../../src/ir/graph.ts";
import type { Machine } from "../../src/loop/machine.ts";
import { opBuilder } from "../../src/ops/index.ts";
import { loadWasm } from "../../src/targets/testing/wasm.ts";
import { DTYPES, type TypedArray } from "../../src/tensor/dtype.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { CASES, noise } from "./cases.ts";

/**
 * Four float32 lanes. x64 and V8 leave 15 vector registers, but V8 puts the loads of a loop body before its arithmetic, so that the
 * inputs of a whole step are alive at once: 12 gives tiles of 8 channels × 4 pixels, which do not spill.
 */
const MACHINE: Machine = { lanes: 4, registers: 12 };
const ROUNDS = 40;
const BAR = 0.75;
// The optimising compiler at once: otherwise the first rounds run what the baseline compiler made.
setFlagsFromString("--no-liftoff");

/** The kernels of the nodes with these names. */
const callsOf = (graph: Graph, names: readonly string[]): readonly Call[] => {
  const [program] = compileGraph(graph, { machine: MACHINE }).programs;
  return (program?.calls ?? []).filter((c) => c.kernel.nodes.some((n) => names.includes(n.name)));
};

/** Arrays for a kernel: its constants, and noise for what others compute. */
function argumentsOf(call: Call): readonly TypedArray[] {
  return call.func.params.map((p, i) => {
    const arg = call.kernel.args[i];
    if (arg?.kind === "constant") return arg.tensor.data;
    if (arg?.kind === "value" && arg.value.data) return arg.value.data.data;
    const data = new DTYPES[p.dtype].array(new ArrayBuffer(p.length * DTYPES[p.dtype].bytes), 0, p.length);
    if (data instanceof Float32Array) data.set(noise(p.length, i + 1));
    return data;
  });
}

/** 1×1, 256 channels into two blocks, over one tile of pixels: weights and inputs take 14 KiB. */
function ceilingGraph(pixels: number): Graph {
  const b = opBuilder("ceiling");
  const [channels, outputs] = [256, 2 * MACHINE.lanes];
  const x = b.input("x", "float32", [1, channels, 1, pixels]);
  const w = b.constant(tensor("float32", [outputs, channels, 1, 1], noise(channels * outputs, 7)), "w");
  b.output(b.op("conv", [x, w], {}, { name: "conv" }), "y");
  return b.finish();
}

interface Timed {
  readonly macs: number;
  /** Seconds of one pass, the best of the calls since the last one. */
  readonly measure: () => number;
}

function timed(calls: readonly Call[], macs: number, repeats: number): Timed {
  const loaded = loadWasm(calls.map((c) => c.func));
  const args = calls.map(argumentsOf);
  return { macs, measure: () => calls.reduce((sum, c, i) => sum + loaded.time(c.func.name, args[i] ?? [], repeats, 2), 0) };
}

export interface Row {
  readonly name: string;
  readonly gflops: number;
  readonly ceiling: number;
  readonly share: number;
  readonly bar: number;
}

/** Measures every case of bet 1 against the tile's ceiling. */
export function wasmRows(): readonly Row[] {
  const ceiling = [4, 6].map((pixels) => timed(callsOf(ceilingGraph(pixels), ["conv"]), 256 * 8 * pixels, 300));
  return CASES.map((c) => {
    const calls = callsOf(c.graph, ["conv", "depthwise", "pointwise"]);
    const subject = timed(calls, c.macs, 1);
    subject.measure();
    let [best, top] = [0, 0];
    for (let i = 0; i < ROUNDS; i++) {
      top = Math.max(top, ...ceiling.map((t) => (2e-9 * t.macs) / t.measure()));
      best = Math.max(best, (2e-9 * subject.macs) / subject.measure());
    }
    return { name: c.name, gflops: best, ceiling: top, share: best / top, bar: c.bar > 0 ? BAR : 0 };
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const rows = wasmRows();
  for (const r of rows)
    console.log(
      `${r.name.padEnd(42)} ${r.gflops.toFixed(1)} of ${r.ceiling.toFixed(1)} GFLOP/s = ${(100 * r.share).toFixed(0)}%` +
        (r.bar > 0 ? ` (bar ${100 * r.bar}%: ${r.share >= r.bar ? "reached" : "MISSED"})` : ""),
    );
  process.exitCode = rows.every((r) => r.share >= r.bar) ? 0 : 3;
}
