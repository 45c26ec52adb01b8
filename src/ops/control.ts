/**
 * Control flow: ops whose work is done by their regions. They are no kernels: the program calls, branches and loops over the
 * kernels of the regions (ONNX operator specification: If, Loop; a Scan is a loop that picks its slices).
 */
import type { Graph, Node, Value, ValueType } from "../ir/graph.ts";
import { dimEquals, dimText, isStatic, type Dim } from "../tensor/dim.ts";
import { bytesOf, elementCount, zeros, type Tensor } from "../tensor/tensor.ts";
import { HoneError, must } from "../util/errors.ts";
import { defineControl, misfit, unknownDim, type Known, type Op } from "./define.ts";

/** What no loop exceeds: a condition that never turns false must not run for ever. */
export const LOOP_LIMIT: number = 2 ** 24;

/** A formula longer than a name is no help to a reader. */
const sizeText = (d: Dim): string => (dimText(d).length > 24 ? "?" : dimText(d));
const typeText = (v: ValueType): string => `${v.dtype}[${v.shape.map(sizeText).join(",")}]`;

/** One type for what is either; dims that only running the model could tell stay open. */
function either(op: string, decider: Known, a: ValueType, b: ValueType, what: string): ValueType {
  const clash = (d: Dim, e: Dim | undefined): boolean => typeof d === "number" && typeof e === "number" && d !== e;
  if (a.dtype !== b.dtype || a.shape.length !== b.shape.length || a.shape.some((d, i) => clash(d, b.shape[i])))
    throw new HoneError("graph.shape", `${op}: ${what} is ${typeText(a)} or ${typeText(b)}, and must be of one type`, {
      at: { op },
      hint: "Give the input shapes with --shape, so that hone can tell which.",
    });
  const shape = a.shape.map((d, i) => {
    const e = b.shape[i] ?? d;
    if (dimEquals(d, e)) return d;
    return typeof d === "number" ? d : typeof e === "number" ? e : unknownDim(decider, i);
  });
  return { dtype: a.dtype, shape };
}

/**
 * then or else, by a bool of one element. Regions 0 and 1 have the inputs after the condition for inputs, and the node's outputs for
 * outputs.
 */
export const ifOp: Op = defineControl({
  name: "if",
  inputs: { cond: "bool", values: "any*" },
  attrs: {},
  regions: 2,
  infer: ({ cond, values }, _, [then, otherwise], outputs) => {
    const [a, b] = [must(then, "then"), must(otherwise, "else")];
    checkScalar("if", "the condition", cond);
    for (const g of [a, b]) {
      checkInputs("if", g, values);
      if (g.outputs.length !== outputs)
        throw new HoneError("graph.invalid", `if has ${outputs} outputs, its region ${g.name} ${g.outputs.length}`, { at: { op: "if" } });
    }
    return a.outputs.map((v, i) => either("if", cond, v, must(b.outputs[i], "output"), `output ${i}`));
  },
});

/**
 * Runs region 0 while the condition holds, `trips` times at most; without a condition it holds, without a count there is no bound
 * but {@link LOOP_LIMIT}. The region's inputs are the number of the iteration (int64), the `carried` values, and what it is handed
 * from outside; its outputs the next condition when it `exits` early, the carried values, and slices, which the node's last
 * outputs join along a new first axis.
 */
export const loop: Op = defineControl({
  name: "loop",
  inputs: { trips: "integer?", cond: "bool?", values: "any*" },
  attrs: { carried: 0, exits: false },
  regions: 1,
  infer: ({ trips, cond, values }, { carried, exits }, [region], outputs) => {
    const body = must(region, "body");
    if (trips) checkScalar("loop", "the number of iterations", trips);
    if (cond) checkScalar("loop", "the condition", cond);
    const { counter, inputs, results } = bodyOf(body, exits);
    if (results.length !== outputs || carried > values.length || carried > outputs) throw noBody(body);
    checkInputs("loop", { ...body, inputs }, values);
    const decider = trips ?? cond ?? counter;
    const length = tripCount(trips, cond, exits) ?? unknownDim(decider, 0);
    return results.map((v, i) => {
      if (i < carried) return either("loop", decider, must(values[i], "value"), v, `the value "${inputs[i]?.name ?? ""}"`);
      return { dtype: v.dtype, shape: [length, ...v.shape] };
    });
  },
});

const noBody = ({ name }: Graph): HoneError =>
  new HoneError("graph.invalid", `the body ${name} does not fit its loop`, { at: { op: "loop" } });

/** A loop's body: its counter and other inputs, and its outputs without the condition. Throws `graph.invalid`. */
function bodyOf(
  body: Graph,
  exits: boolean,
): { readonly counter: Value; readonly inputs: readonly Value[]; readonly results: readonly Value[] } {
  const [counter, ...inputs] = body.inputs;
  const [next] = body.outputs;
  if (counter?.dtype !== "int64" || (exits && !next)) throw noBody(body);
  if (exits && next) checkScalar("loop", "the body's condition", next);
  return { counter, inputs, results: body.outputs.slice(exits ? 1 : 0) };
}

function checkScalar(op: string, what: string, v: ValueType): void {
  const elements = isStatic(v.shape) ? elementCount(v.shape) : 1;
  const wanted = what.includes("number") ? "int64" : "bool";
  if (v.dtype !== wanted || elements !== 1) throw misfit(op, `${what} is no ${wanted} of one element`, [v]);
}

function checkInputs(op: string, region: Pick<Graph, "name" | "inputs">, values: readonly Known[]): void {
  if (region.inputs.length !== values.length)
    throw new HoneError("graph.invalid", `the region ${region.name} of ${op} has ${region.inputs.length} inputs for ${values.length}`, {
      at: { op },
    });
  region.inputs.forEach((input, i) => either(op, input, must(values[i], "value"), input, `the input "${input.name}" of its body`));
}

/** How often the body runs, when that is known before. Throws `model.unsupported` beyond {@link LOOP_LIMIT}. */
export function tripCount(trips: Known | undefined, cond: Known | undefined, exits: boolean): number | undefined {
  const holds = cond?.data?.data[0];
  if (holds === 0) return 0;
  const count = trips?.data?.data[0];
  if (count === undefined || exits || (cond && holds === undefined)) return undefined;
  if (Number(count) > LOOP_LIMIT)
    throw new HoneError("model.unsupported", `a loop of ${String(count)} iterations; hone runs at most ${LOOP_LIMIT}`, {
      at: { op: "loop" },
    });
  return Math.max(0, Number(count));
}

/** What the inputs of a node's regions begin as, in their order; undefined for a loop's counter. */
export function regionInputs(node: Pick<Node, "op" | "inputs">): readonly (Value | undefined)[] {
  return node.op === "if" ? node.inputs.slice(1) : [undefined, ...node.inputs.slice(2)];
}

/** How many of a region's inputs are not the same on every run of it: the counter and the carried values. */
export const changingInputs = (node: Pick<Node, "op" | "attrs">): number => (node.op === "if" ? 0 : 1 + Number(node.attrs["carried"] ?? 0));

type RunRegion = (region: Graph, inputs: readonly Tensor[]) => Tensor[];

/** The outputs of a control node, with `run` for its regions: what the word means. */
export function evaluateControl(
  node: Pick<Node, "op" | "attrs" | "regions" | "outputs">,
  inputs: readonly (Tensor | undefined)[],
  run: RunRegion,
): Tensor[] {
  const given = (list: readonly (Tensor | undefined)[]): readonly Tensor[] => list.map((t) => must(t, "operand"));
  const [first, second] = node.regions ?? [];
  const body = must(first, "region");
  if (node.op !== "if") return evaluateLoop(node, inputs, body, given(inputs.slice(2)), run);
  return run(inputs[0]?.data[0] === 0 ? must(second, "else") : body, given(inputs.slice(1)));
}

function evaluateLoop(
  { attrs, outputs }: Pick<Node, "attrs" | "outputs">,
  [trips, cond]: readonly (Tensor | undefined)[],
  body: Graph,
  values: readonly Tensor[],
  run: RunRegion,
): Tensor[] {
  const carried = Number(attrs["carried"] ?? 0);
  const skip = attrs["exits"] === true ? 1 : 0;
  const bound = Number(trips?.data[0] ?? Infinity);
  let state = values.slice(0, carried);
  let holds = cond?.data[0] !== 0;
  const slices: Tensor[][] = outputs.slice(carried).map(() => []);
  for (let i = 0; holds && i < bound; i++) {
    if (i >= LOOP_LIMIT) throw new HoneError("model.unsupported", `a loop has not ended after ${LOOP_LIMIT} iterations`);
    const counter: Tensor = { type: "int64", dims: [], data: BigInt64Array.of(BigInt(i)) };
    const results = run(body, [counter, ...state, ...values.slice(carried)]);
    holds = skip === 0 || results[0]?.data[0] !== 0;
    state = results.slice(skip, skip + carried);
    slices.forEach((list, k) => list.push(must(results[skip + carried + k], "slice")));
  }
  return [...state, ...slices.map((list, k) => stacked(list, must(body.outputs[skip + carried + k], "slice")))];
}

/** The slices along a new first axis. */
function stacked(slices: readonly Tensor[], type: ValueType): Tensor {
  const dims = slices[0]?.dims ?? type.shape.map((d) => (typeof d === "number" ? d : 0));
  if (slices.some((t) => t.dims.join() !== dims.join()))
    throw new HoneError("graph.shape", "loop: the slices of one output are of different shapes", { at: { op: "loop" } });
  const all = zeros(type.dtype, [slices.length, ...dims]);
  const bytes = bytesOf(all);
  slices.forEach((t, i) => {
    bytes.set(bytesOf(t), i * t.data.byteLength);
  });
  return all;
}
