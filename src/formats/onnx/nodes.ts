/** Turns the nodes of ONNX graphs into nodes of hone's, region by region. */
import type { Graph, Node, Value } from "../../ir/graph.ts";
import { HoneError, must } from "../../util/errors.ts";
import { ImportBuilder } from "../builder.ts";
import { gatherProblems, type Problems } from "../problems.ts";
import type { OnnxFunction, OnnxGraph, OnnxNode, OnnxTensor } from "./ast.ts";
import type { ResolveExternal } from "./external.ts";
import { bodyOf, FunctionTable } from "./functions.ts";
import type { HostBuilder } from "./host.ts";
import { findFlowMapper, findMapper, findTextMapper } from "./map/index.ts";
import { flexAttention } from "./map/flex-attention.ts";
import { findMicrosoftMapper } from "./map/microsoft.ts";
import { findMlMapper } from "./map/ml.ts";
import { gradient } from "./map/gradient.ts";
import type { Flow, FlowMapper, MadeRegion, RegionMaker } from "./map/flow.ts";
import { NodeView, nodeName, type Mapper } from "./map/node.ts";
import { moved } from "./map/text.ts";
import { isText, type TextMapper } from "./map/text-node.ts";
import { refuseCounted } from "./counted.ts";
import { narrowOf } from "./narrow.ts";
import { Scope } from "./scope.ts";
import { STRING, stringsOf } from "./strings.ts";
import { tensorOf } from "./tensor.ts";
import { isTensor, tensorOnly, type Thing } from "./things.ts";
import { unreadOperator } from "./unread.ts";
import { isOnnxDomain, opsetOfFunction } from "./versions.ts";

export interface ImportSettings {
  readonly file: string;
  readonly resolveExternal?: ResolveExternal;
}

/** Nodes of subgraphs and functions, as often as they are written out. */
const MAX_NODES = 1 << 16;
/** Of graphs in graphs. */
const MAX_DEPTH = 64;

/** Thrown where what is needed could not be made, which is a problem told already. */
const BROKEN = new Error("broken");

/** What all graphs of one model share. */
export class ImportSession {
  readonly settings: ImportSettings;
  readonly functions: FunctionTable;
  readonly host: HostBuilder;
  problems: Problems;
  /** How often each node name was seen: ONNX does not ask for unique ones. */
  readonly #seen = new Map<string, number>();
  /** The names of each subgraph; undefined for one that was read more than once, as its values then differ. */
  readonly scopes: Map<OnnxGraph, Scope | undefined> = new Map<OnnxGraph, Scope | undefined>();
  #nodes = 0;

  constructor(settings: ImportSettings, problems: Problems, functions: readonly OnnxFunction[], host: HostBuilder) {
    this.settings = settings;
    this.host = host;
    this.problems = problems;
    this.functions = new FunctionTable(functions);
  }

  /** `inner`: it is not one of the model's own list of nodes. */
  uniqueName(node: OnnxNode, inner: boolean): string {
    if (inner && ++this.#nodes > MAX_NODES)
      throw new HoneError("model.unsupported", `the loops and bodies of the model, written out, have more than ${MAX_NODES} nodes`);
    const name = nodeName(node);
    const count = this.#seen.get(name) ?? 0;
    this.#seen.set(name, count + 1);
    return count === 0 ? name : `${name}#${count + 1}`;
  }

  /** Runs what may fail; its problems are the caller's to tell or to forget. */
  trial<T>(work: () => T): { readonly result: T | undefined; readonly problems: Problems } {
    const before = this.problems;
    const problems = gatherProblems(this.settings.file);
    this.problems = problems;
    try {
      return { result: problems.attempt({}, () => unbroken(work)), problems };
    } finally {
      this.problems = before;
    }
  }
}

function unbroken<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error === BROKEN) return undefined;
    throw error;
  }
}

/** The nodes of one graph, in one scope. */
export class GraphImporter implements Flow {
  readonly #session: ImportSession;
  readonly #scope: Scope;
  readonly #opset: number;
  readonly #depth: number;

  /** `opset` is the version of ONNX's own operators that the nodes are written in. */
  constructor(session: ImportSession, scope: Scope, opset: number, depth = 0) {
    if (depth > MAX_DEPTH) throw new HoneError("model.unsupported", "the model's subgraphs are nested too deeply");
    this.#session = session;
    this.#scope = scope;
    this.#opset = opset;
    this.#depth = depth;
  }

  /** Only what is used: exporters leave training state behind, some of it in types that hone need not know. */
  constants(graph: OnnxGraph): void {
    const used = usedNames(graph);
    const { problems, settings } = this.#session;
    const add = (proto: OnnxTensor): void => {
      if (!used.has(proto.name)) return;
      this.#scope.set(
        proto.name,
        problems.attempt({}, () =>
          proto.dataType === STRING
            ? this.#session.host.constant(stringsOf(proto))
            : this.#scope.builder.constant(tensorOf(proto, settings), proto.name),
        ),
      );
    };
    graph.initializer.forEach(add);
    for (const { values } of graph.sparseInitializer) {
      const name = values?.name ?? "";
      if (!used.has(name)) continue;
      this.#scope.set(name, undefined);
      problems.attempt({}, () => {
        throw new HoneError("model.unsupported", `the initializer "${name}" is sparse`, { hint: "Export the model with dense weights." });
      });
    }
  }

  nodes(graph: OnnxGraph): void {
    const used = usedNames(graph);
    for (const node of graph.node) {
      const outputs = this.#session.problems.attempt({ node: nodeName(node), op: node.opType }, () =>
        unbroken(() => this.#map(node, used)),
      );
      node.output.forEach((name, i) => {
        if (name !== "") this.#scope.set(name, outputs?.[i]);
      });
    }
  }

  /** What an output of the graph is; `undefined` when it could not be made. Throws `model.damaged` when nothing makes it. */
  output(name: string): Thing | undefined {
    if (!this.#scope.has(name)) throw new HoneError("model.damaged", `the output "${name}" is not computed by any node`);
    return this.#scope.get(name);
  }

  inline(graph: OnnxGraph, inputs: readonly Thing[]): readonly Thing[] {
    return this.#within(new Scope(this.#scope.builder, this.#scope)).#run(graph, inputs);
  }

  region(name: string, build: (region: RegionMaker) => readonly Value[]): MadeRegion {
    const builder = new ImportBuilder(name);
    const scope = new Scope(builder, this.#scope);
    const inner = this.#within(scope);
    let steps = 0;
    const label = (op: string): string => `${name}.${op}${steps++}`;
    const outputs = build({
      flow: inner,
      input: (text, type) => scope.input(text, type),
      use: (outer) => scope.use(outer),
      run: (graph, inputs) => inner.#run(graph, inputs),
      known: (value) => builder.known(value),
      constant: (data) => builder.constant(data, `${name}.const${steps++}`),
      step: (op, inputs, attrs = {}) => must(builder.ops(op, inputs, attrs, { name: label(op), origin: [] })[0], op),
      steps: (op, inputs, attrs, count, regions) =>
        builder.ops(op, inputs, attrs, { name: label(op), origin: [], outputs: count, regions }),
    });
    return { graph: finished(builder, outputs), captures: scope.captures };
  }

  named(name: string): Thing | undefined {
    return this.#scope.get(name);
  }

  made(): readonly Node[] {
    return this.#scope.builder.nodes;
  }

  attempt<T>(work: () => T): { readonly result: T | undefined; readonly problems: Problems } {
    return this.#session.trial(work);
  }

  #within(scope: Scope, opset: number = this.#opset): GraphImporter {
    return new GraphImporter(this.#session, scope, opset, this.#depth + 1);
  }

  /** The body of a function of the model, which sees nothing but its inputs. */
  #expand(call: OnnxNode, callee: OnnxFunction, things: readonly (Thing | undefined)[]): readonly Thing[] {
    const scope = new Scope(this.#scope.builder);
    callee.input.forEach((name, i) => {
      if (things[i]) scope.set(name, things[i]);
    });
    const given = new Set(callee.input.filter((_, i) => things[i]));
    const graph = bodyOf(call, callee, given);
    const inner = this.#within(scope, opsetOfFunction(callee, this.#opset));
    inner.nodes(graph);
    return callee.output.map((name) => {
      const thing = inner.output(name);
      if (thing === undefined) throw BROKEN;
      return thing;
    });
  }

  #run(graph: OnnxGraph, inputs: readonly Thing[]): readonly Thing[] {
    if (graph.input.length > inputs.length)
      throw new HoneError("model.damaged", `the subgraph "${graph.name}" has ${graph.input.length} inputs, and is given ${inputs.length}`);
    this.#session.scopes.set(graph, this.#session.scopes.has(graph) ? undefined : this.#scope);
    graph.input.forEach(({ name }, i) => {
      this.#scope.set(name, inputs[i]);
    });
    this.constants(graph);
    this.nodes(graph);
    return graph.output.map(({ name }) => {
      const thing = this.output(name);
      if (thing === undefined) throw BROKEN;
      return thing;
    });
  }

  /** The node's outputs. */
  #map(node: OnnxNode, used: ReadonlySet<string>): readonly Thing[] {
    const map = this.#mapperOf(node);
    const things = trimmed(node.input.map((name) => this.#input(name)));
    const context = {
      builder: this.#scope.builder,
      opset: this.#opset,
      tensorOf: (attribute: NodeAttribute) => attribute.t && tensorOf(attribute.t, this.#session.settings),
    };
    const tensors = things.map((t) => (isTensor(t) ? t : undefined));
    const made = map(new NodeView(node, this.#session.uniqueName(node, this.#depth > 0), tensors, context), things);
    const outputs = isList(made) ? made : [made];
    const lacking = node.output.slice(outputs.length).find((name) => name !== "" && used.has(name));
    if (lacking !== undefined) throw new HoneError("model.unsupported", `hone does not support the output "${lacking}" of ${node.opType}`);
    return outputs;
  }

  #mapperOf(node: OnnxNode): (n: NodeView, things: readonly (Thing | undefined)[]) => Thing | readonly Thing[] {
    const callee = this.#session.functions.find(node);
    if (callee) return (_, things) => this.#expand(node, callee, things);
    const { textMapper, flowMapper, mapper } = mappersOf(node);
    if (textMapper && ((!mapper && !flowMapper) || makesText(node))) return (n, things) => this.#text(n, things, textMapper);
    if (flowMapper) return (n, things) => (mapper && things.every(isTensor) ? mapper(n) : this.#flow(n, things, flowMapper));
    if (!mapper) throw unreadOperator(node);
    return (n, things) => {
      const strings = textMapper ?? (things.some((t) => isText(t) && t.type === "string") ? movedBy(mapper) : undefined);
      if (strings && things.some(isText)) return this.#text(n, things, strings);
      for (const t of things) if (t) tensorOnly(t, `an input of ${node.opType}`);
      return mapper(n);
    };
  }

  #text(n: NodeView, things: readonly (Thing | undefined)[], mapper: TextMapper): Thing | readonly Thing[] {
    if (!this.#session.host.isFor(this.#scope.builder))
      throw n.unsupported("strings in a subgraph that is chosen or repeated while the model runs");
    return mapper(n, things, this.#session.host);
  }

  #flow(n: NodeView, things: readonly (Thing | undefined)[], mapper: FlowMapper): Thing | readonly Thing[] {
    for (const t of things) if (isTensor(t)) refuseCounted(t, n.node.opType);
    return mapper(n, things, this);
  }

  #input(name: string): Thing | undefined {
    if (name === "") return undefined;
    if (!this.#scope.has(name)) throw new HoneError("model.damaged", `the input "${name}" is not computed before the node that uses it`);
    const thing = this.#scope.get(name);
    if (thing === undefined) throw BROKEN;
    return thing;
  }
}

type NodeAttribute = OnnxNode["attribute"][number];

interface Mappers {
  readonly textMapper?: TextMapper | undefined;
  readonly flowMapper?: FlowMapper | undefined;
  readonly mapper?: Mapper | undefined;
}

/** What is read of each domain: ONNX's own, what hone has of ONNX-ML, scaled integers of ONNX Runtime, Gradient, previews. */
const DOMAINS = new Map<string, (opType: string) => Mappers>([
  ["", (op) => ({ textMapper: findTextMapper(op), flowMapper: findFlowMapper(op), mapper: findMapper(op) })],
  ["ai.onnx.ml", (op) => ({ textMapper: findTextMapper(op), mapper: findMlMapper(op) })],
  ["ai.onnx.preview", (op) => ({ flowMapper: op === "FlexAttention" ? flexAttention : undefined })],
  ["ai.onnx.preview.training", (op) => ({ flowMapper: op === "Gradient" ? gradient : undefined })],
  ["com.microsoft", (op) => ({ mapper: findMicrosoftMapper(op) })],
]);

const mappersOf = ({ domain, opType }: OnnxNode): Mappers => DOMAINS.get(isOnnxDomain(domain) ? "" : domain)?.(opType) ?? {};

const movedBy =
  (mapper: Mapper): TextMapper =>
  (n, things, host) =>
    moved(n, mapper, things, host);

/** Whether an operator that also is one of numbers gives strings, or takes them as attributes. */
function makesText({ opType, attribute }: OnnxNode): boolean {
  if (opType === "Cast") return attribute.some((a) => a.name === "to" && a.i === BigInt(STRING));
  if (opType !== "Constant") return false;
  return attribute.some((a) => a.t?.dataType === STRING || a.name === "value_string" || a.name === "value_strings");
}

const isList = (made: Thing | readonly Thing[]): made is readonly Thing[] => Array.isArray(made);

function finished(builder: ImportBuilder, outputs: readonly Value[]): Graph {
  const names = new Set<string>();
  outputs.forEach((value) => {
    const narrow = narrowOf(value);
    refuseCounted(value, "a subgraph");
    if (narrow) throw new HoneError("model.unsupported", `hone does not support the type ${narrow.name} as a result of a subgraph`);
    let name = value.name;
    for (let i = 1; names.has(name); i++) name = `${value.name}:${i}`;
    names.add(name);
    builder.output(value, name);
  });
  return builder.finish();
}

/** Every name that the graph and its subgraphs read. */
export function usedNames(graph: OnnxGraph, depth = 0): Set<string> {
  const used = new Set<string>();
  if (depth > MAX_DEPTH) return used;
  for (const node of graph.node) {
    node.input.forEach((name) => used.add(name));
    for (const { g, graphs } of node.attribute)
      for (const inner of [...(g ? [g] : []), ...graphs]) usedNames(inner, depth + 1).forEach((name) => used.add(name));
  }
  graph.output.forEach(({ name }) => used.add(name));
  return used;
}

/** Optional inputs that are left out at the end are the same as no inputs. */
function trimmed(things: readonly (Thing | undefined)[]): readonly (Thing | undefined)[] {
  const last = things.findLastIndex((t) => t !== undefined);
  return things.slice(0, last + 1);
}
