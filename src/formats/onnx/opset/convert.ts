/** A model said in the words of another version of ONNX's own operator set. */
import { HoneError } from "../../../util/errors.ts";
import { gatherProblems, type Problems } from "../../problems.ts";
import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor } from "../ast.ts";
import type { ImportOptions } from "../import.ts";
import { nodeName } from "../map/node.ts";
import { usedNames } from "../nodes.ts";
import { madeNames, subgraphsOf, withSubgraphs } from "../rename.ts";
import { tensorOf } from "../tensor.ts";
import { traceOnnx } from "../trace.ts";
import { isOnnxDomain, NEWEST_OPSET, opsetOf } from "../versions.ts";
import { onnxTensor } from "../write.ts";
import { DOWN, UP } from "./adapters.ts";
import { Facts } from "./facts.ts";
import { inlined } from "./inline.ts";
import { ATTRIBUTES_SINCE, FIRST_VERSION, irVersionOf, NARROWED, typesSince, type Default } from "./since.ts";
import { Site, type Adapter, type Place } from "./site.ts";

/** The oldest that can be written: before it, operands were broadcast by attribute. */
export const OLDEST_WRITTEN = 7;

/** Of graphs in graphs. */
const MAX_DEPTH = 64;

export interface OpsetOptions extends ImportOptions {
  /** The version of ONNX's own operators that is wanted: 7 to 28. */
  readonly opset: number;
}

/**
 * The same model at another operator set; its answers are the same. Functions of the model are written out. Operators of other
 * domains stay as they are. Throws one error with every node that the operator set cannot express: `model.unsupported`; `usage` for a
 * version that is not written.
 */
export function convertOpset(model: OnnxModel, options: OpsetOptions): OnnxModel {
  const { opset, file } = options;
  if (!Number.isInteger(opset) || opset < OLDEST_WRITTEN || opset > NEWEST_OPSET) {
    throw new HoneError("usage", `operator set ${opset}: hone writes ${OLDEST_WRITTEN} to ${NEWEST_OPSET}`);
  }
  const from = opsetOf(model);
  if (from === opset) return model;
  const flat = inlined(model, file, withoutTypes);
  const { graph } = flat;
  if (graph === undefined) throw new HoneError("model.damaged", "the model holds no graph", { at: { file } });
  const facts = new Facts(traceOnnx(flat, options), graph, (proto) => tensorOf(proto, options));
  const problems = gatherProblems(file);
  const converted = new Converter(graph, opset, problems).graph(graph, from, facts);
  problems.throwIfAny();
  const others = flat.opsetImport.filter((o) => !isOnnxDomain(o.domain));
  const irVersion = opset > from ? Math.max(model.irVersion, irVersionOf(opset)) : irVersionOf(opset);
  return { ...flat, irVersion, graph: converted, opsetImport: [{ domain: "", version: opset }, ...others] };
}

/** The nodes of a function that is written for another operator set than the model: of its values nothing is known. */
function withoutTypes(graph: OnnxGraph, from: number, to: number, file: string): OnnxGraph {
  const problems = gatherProblems(file);
  const converted = new Converter(graph, to, problems).graph(
    graph,
    from,
    new Facts(undefined, graph, (proto) => tensorOf(proto, { file })),
  );
  problems.throwIfAny();
  return converted;
}

class Converter {
  readonly #to: number;
  readonly #problems: Problems;
  readonly #names: Set<string>;
  readonly #used: ReadonlySet<string>;

  constructor(graph: OnnxGraph, to: number, problems: Problems) {
    this.#to = to;
    this.#problems = problems;
    this.#names = new Set(allNames(graph, 0));
    this.#used = usedNames(graph);
  }

  graph(graph: OnnxGraph, from: number, facts: Facts, depth = 0): OnnxGraph {
    if (depth > MAX_DEPTH) throw new HoneError("model.unsupported", "the model's subgraphs are nested too deeply");
    const made: OnnxTensor[] = [];
    const place: Place = {
      facts,
      fresh: (like) => this.#fresh(like),
      constant: (name, value) => made.push(onnxTensor(name, value)),
      hold: (tensor) => made.push(tensor),
      used: (name) => this.#used.has(name),
    };
    const node = graph.node.flatMap((n) => {
      const inner = withSubgraphs(n, (g) => this.graph(g, from, facts.inner(g), depth + 1));
      return this.#problems.attempt({ node: nodeName(n), op: n.opType }, () => this.#node(inner, from, place)) ?? [];
    });
    return { ...graph, node, initializer: [...graph.initializer, ...made] };
  }

  #fresh(like: string): string {
    let name = like;
    for (let i = 2; this.#names.has(name); i++) name = `${like}_${i}`;
    this.#names.add(name);
    return name;
  }

  #node(node: OnnxNode, from: number, place: Place): readonly OnnxNode[] {
    if (!isOnnxDomain(node.domain)) return [node];
    if (!FIRST_VERSION.has(node.opType)) {
      throw new HoneError("model.unsupported", `${node.opType} is no operator of ONNX that hone knows`, {
        hint: "An operator of your own belongs into a domain of its own, and is then left as it is.",
      });
    }
    return from < this.#to ? this.#up(node, from, place) : this.#down(node, from, place);
  }

  #up(node: OnnxNode, from: number, place: Place): readonly OnnxNode[] {
    const adapters = UP.get(node.opType);
    for (let version = from + 1; version <= this.#to; version++) {
      refuseNarrowed(node, version, place);
      const adapter = adapters?.get(version);
      if (adapter) return adapted(node, adapter, place, (what) => outgrown(what, version)).flatMap((n) => this.#up(n, version, place));
    }
    return [node];
  }

  #down(node: OnnxNode, from: number, place: Place): readonly OnnxNode[] {
    const adapters = DOWN.get(node.opType);
    const first = FIRST_VERSION.get(node.opType) ?? 1;
    let at = node;
    for (let version = from; version > this.#to; version--) {
      refuseWidened(at, version, place);
      at = withoutDefaults(at, version);
      const adapter = adapters?.get(version);
      if (adapter) return adapted(at, adapter, place, (what) => missing(what, version)).flatMap((n) => this.#down(n, version - 1, place));
      if (first === version) throw missing(node.opType, version);
    }
    return [at];
  }
}

function adapted(node: OnnxNode, adapter: Adapter, place: Place, refused: (what: string) => HoneError): readonly OnnxNode[] {
  const site = new Site(node, place);
  try {
    adapter(site);
  } catch (error) {
    if (!(error instanceof HoneError) || error.code !== "model.unsupported") throw error;
    const { message, hint = "" } = refused(error.message);
    throw new HoneError("model.unsupported", message, { hint: error.hint === undefined ? hint : `${error.hint} ${hint}` });
  }
  return site.nodes;
}

/** The wanted operator set is too old for it. */
const missing = (what: string, version: number): HoneError =>
  new HoneError("model.unsupported", `${what}: this needs operator set ${version}`, { hint: `--opset ${version} or later has it.` });

/** The wanted operator set is too new for it. */
const outgrown = (what: string, version: number): HoneError =>
  new HoneError("model.unsupported", `${what}: this is no more since operator set ${version}`, { hint: `--opset ${version - 1} has it.` });

function refuseNarrowed(node: OnnxNode, version: number, { facts }: Place): void {
  const lost = NARROWED[node.opType];
  const type = facts.of(node.input[0] ?? "").type;
  if (lost?.version === version && type !== undefined && lost.types.includes(type)) {
    throw outgrown(`the type ${type}`, version);
  }
}

function refuseWidened(node: OnnxNode, version: number, { facts }: Place): void {
  const check = (name: string, input: number | undefined): void => {
    const type = name === "" ? undefined : facts.of(name).type;
    if (type !== undefined && typesSince(node.opType, version, input).includes(type)) throw missing(`the type ${type}`, version);
  };
  node.input.forEach((name, i) => {
    check(name, i);
  });
  node.output.forEach((name) => {
    check(name, undefined);
  });
}

/** Without the attributes that are new, which must say what the older version does by itself. */
function withoutDefaults(node: OnnxNode, version: number): OnnxNode {
  const since = ATTRIBUTES_SINCE[node.opType]?.[version];
  if (since === undefined) return node;
  const attribute = node.attribute.filter((a) => {
    const otherwise = since[a.name];
    if (otherwise === undefined) return true;
    if (!isDefault(a, otherwise)) throw missing(`${a.name} = ${attributeText(a)}`, version);
    return false;
  });
  return { ...node, attribute };
}

function isDefault(a: OnnxAttribute, otherwise: Default): boolean {
  if (otherwise === "ones") return a.ints.every((i) => i === 1n);
  if (typeof otherwise === "number") return Number(a.i ?? 0n) === otherwise;
  return new TextDecoder().decode(a.s) === otherwise;
}

function attributeText({ i, s, ints }: OnnxAttribute): string {
  if (ints.length > 0) return `[${ints.join(", ")}]`;
  return i === undefined ? `"${new TextDecoder().decode(s)}"` : String(i);
}

/** Every name of a value or a node, those of subgraphs too. */
function allNames(graph: OnnxGraph, depth: number): string[] {
  if (depth > MAX_DEPTH) return [];
  const inner = graph.node.flatMap((n) => subgraphsOf(n).flatMap((g) => allNames(g, depth + 1)));
  return [...madeNames(graph), ...usedNames(graph), ...graph.node.map((n) => n.name), ...inner];
}
