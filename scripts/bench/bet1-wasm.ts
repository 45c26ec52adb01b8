/**
 * Bet 1, WebAssembly: how close the convolutions come to the speed of their own register tile working from the first-level cache,
 * both measured in this run in alternation.
 */
import { setFlagsFromString } from "node:v8";
import { compileGraph } from "../../src/compiler/compile.ts";
import type { Call } from "../../src/compiler/program.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { add, broadcast, constant, fma, indexVar, int, load, mul, typeOf, variable } from "../../src/loop/expr.ts";
import { forLoop, letMutable, letVar, setVar, store } from "../../src/loop/stmt.ts";
import type { Buffer, Func } from "../../src/loop/types.ts";
import type { Machine } from "../../src/loop/machine.ts";
import { loadWasm } from "../../src/targets/testing/wasm.ts";
import { DTYPES, type TypedArray } from "../../src/tensor/dtype.ts";
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

/** Steps of the ceiling's reduction: its weights and inputs take at most 14 KiB, less than half of the first-level cache. */
const STEPS = 256;
const BLOCKS = 2;

/** The register tile alone, of two blocks of channels × pixels, over operands that lie one after the other. */
function ceilingKernel(pixels: number): Func {
  const { lanes } = MACHINE;
  const buffer = (name: string, length: number, access: Buffer["access"]): Buffer => ({ name, dtype: "float32", length, access });
  const [x, w, y] = [
    buffer("x", STEPS * pixels, "read"),
    buffer("w", STEPS * BLOCKS * lanes, "read"),
    buffer("y", BLOCKS * pixels * lanes, "write"),
  ];
  const k = indexVar("k");
  const type = typeOf("float32", lanes);
  const tile = Array.from({ length: BLOCKS * pixels }, (_, i) => ({
    acc: variable(`acc${i}`, type),
    block: i % BLOCKS,
    pixel: Math.floor(i / BLOCKS),
  }));
  const weights = Array.from({ length: BLOCKS }, (_, b) => variable(`w${b}`, type));
  const inputs = Array.from({ length: pixels }, (_, p) => variable(`x${p}`, type));
  const step = [
    ...weights.map((v, b) => letVar(v, load(w, add(mul(k, int(BLOCKS * lanes)), int(b * lanes)), lanes))),
    ...inputs.map((v, p) => letVar(v, broadcast(load(x, add(mul(k, int(pixels)), int(p))), lanes))),
    ...tile.map((t) => setVar(t.acc, fma(inputs[t.pixel] ?? t.acc, weights[t.block] ?? t.acc, t.acc))),
  ];
  const body = [
    ...tile.map((t) => letMutable(t.acc, constant(0, "float32", lanes))),
    forLoop(k, STEPS, step),
    ...tile.map((t, i) => store(y, int(i * lanes), t.acc)),
  ];
  return { name: `tile${pixels}`, params: [x, w, y], body };
}

interface Timed {
  readonly macs: number;
  /** Seconds of one pass, the best of the calls since the last one. */
  readonly measure: () => number;
}

interface Job {
  readonly func: Func;
  readonly args: readonly TypedArray[];
}

function timed(jobs: readonly Job[], macs: number, repeats: number): Timed {
  const loaded = loadWasm(jobs.map((j) => j.func));
  return { macs, measure: () => jobs.reduce((sum, j) => sum + loaded.time(j.func.name, j.args, repeats, 2), 0) };
}

function ceilingOf(pixels: number): Timed {
  const func = ceilingKernel(pixels);
  const args = func.params.map((p, i) => noise(p.length, i + 1));
  return timed([{ func, args }], STEPS * BLOCKS * MACHINE.lanes * pixels, 2000);
}

interface WasmRow {
  readonly name: string;
  readonly gflops: number;
  readonly ceiling: number;
  readonly share: number;
  readonly bar: number;
}

/** Measures every case of bet 1 against the tile's ceiling. */
export function wasmRows(): readonly WasmRow[] {
  const ceiling = [4, 5, 6].map(ceilingOf);
  return CASES.map((c) => {
    const calls = callsOf(c.graph, ["conv", "depthwise", "pointwise"]);
    const jobs = calls.map((call) => ({ func: call.func, args: argumentsOf(call) }));
    const subject = timed(jobs, c.macs, 1);
    subject.measure();
    let [best, top] = [0, 0];
    for (let i = 0; i < ROUNDS; i++) {
      top = Math.max(top, ...ceiling.map((t) => (2e-9 * t.macs) / t.measure()));
      best = Math.max(best, (2e-9 * subject.macs) / subject.measure());
    }
    return { name: c.name, gflops: best, ceiling: top, share: best / top, bar: c.bar > 0 ? BAR : 0 };
  });
}
