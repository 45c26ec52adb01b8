import type { Graph, Value } from "../../ir/graph.ts";
import { sym, type Dim, type Shape } from "../../tensor/dim.ts";
import type { DType } from "../../tensor/dtype.ts";
import { HoneError } from "../../util/errors.ts";
import { ImportBuilder } from "../builder.ts";
import { gatherProblems, type Problems } from "../problems.ts";
import { bindShape } from "../../tensor/dim.ts";
import { solveSymbols, type InputShapes } from "../../tensor/solve.ts";
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, OnnxValueInfo } from "./ast.ts";
import type { ResolveExternal } from "./external.ts";
import { findMapper } from "./map/index.ts";
import { NodeView, nodeName, type MapContext } from "./map/node.ts";
import { tensorOf } from "./tensor.ts";
import { TENSOR_TYPES, onnxTypeName } from "./types.ts";

export interface ImportOptions {
  readonly file: string;
  readonly resolveExternal?: ResolveExternal;
  /** Numbers for the symbols in the inputs' shapes. */
  readonly shapes?: InputShapes;
}

const OLDEST_OPSET = 6;
const NEWEST_OPSET = 28;

/** What a name of the ONNX graph stands for. `undefined`: it could not be mapped, and its users need no complaint of their own. */
type Names = Map<string, Value | undefined>;

/**
 * Builds hone's graph of an ONNX model. Initializers are constants, also those that are listed as inputs; unknown dims become symbols.
 * Throws one error with all problems: `model.unsupported`, or `graph.shape` and `model.damaged` when it is only such.
 */
export function importOnnx(model: OnnxModel, options: ImportOptions): Graph {
  const problems = gatherProblems(options.file);
  const { graph } = model;
  if (graph === undefined) throw new HoneError("model.damaged", "the model holds no graph", { at: { file: options.file } });
  const opset = problems.attempt({}, () => opsetOf(model)) ?? OLDEST_OPSET;
  const builder = new ImportBuilder(graph.name === "" ? "main" : graph.name);
  const names = new Map<string, Value | undefined>();
  addConstants(graph, builder, names, options, problems);
  addInputs(graph, builder, names, options, problems);
  const context: MapContext = {
    builder,
    opset,
    tensorOf: (attribute) => attribute.t && tensorOf(attribute.t, options),
  };
  const nodes = new NodeImporter(graph, context, names, problems);
  for (const node of graph.node) nodes.add(node);
  for (const { name } of graph.output) {
    problems.attempt({}, () => {
      if (!names.has(name)) throw new HoneError("model.damaged", `the output "${name}" is not computed by any node`);
      const value = names.get(name);
      if (value !== undefined) builder.output(value, name);
    });
  }
  problems.throwIfAny();
  return builder.finish();
}

function opsetOf(model: OnnxModel): number {
  const version = model.opsetImport.find((o) => isOnnxDomain(o.domain))?.version ?? 1;
  if (version >= OLDEST_OPSET && version <= NEWEST_OPSET) return version;
  throw new HoneError("model.unsupported", `operator set ${version}: hone reads ${OLDEST_OPSET} to ${NEWEST_OPSET}`, {
    hint: "Convert the model with onnx.version_converter, or export it again.",
  });
}

const isOnnxDomain = (domain: string): boolean => domain === "" || domain === "ai.onnx";

function addConstants(graph: OnnxGraph, builder: ImportBuilder, names: Names, options: ImportOptions, problems: Problems): void {
  // only what is used: exporters leave training state behind, some of it in types that hone need not know
  const used = new Set([...graph.node.flatMap((n) => n.input), ...graph.output.map((o) => o.name)]);
  const add = (proto: OnnxTensor): void => {
    if (!used.has(proto.name)) return;
    names.set(
      proto.name,
      problems.attempt({}, () => builder.constant(tensorOf(proto, options), proto.name)),
    );
  };
  graph.initializer.forEach(add);
  for (const { values } of graph.sparseInitializer) {
    const name = values?.name ?? "";
    if (!used.has(name)) continue;
    names.set(name, undefined);
    problems.attempt({}, () => {
      throw new HoneError("model.unsupported", `the initializer "${name}" is sparse`, { hint: "Export the model with dense weights." });
    });
  }
}

function addInputs(graph: OnnxGraph, builder: ImportBuilder, names: Names, options: ImportOptions, problems: Problems): void {
  const initialized = new Set(graph.initializer.map((t) => t.name));
  const types = new Map<string, { dtype: DType; shape: Shape }>();
  for (const info of graph.input) {
    if (initialized.has(info.name)) continue;
    names.set(info.name, undefined);
    const type = problems.attempt({ node: info.name }, () => inputType(info));
    if (type !== undefined) types.set(info.name, type);
  }
  const readable = Object.entries(options.shapes ?? {}).filter(([name]) => types.has(name) || !names.has(name));
  const bindings = solveSymbols(new Map([...types].map(([name, { shape }]) => [name, shape])), Object.fromEntries(readable));
  for (const [name, { dtype, shape }] of types) names.set(name, builder.input(name, dtype, bindShape(shape, bindings)));
}

function inputType({ name, type }: OnnxValueInfo): { dtype: DType; shape: Shape } {
  const tensorType = type?.tensorType;
  if (tensorType === undefined) throw new HoneError("model.unsupported", `the input "${name}" is not a dense tensor`);
  const dtype = TENSOR_TYPES[tensorType.elemType]?.dtype;
  if (dtype === undefined)
    throw new HoneError("model.unsupported", `the input "${name}" has the type ${onnxTypeName(tensorType.elemType)}`);
  if (tensorType.shape === undefined) {
    throw new HoneError("model.unsupported", `the input "${name}" has no shape, so not even its rank is known`, {
      hint: "Export the model with the shapes of its inputs; dims may be symbolic.",
    });
  }
  return { dtype, shape: tensorType.shape.dim.map((d, i) => dimOf(d.dimValue, d.dimParam, `${name}_${i}`)) };
}

function dimOf(value: bigint | undefined, param: string | undefined, fallback: string): Dim {
  if (value !== undefined && value > 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  const name = param === undefined || param === "" ? fallback : param;
  return sym(name.replace(/\W+/g, "_"));
}

class NodeImporter {
  readonly #context: MapContext;
  readonly #names: Names;
  readonly #problems: Problems;
  readonly #used: ReadonlySet<string>;
  /** How often each node name was seen: ONNX does not ask for unique ones. */
  readonly #seen = new Map<string, number>();

  constructor(graph: OnnxGraph, context: MapContext, names: Names, problems: Problems) {
    this.#context = context;
    this.#names = names;
    this.#problems = problems;
    this.#used = new Set([...graph.node.flatMap((n) => n.input), ...graph.output.map((o) => o.name)]);
  }

  add(node: OnnxNode): void {
    const outputs = this.#problems.attempt({ node: nodeName(node), op: node.opType }, () => this.#map(node));
    node.output.forEach((name, i) => {
      if (name !== "") this.#names.set(name, outputs?.[i]);
    });
  }

  /** The node's outputs; `undefined` when an input could not be made, which is a problem told already. */
  #map(node: OnnxNode): readonly Value[] | undefined {
    const mapper = isOnnxDomain(node.domain) ? findMapper(node.opType) : undefined;
    if (mapper === undefined) throw unknownOperator(node);
    const inputs = node.input.map((name) => inputOf(name, this.#names));
    if (inputs.includes("broken")) return undefined;
    const made = mapper(new NodeView(node, this.#uniqueName(node), trimmed(inputs), this.#context));
    const outputs = "dtype" in made ? [made] : made;
    const lacking = node.output.slice(outputs.length).find((name) => name !== "" && this.#used.has(name));
    if (lacking !== undefined) throw new HoneError("model.unsupported", `hone does not support the output "${lacking}" of ${node.opType}`);
    return outputs;
  }

  #uniqueName(node: OnnxNode): string {
    const name = nodeName(node);
    const count = this.#seen.get(name) ?? 0;
    this.#seen.set(name, count + 1);
    return count === 0 ? name : `${name}#${count + 1}`;
  }
}

function inputOf(name: string, names: Names): Value | undefined | "broken" {
  if (name === "") return undefined;
  if (!names.has(name)) throw new HoneError("model.damaged", `the input "${name}" is not computed before the node that uses it`);
  return names.get(name) ?? "broken";
}

/** Optional inputs that are left out at the end are the same as no inputs. */
function trimmed(inputs: readonly (Value | undefined | "broken")[]): (Value | undefined)[] {
  const values = inputs.map((v) => (v === "broken" ? undefined : v));
  while (values.length > 0 && values.at(-1) === undefined) values.pop();
  return values;
}

function unknownOperator({ opType, domain }: OnnxNode): HoneError {
  if (!isOnnxDomain(domain)) return new HoneError("model.unsupported", `hone does not read the operator ${domain}.${opType}`);
  return new HoneError("model.unsupported", `hone does not read the operator ${opType}`);
}
