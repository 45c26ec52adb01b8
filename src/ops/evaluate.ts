/** Computes ops by their definitions: `compute`, its textbook loops, the interpreter. The reference that all else is judged by. */
import { expand, expandSerial } from "../loop/expand.ts";
import { interpret } from "../loop/interpret/interpret.ts";
import { isSerial, type AnyNest, type Operand } from "../loop/nest.ts";
import type { Buffer, Stmt } from "../loop/types.ts";
import type { Graph, Node, Value } from "../ir/graph.ts";
import { staticShape } from "../tensor/dim.ts";
import type { DType } from "../tensor/dtype.ts";
import { readAs } from "../tensor/halves.ts";
import { PLAIN } from "../tensor/layout.ts";
import { elementCount, zeros, type Tensor } from "../tensor/tensor.ts";
import { HoneError, locate, must } from "../util/errors.ts";
import { evaluateControl } from "./control.ts";
import type { Computed } from "./define.ts";
import { getOp } from "./index.ts";

/** What an evaluation reads and writes, each with its memory. */
class Arena {
  readonly buffers = new Map<Operand, Buffer>();
  readonly #memory: Tensor["data"][] = [];

  hold(operand: Operand, memory: Tensor): void {
    const buffer: Buffer = {
      name: `${operand.name}_${this.buffers.size}`,
      dtype: operand.dtype,
      length: elementCount(operand.dims),
      access: "readwrite",
    };
    this.buffers.set(operand, buffer);
    this.#memory.push(memory.data);
  }

  fresh(name: string, dtype: DType, dims: readonly number[]): [Operand, Tensor] {
    const operand: Operand = { name, dtype, dims };
    const memory = zeros(dtype, dims);
    this.hold(operand, memory);
    return [operand, memory];
  }

  run(body: readonly Stmt[]): void {
    interpret({ name: "evaluate", params: [...this.buffers.values()], body }, this.#memory);
  }
}

/**
 * The outputs of one node for given inputs. All inputs count as known, so that ops whose result depends on, say, a shape
 * operand can be evaluated. Throws `graph.shape` when the inputs do not fit.
 */
export function evaluateNode(
  node: Pick<Node, "op" | "name" | "inputs" | "outputs" | "attrs" | "regions">,
  inputs: readonly (Tensor | undefined)[],
): Tensor[] {
  try {
    if (node.regions) return evaluateControl(node, inputs, evaluateRegion);
    return evaluateOp(node.op, inputs, node.attrs, node.outputs.length);
  } catch (error) {
    throw locate(error, { node: node.name, op: node.op });
  }
}

/** As evaluateNode, without a node. */
export function evaluateOp(name: string, inputs: readonly (Tensor | undefined)[], attrs: Node["attrs"], outputs = 1): Tensor[] {
  return must(evaluateWithin(Infinity, name, inputs, attrs, outputs), `outputs of ${name}`);
}

/** Points of the iteration space, reductions included. */
function stepsOf(nest: AnyNest): number {
  if (isSerial(nest)) return nest.steps;
  return elementCount(nest.region?.extents ?? nest.result.dims) * elementCount(nest.reduction?.extents ?? []);
}

/** As evaluateOp; undefined when that takes more steps than `limit`: points of the iteration spaces, reductions included. */
function evaluateWithin(
  limit: number,
  name: string,
  inputs: readonly (Tensor | undefined)[],
  attrs: Node["attrs"],
  outputs: number,
): Tensor[] | undefined {
  const op = getOp(name);
  const known = inputs.map((t) => t && { dtype: t.type, shape: t.dims, data: t });
  const types = op.infer(known, attrs, outputs);
  const arena = new Arena();
  const operands = inputs.map((t, i): Computed | undefined => {
    if (!t) return undefined;
    const operand: Computed = { name: `in${i}`, dtype: t.type, dims: t.dims, data: t };
    arena.hold(operand, t);
    return operand;
  });
  const results = types.map((type, i) => arena.fresh(`out${i}`, type.dtype, staticShape(type.shape, `output ${i} of ${name}`)));
  const outs = results.map(([operand]) => operand);
  const nests = op.compute(
    { outputs: outs, out: must(outs[0], `output of ${name}`), temp: (n, dtype, dims) => arena.fresh(n, dtype, dims)[0] },
    operands,
    attrs,
  );
  const place = (operand: Operand): { buffer: Buffer; layout: typeof PLAIN } => ({
    buffer: must(arena.buffers.get(operand), `buffer of ${operand.name}`),
    layout: PLAIN,
  });
  if (nests.reduce((n, nest) => n + stepsOf(nest), 0) > limit) return undefined;
  // One nest after the other: each reads what the ones before it wrote.
  for (const nest of nests) arena.run(isSerial(nest) ? expandSerial(nest, place) : expand(nest, place));
  return results.map(([, memory]) => memory);
}

/** The outputs of a whole graph, by name. Throws `feeds.invalid` for missing or unfit feeds. */
export function evaluateGraph(graph: Graph, feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const outputs = evaluateRegion(
    graph,
    graph.inputs.map((input) => checkedFeed(input, feeds[input.name])),
  );
  return Object.fromEntries(graph.outputs.map((v, i) => [v.name, must(outputs[i], v.name)]));
}

/** The outputs of a graph or region, in order. Types may be narrower than the graph's: a loop's values can change their shape. */
function evaluateRegion(graph: Graph, inputs: readonly Tensor[]): Tensor[] {
  const known = new Map<Value, Tensor>(graph.inputs.map((input, i) => [input, must(inputs[i], `input ${input.name}`)]));
  const valueOf = (v: Value): Tensor => must(v.data ? readAs(v.data, v.dtype) : known.get(v), `value ${v.name}`);
  for (const node of graph.nodes) {
    const results = evaluateNode(
      node,
      node.inputs.map((v) => v && valueOf(v)),
    );
    node.outputs.forEach((v, i) => known.set(v, must(results[i], `output ${v.name}`)));
  }
  return graph.outputs.map(valueOf);
}

function checkedFeed(input: Value, feed: Tensor | undefined): Tensor {
  const fits =
    feed?.type === input.dtype &&
    feed.dims.length === input.shape.length &&
    input.shape.every((d, i) => typeof d !== "number" || d === feed.dims[i]);
  if (fits) return feed;
  throw new HoneError("feeds.invalid", `input ${input.name} ${feed ? "does not fit the graph" : "is missing"}`);
}

/** Above this many elements a value is not computed at compile time. */
export const FOLD_LIMIT: number = 1 << 24;

/** Steps of the interpreter, a second or two: what takes more, such as the product of two large constants, is left to the engine. */
const FOLD_STEPS = 1 << 25;

/**
 * The outputs of a node whose inputs are known, or whose result does not depend on them (`shape` of a static shape);
 * undefined when they are not known, larger than `limit` elements, or too long to compute here.
 */
export function foldNode(
  node: Node,
  known: (value: Value) => Tensor | undefined,
  types: Pick<Node, "outputs">["outputs"] = node.outputs,
  limit: number = FOLD_LIMIT,
): Tensor[] | undefined {
  const sizes = types.map((v) => v.shape.reduce<number>((n, d) => (typeof d === "number" ? n * d : Infinity), 1));
  if (sizes.some((n) => n > limit)) return undefined;
  if (node.op === "shape") return foldShape(node);
  if (node.regions) return undefined;
  const inputs = node.inputs.map((v) => v && known(v));
  if (inputs.some((t, i) => !t && node.inputs[i])) return undefined;
  try {
    return evaluateWithin(FOLD_STEPS, node.op, inputs, node.attrs, node.outputs.length);
  } catch (error) {
    throw locate(error, { node: node.name, op: node.op });
  }
}

/** The shape of a value needs no data, only static dims. */
function foldShape(node: Node): Tensor[] | undefined {
  const dims = node.inputs[0]?.shape ?? [];
  const start = Number(node.attrs.start ?? 0);
  const end = Number(node.attrs.end ?? dims.length);
  const part = dims.slice(start, end);
  if (!part.every((d) => typeof d === "number")) return undefined;
  return [{ type: "int64", dims: [part.length], data: BigInt64Array.from(part, BigInt) }];
}
