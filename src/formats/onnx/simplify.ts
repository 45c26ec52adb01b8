/** A model made simpler, its operators untouched: what is constant is computed, what is decided is taken, what nothing needs goes. */
import type { Value } from "../../ir/graph.ts";
import { elementCount, type Tensor } from "../../tensor/tensor.ts";
import { HoneError } from "../../util/errors.ts";
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValueInfo } from "./ast.ts";
import { cleanOnnx } from "./clean.ts";
import { isOnnxDomain } from "./versions.ts";
import type { ImportOptions } from "./import.ts";
import { usedNames } from "./nodes.ts";
import { madeNames, renameNode, subgraphsOf, withSubgraphs } from "./rename.ts";
import { traceOnnx, type Trace } from "./trace.ts";
import { onnxNode, onnxTensor, onnxValueInfo } from "./write.ts";

export interface SimplifyOptions extends ImportOptions {
  /** Inputs that become constants. */
  readonly values?: Readonly<Record<string, Tensor>>;
}

/** Branches in branches, each of which tells the shapes that decide the next. */
const MAX_ROUNDS = 32;

/**
 * The same model with fewer nodes: the same outputs in every runtime. It never fails on an operator that hone does not know: such a
 * node stays as it is. Throws `model.damaged` without a graph, `usage` for shapes or values that do not fit the inputs.
 */
export function simplifyOnnx(model: OnnxModel, options: SimplifyOptions): OnnxModel {
  const shapes = options.shapes ?? {};
  let at = withValues(cleanOnnx(model, shapes), options.values ?? {});
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const trace = traceOnnx(at, options);
    const before = graphOf(at);
    const next = simpler(before, trace, `${round}`);
    at = { ...at, graph: next };
    if (sizeOf(next) === sizeOf(before)) break;
  }
  return { ...at, graph: typed(graphOf(at), traceOnnx(at, options)) };
}

function graphOf({ graph }: OnnxModel): OnnxGraph {
  if (graph === undefined) throw new HoneError("model.damaged", "the model holds no graph");
  return graph;
}

function withValues(model: OnnxModel, values: Readonly<Record<string, Tensor>>): OnnxModel {
  const graph = graphOf(model);
  const names = Object.keys(values);
  const unknown = names.find((name) => !graph.input.some((v) => v.name === name));
  if (unknown !== undefined) {
    throw new HoneError("usage", `the model has no input "${unknown}"`, {
      hint: `Its inputs are ${graph.input.map((v) => v.name).join(", ")}.`,
    });
  }
  const initializer = [...graph.initializer, ...Object.entries(values).map(([name, t]) => onnxTensor(name, t))];
  return { ...model, graph: { ...graph, initializer, input: graph.input.filter((v) => !names.includes(v.name)) } };
}

/** One step, in the subgraphs too. */
function simpler(graph: OnnxGraph, trace: Trace, label: string): OnnxGraph {
  const within = (g: OnnxGraph, i: number): OnnxGraph => {
    const inner = trace.inner(g);
    return inner ? simpler(g, inner, `${label}.${i}`) : g;
  };
  const node = graph.node.map((n, i) => withSubgraphs(n, (g) => within(g, i)));
  return dead(handedOn(branches(folded({ ...graph, node }, trace), trace, label)));
}

/** Nodes and constants, those of subgraphs too: every step that does something changes it. */
const sizeOf = (graph: OnnxGraph): string =>
  JSON.stringify([graph.node.length, graph.initializer.length, graph.node.flatMap((n) => subgraphsOf(n).map(sizeOf))]);

/** A constant larger than that, and larger than what it is made of, is left to be computed: it would only make the file larger. */
const SMALL = 1 << 14;

/** Constants in place of the nodes that compute them; an output of the graph stays the output of a node. */
function folded(graph: OnnxGraph, trace: Trace): OnnxGraph {
  const outputs = new Set(graph.output.map((v) => v.name));
  const made: OnnxTensor[] = [];
  const size = (name: string): number => elementCount(trace.value(name)?.shape.map(Number) ?? []);
  const node = graph.node.filter((n) => {
    const results = n.output.filter((name) => name !== "");
    if (results.length === 0 || results.some((name) => outputs.has(name))) return true;
    const constants = results.map((name) => trace.constant(name));
    const given = n.input.reduce((sum, name) => sum + (name === "" ? 0 : size(name)), 0);
    if (!constants.every((t) => t !== undefined && (t.data.length <= SMALL || t.data.length <= given || n.opType === "Constant")))
      return true;
    constants.forEach((t, i) => {
      if (t) made.push(onnxTensor(results[i] ?? "", t));
    });
    return false;
  });
  return { ...graph, node, initializer: [...graph.initializer, ...made] };
}

/** The nodes of the branch that is taken, in place of an If whose condition is known. */
function branches(graph: OnnxGraph, trace: Trace, label: string): OnnxGraph {
  const initializer = [...graph.initializer];
  const node = graph.node.flatMap((n, i) => {
    const cond = n.opType === "If" && isOnnxDomain(n.domain) ? trace.constant(n.input[0] ?? "")?.data[0] : undefined;
    const branch = cond === undefined ? undefined : n.attribute.find((a) => a.name === (cond === 0 ? "else_branch" : "then_branch"))?.g;
    if (!branch) return [n];
    const own = new Set(madeNames(branch));
    const prefix = `${n.name === "" ? "If" : n.name}.${label}.${i}/`;
    const rename = (name: string): string => (own.has(name) ? `${prefix}${name}` : name);
    initializer.push(...branch.initializer.map((t) => ({ ...t, name: rename(t.name) })));
    const copies = n.output.map((name, k) =>
      onnxNode("Identity", [rename(branch.output[k]?.name ?? "")], [name], {}, `${prefix}output${k}`),
    );
    return [...branch.node.map((b) => renameNode(b, rename)), ...copies.filter((c) => c.output[0] !== "")];
  });
  return { ...graph, node, initializer };
}

/** Whether the node gives its first input as it is. */
function isCopy(n: OnnxNode): boolean {
  if (!isOnnxDomain(n.domain) || n.input[0] === undefined || n.input[0] === "") return false;
  const others = n.output.slice(1).every((name) => name === "");
  const training = n.input[2] !== undefined && n.input[2] !== "";
  return n.opType === "Identity" || (n.opType === "Dropout" && others && !training);
}

/** Without nodes that copy; the copy's name stays where it is an output of the graph, and is the original's own where that is made for it alone. */
function handedOn(graph: OnnxGraph): OnnxGraph {
  const outputs = new Set(graph.output.map((v) => v.name));
  const makers = new Map(graph.node.flatMap((n) => n.output.map((name) => [name, n] as const)));
  const names = new Map<string, string>();
  const gone = new Set<OnnxNode>();
  const resolve = (name: string): string => {
    const next = names.get(name);
    return next === undefined ? name : resolve(next);
  };
  for (const n of graph.node) {
    const from = resolve(n.input[0] ?? "");
    const to = n.output[0] ?? "";
    if (!isCopy(n) || to === "") continue;
    if (!outputs.has(to)) names.set(to, from);
    else if (makers.has(from) && !outputs.has(from)) names.set(from, to);
    else continue;
    gone.add(n);
  }
  const node = graph.node.filter((n) => !gone.has(n)).map((n) => renameNode(n, resolve));
  return { ...graph, node };
}

/** Without what no output needs. */
function dead(graph: OnnxGraph): OnnxGraph {
  const needed = new Set(graph.output.map((v) => v.name));
  const node: OnnxNode[] = [];
  for (const n of [...graph.node].reverse()) {
    if (!n.output.some((name) => needed.has(name)) && n.output.length > 0) continue;
    node.push(n);
    usedNames({ ...graph, node: [n], output: [] }).forEach((name) => needed.add(name));
  }
  const seen = new Set<string>();
  const initializer = graph.initializer.filter((t) => needed.has(t.name) && !seen.has(t.name) && seen.add(t.name));
  const sparseInitializer = graph.sparseInitializer.filter((t) => needed.has(t.values?.name ?? ""));
  return { ...graph, node: node.reverse(), initializer, sparseInitializer };
}

/** With the types of all values that are known. */
function typed(graph: OnnxGraph, trace: Trace): OnnxGraph {
  const outputs = new Set(graph.output.map((v) => v.name));
  const info = (name: string): OnnxValueInfo | undefined => {
    const value = trace.value(name);
    return value && onnxValueInfo(name, value.dtype, value.shape.map(dimOf));
  };
  const inner = graph.node.flatMap((n) => n.output).filter((name) => name !== "" && !outputs.has(name));
  return { ...graph, valueInfo: inner.flatMap((name) => info(name) ?? []), output: graph.output.map((v) => sized(v, trace.value(v.name))) };
}

/** A formula is no name: such a dimension is left open. */
const dimOf = (d: Value["shape"][number]): number | string => (typeof d === "number" ? d : /^[A-Za-z_]\w*$/.test(d.text) ? d.text : "");

/** An output with numbers for its dims where they are known. */
function sized(info: OnnxValueInfo, value: Value | undefined): OnnxValueInfo {
  const known = info.type?.tensorType;
  const dims = value?.shape;
  if (!info.type || !known || !dims?.every((d) => typeof d === "number")) return info;
  const shape = { dim: dims.map((d) => ({ dimValue: BigInt(d), denotation: "" })) };
  return { ...info, type: { ...info.type, tensorType: { ...known, shape } } };
}
