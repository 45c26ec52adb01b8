import type { Graph } from "../../ir/graph.ts";
import { sym, type Dim, type Shape } from "../../tensor/dim.ts";
import type { DType } from "../../tensor/dtype.ts";
import { HoneError } from "../../util/errors.ts";
import { ImportBuilder } from "../builder.ts";
import { gatherProblems, type Problems } from "../problems.ts";
import { bindShape } from "../../tensor/dim.ts";
import { solveSymbols, type InputShapes } from "../../tensor/solve.ts";
import type { OnnxGraph, OnnxModel, OnnxValueInfo } from "./ast.ts";
import type { ResolveExternal } from "./external.ts";
import { GraphImporter, ImportSession, isOnnxDomain } from "./nodes.ts";
import { Scope } from "./scope.ts";
import { tensorOnly } from "./things.ts";
import { TENSOR_TYPES, onnxTypeName } from "./types.ts";

export interface ImportOptions {
  readonly file: string;
  readonly resolveExternal?: ResolveExternal;
  /** Numbers for the symbols in the inputs' shapes. */
  readonly shapes?: InputShapes;
}

const OLDEST_OPSET = 6;
const NEWEST_OPSET = 28;

/**
 * Builds hone's graph of an ONNX model. Initializers are constants, also those that are listed as inputs; unknown dims become symbols.
 * Throws one error with all problems: `model.unsupported`, or `graph.shape` and `model.damaged` when it is only such.
 */
export function importOnnx(model: OnnxModel, options: ImportOptions): Graph {
  const problems = gatherProblems(options.file);
  const { graph } = model;
  if (graph === undefined) throw new HoneError("model.damaged", "the model holds no graph", { at: { file: options.file } });
  const opset = problems.attempt({}, () => opsetOf(model)) ?? OLDEST_OPSET;
  const scope = new Scope(new ImportBuilder(graph.name === "" ? "main" : graph.name));
  const importer = new GraphImporter(new ImportSession(opset, options, problems), scope);
  importer.constants(graph);
  addInputs(graph, scope, options, problems);
  importer.nodes(graph);
  for (const { name } of graph.output) {
    problems.attempt({}, () => {
      const thing = importer.output(name);
      if (thing !== undefined) scope.builder.output(tensorOnly(thing, `the output "${name}"`), name);
    });
  }
  problems.throwIfAny();
  return scope.builder.finish();
}

function opsetOf(model: OnnxModel): number {
  const version = model.opsetImport.find((o) => isOnnxDomain(o.domain))?.version ?? 1;
  if (version >= OLDEST_OPSET && version <= NEWEST_OPSET) return version;
  throw new HoneError("model.unsupported", `operator set ${version}: hone reads ${OLDEST_OPSET} to ${NEWEST_OPSET}`, {
    hint: "Convert the model with onnx.version_converter, or export it again.",
  });
}

function addInputs(graph: OnnxGraph, scope: Scope, options: ImportOptions, problems: Problems): void {
  const initialized = new Set(graph.initializer.map((t) => t.name));
  const types = new Map<string, { dtype: DType; shape: Shape }>();
  for (const info of graph.input) {
    if (initialized.has(info.name)) continue;
    scope.set(info.name, undefined);
    const type = problems.attempt({ node: info.name }, () => inputType(info));
    if (type !== undefined) types.set(info.name, type);
  }
  const readable = Object.entries(options.shapes ?? {}).filter(([name]) => types.has(name) || !scope.has(name));
  const bindings = solveSymbols(new Map([...types].map(([name, { shape }]) => [name, shape])), Object.fromEntries(readable));
  for (const [name, { dtype, shape }] of types) scope.set(name, scope.builder.input(name, dtype, bindShape(shape, bindings)));
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
