/** From an ONNX file to a simpler one that gives the same answers. */
import { writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { OnnxAttribute, OnnxGraph, OnnxModel, OnnxTensor } from "../formats/onnx/ast.ts";
import { externalBytes, externalize } from "../formats/onnx/external.ts";
import type { ImportOptions } from "../formats/onnx/import.ts";
import { isOnnxDomain, opsetOf } from "../formats/onnx/versions.ts";
import { convertOpset, OLDEST_WRITTEN } from "../formats/onnx/opset/convert.ts";
import { readOnnx } from "../formats/onnx/read.ts";
import { simplifyOnnx } from "../formats/onnx/simplify.ts";
import { TENSOR_TYPES } from "../formats/onnx/types.ts";
import { writeOnnx } from "../formats/onnx/write.ts";
import { byteSize, is64, type DType } from "../tensor/dtype.ts";
import { toBFloat16, toFloat16 } from "../tensor/half.ts";
import { elementCount, zeros, type Tensor } from "../tensor/tensor.ts";
import { HoneError, locate } from "../util/errors.ts";
import type { JobOptions } from "./events.ts";
import { externalData, readModelFile, type ModelFile } from "./model-file.ts";
import { writeOutput } from "./output-file.ts";
import { parseProfiles } from "./shapes.ts";

export interface ConvertOptions extends JobOptions {
  readonly output: string;
  /** Values of --shape. */
  readonly shapes?: readonly string[];
  /** Values of --set: `name=value` makes an input a constant. */
  readonly set?: readonly string[];
  /** The version of ONNX's own operator set to write; without it, the model's own. */
  readonly opset?: number | undefined;
}

export interface Converted {
  readonly input: string;
  readonly output: string;
  /** Files that were written: the model, and its data where it is too large for one. */
  readonly files: readonly string[];
  readonly bytes: number;
  readonly opset: number | null;
  /** The model's own. */
  readonly opsetBefore: number | null;
  readonly nodes: { readonly before: number; readonly after: number };
  /** Why the model was left as it is, where hone does not read its operator set. */
  readonly doubt: string | null;
}

/**
 * Throws `usage` for what is no ONNX model, for shapes and for values that do not fit, `model.unsupported` with every node that the wanted
 * operator set cannot express; `file.*`, `model.damaged`.
 */
export async function convertFile(path: string, options: ConvertOptions): Promise<Converted> {
  const file = await readModelFile(path, options.signal);
  if (file.format !== "onnx") {
    throw new HoneError("usage", "only ONNX models can be converted", {
      at: { file: path },
      hint: "hone build compiles TFLite models as they are.",
    });
  }
  const [shapes = {}, ...more] = parseProfiles(options.shapes ?? []);
  if (more.length > 0) throw new HoneError("usage", "a model has one set of shapes", { hint: "Give each input one --shape." });
  try {
    return await writeOutput(options.output, async (write) => {
      const model = withoutFiles(readOnnx(file.bytes, { file: path }), file);
      const values = Object.fromEntries((options.set ?? []).map((text) => parseValue(text, model)));
      const simple = atOpset(simplifyOnnx(model, { file: path, shapes, values }), { file: path, shapes }, options.opset);
      const data = join(dirname(options.output), `${basename(options.output)}.data`);
      const parts = split(simple, basename(data));
      await write(parts.bytes);
      if (parts.data) await writeFile(data, parts.data);
      return {
        input: path,
        output: options.output,
        files: [options.output, ...(parts.data ? [data] : [])],
        bytes: parts.bytes.length + (parts.data?.length ?? 0),
        opset: versionOf(simple),
        opsetBefore: versionOf(model),
        nodes: { before: countNodes(model.graph), after: countNodes(simple.graph) },
        doubt: doubtOf(model),
      };
    });
  } catch (error) {
    throw locate(error, { file: path });
  }
}

/** Versions that --opset takes. */
export const OLDEST_OPSET: number = OLDEST_WRITTEN;
export { NEWEST_OPSET } from "../formats/onnx/versions.ts";

function doubtOf(model: OnnxModel): string | null {
  try {
    opsetOf(model);
    return null;
  } catch (error) {
    if (!(error instanceof HoneError)) throw error;
    return `${error.message}; its nodes were left as they are`;
  }
}

const versionOf = ({ opsetImport }: OnnxModel): number | null => opsetImport.find((o) => isOnnxDomain(o.domain))?.version ?? null;

/** At the wanted operator set; what that made constant or useless is taken out again. */
export function atOpset(model: OnnxModel, options: ImportOptions, opset: number | undefined): OnnxModel {
  if (opset === undefined) return model;
  const converted = convertOpset(model, { ...options, opset });
  return converted === model ? model : simplifyOnnx(converted, options);
}

/** Bytes of weights that stay in the file: protobuf's readers end at 2 GB. */
const LARGEST_INSIDE = 1_900_000_000;

function split(model: OnnxModel, dataName: string): { readonly bytes: Uint8Array; readonly data?: Uint8Array } {
  const weights = (model.graph?.initializer ?? []).reduce((n, t) => n + (t.rawData?.length ?? 0), 0);
  if (weights <= LARGEST_INSIDE) return { bytes: writeOnnx(model) };
  const { model: small, data } = externalize(model, dataName);
  return { bytes: writeOnnx(small), data };
}

export const countNodes = (graph: OnnxGraph | undefined): number =>
  (graph?.node ?? []).reduce(
    (n, { attribute }) =>
      n + 1 + attribute.reduce((m, a) => m + [...(a.g ? [a.g] : []), ...a.graphs].reduce((k, g) => k + countNodes(g), 0), 0),
    0,
  );

/** The model with the data of its files in it, as views. */
export function withoutFiles(model: OnnxModel, file: ModelFile): OnnxModel {
  const options = { file: file.path, resolveExternal: externalData(file) };
  const tensor = (t: OnnxTensor): OnnxTensor => {
    const type = TENSOR_TYPES[t.dataType]?.dtype;
    if (t.dataLocation !== 1 || type === undefined) return t;
    const rawData = externalBytes(t, elementCount(t.dims) * byteSize(type), options);
    return { ...t, rawData, dataLocation: 0, externalData: [] };
  };
  const attribute = (a: OnnxAttribute): OnnxAttribute => ({
    ...a,
    ...(a.t ? { t: tensor(a.t) } : {}),
    ...(a.g ? { g: graph(a.g) } : {}),
    tensors: a.tensors.map(tensor),
    graphs: a.graphs.map(graph),
  });
  const graph = (g: OnnxGraph): OnnxGraph => ({
    ...g,
    initializer: g.initializer.map(tensor),
    node: g.node.map((n) => ({ ...n, attribute: n.attribute.map(attribute) })),
  });
  return model.graph ? { ...model, graph: graph(model.graph) } : model;
}

const HINT = "Write it as --set name=value: a number, or one for each element with commas between.";

/** The input that `sr=16000` names: its type and dims; an open dim is as long as there are words. Throws `usage`. */
function settable(
  text: string,
  name: string,
  words: number,
  graph: OnnxGraph | undefined,
): { readonly dtype: DType; readonly dims: readonly number[] } {
  const type = graph?.input.find((v) => v.name === name)?.type?.tensorType;
  const dtype = type && TENSOR_TYPES[type.elemType]?.dtype;
  if (!dtype) {
    const inputs = graph?.input.map((v) => v.name).join(", ") ?? "";
    throw new HoneError("usage", `"${text}" sets no input of the model`, { hint: `${HINT} The inputs are ${inputs}.` });
  }
  const dims = (type.shape?.dim ?? []).map((d) => Number(d.dimValue ?? words));
  checkCount(text, words, elementCount(dims));
  return { dtype, dims };
}

function checkCount(text: string, words: number, count: number): void {
  if (!(count >= 0 && count <= MAX_SET)) throw new HoneError("usage", `"${text}": the input is too large to be set`, { hint: HINT });
  if (words !== 1 && words !== count) throw new HoneError("usage", `"${text}": ${words} elements for ${count}`, { hint: HINT });
}

/** Elements of an input that may be set. */
const MAX_SET = 1 << 20;

/** `sr=16000` as a tensor of the input's type. Throws `usage`. */
function parseValue(text: string, { graph }: OnnxModel): readonly [string, Tensor] {
  const cut = text.indexOf("=");
  const name = text.slice(0, Math.max(0, cut));
  const words = text.slice(cut + 1).split(",");
  const { dtype, dims } = settable(text, name, words.length, graph);
  const value = zeros(dtype, dims);
  for (let i = 0; i < value.data.length; i++) value.data[i] = element(words[words.length === 1 ? 0 : i] ?? "", dtype, text);
  return [name, value];
}

function element(word: string, dtype: DType, text: string): number | bigint {
  const plain = word.trim() === "true" ? "1" : word.trim() === "false" ? "0" : word.trim();
  const wrong = (): HoneError => new HoneError("usage", `"${text}": "${word}" is no ${dtype}`, { hint: HINT });
  if (is64(dtype)) {
    if (!/^-?\d{1,19}$/.test(plain)) throw wrong();
    return BigInt(plain);
  }
  const value = Number(plain === "" ? NaN : plain);
  if (Number.isNaN(value)) throw wrong();
  if (dtype === "float16") return toFloat16(value);
  return dtype === "bfloat16" ? toBFloat16(value) : value;
}
