import { makeValue, type Graph, type Value } from "../../../ir/graph.ts";
import { tensor } from "../../../tensor/tensor.ts";
import { HoneError, must } from "../../../util/errors.ts";
import type { OnnxGraph } from "../ast.ts";
import { isTensor, present, tensorOnly, type Thing } from "../things.ts";
import type { Flow, FlowMapper, MadeRegion } from "./flow.ts";
import type { NodeView } from "./node.ts";
import { scan } from "./scan.ts";

const TRUE = tensor("bool", [], Uint8Array.of(1));

const ifNode: FlowMapper = (n, _things, flow) => {
  const cond = n.known(0)?.[0];
  const branches = [n.graph("then_branch"), n.graph("else_branch")] as const;
  if (cond !== undefined) return flow.inline(branches[cond === 0 ? 1 : 0], []);
  const regions = both(branches.map((g, i) => () => flow.region(i === 0 ? "then" : "else", (r) => r.run(g, []).map(tensorOutput))));
  const captured = [...new Set(regions.flatMap((r) => [...r.captures.keys()]))];
  const graphs = regions.map((r) => withInputs(r, captured));
  return n.emitAll("if", [n.input(0), ...captured], {}, branches[0].output.length, graphs);
};

/**
 * Does all, also after one has failed, so that the problems of each are told; then throws. A branch may be impossible only for the
 * shapes that were given, which nothing but its condition keeps from running.
 */
function both<T>(work: readonly (() => T)[]): readonly T[] {
  const failures: unknown[] = [];
  const results = work.flatMap((f) => {
    try {
      return [f()];
    } catch (error) {
      failures.push(error);
      return [];
    }
  });
  if (failures.length === 0) return results;
  if (results.length === 0) throw failures[0];
  throw new HoneError("model.unsupported", "one branch of If cannot be compiled for these shapes, the other can", {
    hint: "Where the model's inputs decide, make the one that does a constant, for example: hone convert model.onnx --set rate=16000",
  });
}

const tensorOutput = (thing: Thing): Value => tensorOnly(thing, "an output of a branch that is chosen while the model runs");

/** The region with an input for each of the values outside, whether it reads it or not. */
function withInputs({ graph, captures }: MadeRegion, values: readonly Value[]): Graph {
  return { ...graph, inputs: values.map((v, i) => captures.get(v) ?? makeValue(`${v.name}:unread${i}`, v)) };
}

/** Whether the body of a loop can be run on its own results: they are tensors of the types that it was begun with. */
const fits = (begin: Value, end: Value): boolean =>
  begin.dtype === end.dtype &&
  begin.shape.length === end.shape.length &&
  begin.shape.every((d, i) => typeof d !== "number" || typeof end.shape[i] !== "number" || d === end.shape[i]);

/** What is known of a loop before it runs. */
interface LoopNode {
  readonly n: NodeView;
  readonly flow: Flow;
  readonly body: OnnxGraph;
  /** How often it runs at most, when that is a known number. */
  readonly trips: number | undefined;
  readonly carried: readonly Thing[];
}

/** The value of an optional scalar: `absent` when it is not given, `undefined` when it is computed. */
function scalar(n: NodeView, i: number, absent: number): number | undefined {
  return n.inputs[i] === undefined ? absent : n.known(i)?.[0];
}

const loopNode: FlowMapper = (n, things, flow) => {
  const [trips, enters] = [scalar(n, 0, Infinity), scalar(n, 1, 1)];
  const known = enters === 0 ? 0 : enters === undefined || trips === Infinity ? undefined : trips;
  const loop = { n, flow, body: n.graph("body"), trips: known, carried: things.slice(2).map((t) => present(t, "a value of the loop")) };
  // Without a count, a loop over sequences may still end by a condition that is known.
  const lists = !loop.carried.every(isTensor);
  if (lists && enters !== undefined && trips !== undefined) return unroll({ ...loop, trips: enters === 0 ? 0 : trips });
  if (lists) throw n.unsupported("sequences and optionals that are carried through a number of iterations that is not known before");
  return kept(loop) ?? unroll(loop);
};

/** The loop as a loop; `undefined` when it has to be written out, and can be. */
function kept({ n, flow, body, trips, carried: things }: LoopNode): readonly Value[] | undefined {
  const carried = things.map((t) => tensorOnly(t, "a value of the loop"));
  const { result, problems } = flow.attempt(() => asRegion(n, flow, body, carried));
  // Shapes that depend on the number of the iteration are known when the iterations are written out.
  if (trips !== undefined && (!result || hasOpenShapes(result.region.graph))) return undefined;
  const same = result?.ends.every((end, i) => fits(must(carried[i], "value"), end));
  if (trips !== undefined && !same) return undefined;
  problems.throwIfAny();
  if (!result || !same)
    throw n.unsupported("values whose shape changes from one iteration to the next", "Export the model with a fixed number of iterations.");
  const attrs = { carried: carried.length, exits: result.exits };
  const inputs = [n.inputs[0], n.inputs[1], ...carried, ...result.region.captures.keys()];
  return n.emitAll("loop", inputs, attrs, body.output.length - 1, [result.region.graph]);
}

const hasOpenShapes = (graph: Graph): boolean =>
  graph.nodes.some((node) => node.outputs.some((v) => v.shape.some((d) => typeof d !== "number" && d.text.includes("?"))));

interface LoopRegion {
  readonly region: MadeRegion;
  readonly ends: readonly Value[];
  readonly exits: boolean;
}

function asRegion(n: NodeView, flow: Flow, body: OnnxGraph, carried: readonly Value[]): LoopRegion {
  let ends: readonly Value[] = [];
  let exits = false;
  const region = flow.region(`${n.name}.body`, (r) => {
    const counter = r.input("iteration", { dtype: "int64", shape: [] });
    const state = carried.map((v) => r.input(v.name, v));
    const outputs = r.run(body, [counter, r.constant(TRUE), ...state]).map((t) => tensorOnly(t, "an output of the loop's body"));
    const [next, ...results] = outputs;
    if (!next || results.length < carried.length) throw new HoneError("model.damaged", "the loop's body has too few outputs");
    ends = results.slice(0, carried.length);
    exits = r.known(next)?.data[0] !== 1;
    return exits ? outputs : results;
  });
  return { region, ends, exits };
}

/** Nodes that one loop may become when it is written out. */
const MAX_UNROLLED = 1 << 14;

/** The loop as its iterations one after another. */
function unroll({ n, flow, body, trips = 0, carried }: LoopNode): readonly Thing[] {
  if (Number.isFinite(trips) && trips * body.node.length > MAX_UNROLLED) {
    throw n.unsupported(
      `${trips} iterations of a body of ${body.node.length} nodes, which would have to be written out`,
      "Values whose shape changes from one iteration to the next, and sequences, cannot be carried through so long a loop.",
    );
  }
  let state = carried;
  const slices: Value[][] = Array.from({ length: Math.max(0, body.output.length - 1 - carried.length) }, () => []);
  for (let i = 0; i < trips; i++) {
    const counter = n.constant(tensor("int64", [], BigInt64Array.of(BigInt(i))));
    const [next, ...results] = flow.inline(body, [counter, n.constant(TRUE), ...state]);
    state = results.slice(0, carried.length);
    results.slice(carried.length).forEach((t, k) => {
      slices[k]?.push(n.step("unsqueeze", [tensorOnly(t, "a slice of the loop's output")], { axes: [0] }));
    });
    const goesOn = isTensor(next) ? n.knownOf(next)?.[0] : undefined;
    if (goesOn === undefined)
      throw n.unsupported("a condition that is computed while the model runs, beside values that change their shape");
    if (goesOn === 0) break;
  }
  const joined = slices.map((list) => {
    if (list.length === 0) throw n.unsupported("a loop without iterations that collects slices");
    return n.step("concat", list, { axis: 0 });
  });
  return [...state, ...joined];
}

export const CONTROL: Readonly<Record<string, FlowMapper>> = { If: ifNode, Loop: loopNode, Scan: scan };
