/** What a model or an engine is: read from the file itself, so that it is told even of a model that hone cannot build. */
import { platformName, WEIGHTS_SECTION, type Engine } from "../engine/format.ts";
import { detectFormat } from "../formats/index.ts";
import { readOnnx } from "../formats/onnx/read.ts";
import { STRING } from "../formats/onnx/strings.ts";
import { onnxTypeName, TENSOR_TYPES } from "../formats/onnx/types.ts";
import type { OnnxModel, OnnxNode, OnnxValueInfo } from "../formats/onnx/ast.ts";
import { readTflite } from "../formats/tflite/read.ts";
import { tfliteDType, tfliteTypeName } from "../formats/tflite/types.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { selectTarget, targetsFor } from "../runtime/core/select.ts";
import { readEngineFile } from "../runtime/node/file.ts";
import { mapDims } from "../text/program.ts";
import { DTYPES, type DType } from "../tensor/dtype.ts";
import { elementCount } from "../tensor/tensor.ts";
import { cpuFeatures } from "../toolchain/cpu.ts";
import type { ErrorCode } from "../util/codes.ts";
import { HoneError, type Problem } from "../util/errors.ts";
import { given } from "./events.ts";
import { countMacs } from "./macs.ts";
import { importFile, readBounded, readModelFile, type ModelFile } from "./model-file.ts";
import { nanWeights, type NanWeight } from "./nan-weights.ts";
import { chooseRecipe, signatureOf, type ChosenRecipe } from "./recipe.ts";
import { bindProfile, parseProfiles, type Profile } from "./shapes.ts";

export interface InspectedValue {
  readonly name: string;
  readonly type: string;
  readonly dims: readonly (number | string)[];
}

interface Common {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly inputs: readonly InspectedValue[];
  readonly outputs: readonly InspectedValue[];
}

export interface InspectedModel extends Common {
  readonly format: "onnx" | "tflite";
  /** Of ONNX's own operator set; null where the format has none. */
  readonly opset: number | null;
  readonly producer: string;
  /** Operators by the format's own names, most frequent first. */
  readonly ops: Readonly<Record<string, number>>;
  /** Those of them that are computed in JavaScript, before and after the kernels: operators on strings. */
  readonly hostOps: Readonly<Record<string, number>>;
  /** Elements of float and quantised weights. */
  readonly parameters: number;
  /** Null when a problem or an open dimension hides it. */
  readonly macs: number | null;
  readonly recipe: string | null;
  readonly recipeWhy: string;
  /** Weights that are damaged, though hone can build with them. */
  readonly nanWeights: readonly NanWeight[];
  /** Why hone cannot build it; empty when it can. */
  readonly problems: readonly Problem[];
  readonly failure?: { readonly code: ErrorCode; readonly message: string };
}

export interface InspectedEngine extends Common {
  readonly format: "hone";
  readonly opset: null;
  readonly ops: Readonly<Record<string, number>>;
  readonly parameters: number;
  readonly macs: null;
  readonly problems: readonly Problem[];
  readonly engine: Engine;
  /** How this machine would run it. */
  readonly target: string | null;
  readonly why: string;
}

export interface InspectOptions {
  /** Values of --shape. */
  readonly shapes?: readonly string[];
  readonly signal?: AbortSignal;
}

/** Throws `file.*`, `model.format`, `model.damaged`, `engine.damaged`, `engine.version`; what is unsupported is in `problems`. */
export async function inspectFile(path: string, options: InspectOptions = {}): Promise<InspectedModel | InspectedEngine> {
  const head = await readBounded(path, 2 ** 32 - 1, options.signal);
  if (detectFormat(head) === "hone") return inspectEngine(path, options.signal);
  const model = await readModelFile(path, options.signal);
  const [profile = {}] = parseProfiles(options.shapes ?? []);
  const own = model.format === "onnx" ? onnxFacts(model) : tfliteFacts(model);
  const { graph, problems, failure } = tryImport(model, profile);
  const recipe: ChosenRecipe = graph ? await chooseRecipe(signatureOf(graph)) : { why: "not known while hone cannot read the model" };
  return {
    file: path,
    bytes: model.bytes.length,
    sha256: model.sha256,
    format: model.format,
    ...own,
    ...graphFacts(graph),
    recipe: recipe.recipe?.name ?? null,
    recipeWhy: recipe.why,
    problems,
    ...given("failure", failure),
  };
}

function graphFacts(
  graph: Graph | undefined,
): Pick<InspectedModel, "macs" | "nanWeights" | "hostOps"> & Partial<Pick<InspectedModel, "inputs" | "outputs">> {
  if (!graph) return { macs: null, nanWeights: [], hostOps: {} };
  return {
    ...endsOf(graph),
    hostOps: countOps((graph.host?.steps ?? []).map((s) => s.origin)),
    macs: countMacs(graph) ?? null,
    nanWeights: nanWeights(graph),
  };
}

interface Imported {
  readonly graph?: Graph;
  readonly problems: readonly Problem[];
  readonly failure?: { readonly code: ErrorCode; readonly message: string };
}

function tryImport(model: ModelFile, profile: Profile): Imported {
  try {
    const graph = importFile(model, [profile]);
    return { graph: Object.keys(profile).length > 0 ? bindProfile(graph, profile, model.path) : graph, problems: [] };
  } catch (error) {
    if (!(error instanceof HoneError) || !REPORTED.has(error.code)) throw error;
    const { code, message, problems, at, hint } = error;
    const all = problems.length > 0 ? problems : [{ message, at, ...given("hint", hint) }];
    return { problems: all, failure: { code, message } };
  }
}

const REPORTED = new Set<ErrorCode>(["model.unsupported", "target.unsupported", "graph.shape"]);

const valueOf = (v: Value): InspectedValue => ({
  name: v.name,
  type: v.dtype,
  dims: v.shape.map((d) => (typeof d === "number" ? d : d.text)),
});

/** The model's own inputs and outputs: with strings, not those of its kernels. */
function endsOf({ inputs, outputs, host }: Graph): Pick<Common, "inputs" | "outputs"> {
  if (!host) return { inputs: inputs.map(valueOf), outputs: outputs.map(valueOf) };
  const { inputs: from, outputs: to } = mapDims(host, (shape) => shape.map((d) => (typeof d === "number" ? d : d.text)));
  return { inputs: from, outputs: to };
}

type Facts = Pick<InspectedModel, "opset" | "producer" | "ops" | "parameters" | "inputs" | "outputs">;

const isOnnx = (domain: string): boolean => domain === "" || domain === "ai.onnx";

function onnxFacts({ bytes, path }: ModelFile): Facts {
  const model: OnnxModel = readOnnx(bytes, { file: path });
  const { graph } = model;
  const initializers = new Set(graph?.initializer.map((t) => t.name));
  const nodes = (graph?.node ?? []).flatMap(withBodies);
  const weights = (graph?.initializer ?? []).filter((t) => isWeight(TENSOR_TYPES[t.dataType]?.dtype));
  const inner = nodes.flatMap((n) => (n.opType === "Constant" ? n.attribute.flatMap((a) => a.t ?? []) : []));
  const constants = inner.filter((t) => isWeight(TENSOR_TYPES[t.dataType]?.dtype));
  return {
    opset: model.opsetImport.find((o) => isOnnx(o.domain))?.version ?? null,
    producer: `${model.producerName} ${model.producerVersion}`.trim(),
    ops: countOps(nodes.map((n) => (isOnnx(n.domain) ? n.opType : `${n.domain}.${n.opType}`))),
    parameters: [...weights, ...constants].reduce((n, t) => n + elementCount(t.dims), 0),
    inputs: (graph?.input ?? []).filter((v) => !initializers.has(v.name)).map(onnxValue),
    outputs: (graph?.output ?? []).map(onnxValue),
  };
}

/** A node and those in the bodies of If, Loop and Scan. */
function withBodies(node: OnnxNode): readonly OnnxNode[] {
  const bodies = node.attribute.flatMap((a) => [...(a.g ? [a.g] : []), ...a.graphs]);
  return [node, ...bodies.flatMap((g) => g.node.flatMap(withBodies))];
}

function onnxValue({ name, type }: OnnxValueInfo): InspectedValue {
  const tensor = type?.tensorType;
  const known = tensor && (tensor.elemType === STRING ? "string" : TENSOR_TYPES[tensor.elemType]?.dtype);
  const dims = (tensor?.shape?.dim ?? []).map((d) => (d.dimValue === undefined ? (d.dimParam ?? "?") : Number(d.dimValue)));
  return { name, type: known ?? (tensor ? onnxTypeName(tensor.elemType) : "not a tensor"), dims };
}

function tfliteFacts({ bytes, path }: ModelFile): Facts {
  const model = readTflite(bytes, { file: path });
  const operators = model.subgraphs.flatMap((s) => s.operators);
  const tensors = model.subgraphs.flatMap((s) => s.tensors);
  const weights = tensors.filter((t) => (model.buffers[t.buffer]?.length ?? 0) > 0 && isWeight(tfliteDType(t.type)));
  const [main] = model.subgraphs;
  const value = (index: number): InspectedValue => {
    const t = main?.tensors[index];
    return { name: t?.name ?? "", type: t ? (tfliteDType(t.type) ?? tfliteTypeName(t.type)) : "", dims: t?.shape ?? [] };
  };
  return {
    opset: null,
    producer: model.description,
    ops: countOps(operators.map((o) => (o.op === "CUSTOM" ? `CUSTOM ${o.customCode}` : o.op))),
    parameters: weights.reduce((n, t) => n + elementCount(t.shape), 0),
    inputs: (main?.inputs ?? []).map(value),
    outputs: (main?.outputs ?? []).map(value),
  };
}

/** Integers of more than 8 bits are shapes, axes and biases of quantised layers. */
const isWeight = (dtype: DType | undefined): boolean =>
  dtype !== undefined && (DTYPES[dtype].class === "float" || (DTYPES[dtype].bytes === 1 && dtype !== "bool"));

function countOps(names: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)));
}

/** The file is checked and described; none of its code is loaded. */
async function inspectEngine(path: string, signal?: AbortSignal): Promise<InspectedEngine> {
  const engine = await readEngineFile(path, signal);
  const { manifest } = engine;
  const fit = await fitHere(engine, path);
  return {
    file: path,
    bytes: engine.bytes,
    sha256: engine.sha256,
    format: "hone",
    opset: null,
    inputs: (manifest.host ?? manifest).inputs,
    outputs: (manifest.host ?? manifest).outputs,
    ops: { kernel: manifest.kernels.length },
    parameters: (engine.sections.get(WEIGHTS_SECTION)?.length ?? 0) / 4,
    macs: null,
    engine,
    ...fit,
  };
}

async function fitHere({ manifest }: Engine, path: string): Promise<Pick<InspectedEngine, "target" | "why" | "problems">> {
  try {
    const targets = targetsFor(manifest, platformName(process.arch, process.platform), path);
    const { target, why } = selectTarget(targets, await cpuFeatures(), path);
    return { target: target.section, why, problems: [] };
  } catch (error) {
    if (!(error instanceof HoneError)) throw error;
    const { message, at, hint } = error;
    return { target: null, why: message, problems: [{ message, at, ...given("hint", hint) }] };
  }
}

/** `float32[1,3,640,640]` */
export const valueText = ({ type, dims }: Pick<InspectedValue, "type" | "dims">): string => `${type}[${dims.map(shown).join(",")}]`;

/** A dimension that only running the model could tell is a question mark to people. */
const shown = (dim: number | string): string => (String(dim).includes("?") ? "?" : String(dim));
