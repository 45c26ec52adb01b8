/** The cases of ONNX's backend test suite, unpacked from its archive and imported. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OnnxModel, OnnxSequence, OnnxTensor, OnnxType } from "../../src/formats/onnx/ast.ts";
import { importOnnx } from "../../src/formats/onnx/import.ts";
import { readOnnx, readOnnxOptional, readOnnxSequence, readOnnxTensor } from "../../src/formats/onnx/read.ts";
import { STRING, stringsOf } from "../../src/formats/onnx/strings.ts";
import { tensorOf } from "../../src/formats/onnx/tensor.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { elementCount, tensor } from "../../src/tensor/tensor.ts";
import type { AnyTensor } from "../../src/text/tensor.ts";
import { HoneError } from "../../src/util/errors.ts";
import type { Case } from "./backends.ts";

export const ARCHIVE: string = join(import.meta.dirname, "../../../shared/conformance/onnx-backend-v1.22.0.tar.xz");
export const GROUPS = ["node", "simple", "light", "pytorch-converted", "pytorch-operator"] as const;

/** Unpacks the archive into a new folder, which the caller removes. */
export function unpackArchive(): string {
  const folder = mkdtempSync(join(tmpdir(), "hone-onnx-"));
  execFileSync("tar", ["xJf", ARCHIVE, "-C", folder]);
  return folder;
}

export interface OnnxCase extends Omit<Case, "feeds"> {
  readonly feeds: Readonly<Record<string, AnyTensor>>;
  readonly wanted: readonly AnyTensor[];
}

const tensorIn = (proto: OnnxTensor, file: string): AnyTensor => (proto.dataType === STRING ? stringsOf(proto) : tensorOf(proto, { file }));

interface Files {
  readonly model: OnnxModel;
  /** Elements of a sequence are inputs of their own: `x.0`, `x.1`, … */
  readonly inputs: ReadonlyMap<string, OnnxTensor>;
  readonly lists: Readonly<Record<string, number | null>>;
  readonly folder: string;
}

function readTensor(file: string): OnnxTensor | undefined {
  return existsSync(file) ? readOnnxTensor(readFileSync(file), { file }) : undefined;
}

/** What a data file holds, as tensors by the names that the importer gives them, and how long the lists among them are. */
interface Data {
  readonly tensors: readonly OnnxTensor[];
  readonly lists: Readonly<Record<string, number | null>>;
}

function sequenceData(name: string, { tensorValues, sequenceValues }: OnnxSequence): Data {
  const inner = sequenceValues.map((s, i) => sequenceData(`${name}.${i}`, s));
  const tensors = tensorValues.map((t, i) => ({ ...t, name: `${name}.${i}` }));
  const lists = Object.assign({ [name]: tensors.length + inner.length }, ...inner.map((d) => d.lists)) as Data["lists"];
  return { tensors: [...tensors, ...inner.flatMap((d) => d.tensors)], lists };
}

function readData(file: string, name: string, type: OnnxType | undefined): Data {
  const none: Data = { tensors: [], lists: {} };
  if (!existsSync(file)) return none;
  const bytes = readFileSync(file);
  if (type?.sequenceType) return sequenceData(name, readOnnxSequence(bytes, { file }));
  if (!type?.optionalType) {
    const proto = readOnnxTensor(bytes, { file });
    return proto.dataType === 0 ? none : { tensors: [{ ...proto, name }], lists: {} };
  }
  const { tensorValue, sequenceValue } = readOnnxOptional(bytes, { file });
  if (sequenceValue) return sequenceData(name, sequenceValue);
  return tensorValue ? { tensors: [{ ...tensorValue, name }], lists: {} } : { tensors: [], lists: { [name]: null } };
}

/** Another model for the same data. */
export type Change = (model: OnnxModel) => OnnxModel;

function filesOf(folder: string, set: string, change: Change): Files {
  const file = join(folder, "model.onnx");
  const model = change(readOnnx(readFileSync(file), { file }));
  const initialized = new Set(model.graph?.initializer.map((t) => t.name));
  const declared = (model.graph?.input ?? []).filter((v) => !initialized.has(v.name));
  const data = declared.map(({ name, type }, i) => readData(join(folder, set, `input_${i}.pb`), name, type));
  const inputs = data.flatMap((d) => d.tensors.map((t) => [t.name, t] as const));
  return { model, inputs: new Map(inputs), lists: Object.assign({}, ...data.map((d) => d.lists)) as Data["lists"], folder };
}

/** The model with every input but the first made a constant by the data of a case, as most models have them. */
export function withConstants(folder: string): Change {
  const [set = ""] = readdirSync(folder).filter((d) => d.startsWith("test_data_set"));
  const { inputs } = filesOf(folder, set, (model) => model);
  return (model) => {
    const { graph } = model;
    if (!graph) return model;
    const fixed = graph.input.slice(1).flatMap(({ name, type }) => (type?.tensorType ? (inputs.get(name) ?? []) : []));
    const names = new Set(fixed.map((t) => t.name));
    return {
      ...model,
      graph: { ...graph, initializer: [...graph.initializer, ...fixed], input: graph.input.filter((v) => !names.has(v.name)) },
    };
  };
}

/** The graph for these inputs, of which those that `fix` names are constants. */
function imported({ model, inputs, lists }: Files, fix: (tensor: OnnxTensor, index: number) => boolean): Graph {
  const list = [...inputs.values()];
  const declared = new Set(model.graph?.input.map((v) => v.name));
  const fixed = list.filter((t, i) => declared.has(t.name) && fix(t, i));
  const shapes = Object.fromEntries(list.filter((t) => !fixed.includes(t)).map((t) => [t.name, Array.from(t.dims, Number)]));
  const graph = model.graph && { ...model.graph, initializer: [...model.graph.initializer, ...fixed] };
  return importOnnx({ ...model, ...(graph ? { graph } : {}) }, { file: "model.onnx", shapes, lists });
}

const isStatic = (graph: Graph): boolean => graph.nodes.every((n) => n.outputs.every((v) => v.shape.every((d) => typeof d === "number")));

const INT64 = 7;
/** What has no elements is given for its type or shape. */
const isEmpty = (t: OnnxTensor): boolean => t.dims.some((d) => d === 0);

/**
 * Some cases give as an input what models have as a constant: axes, shapes, bounds. As little as possible is fixed: nothing,
 * else the 64-bit integers, else everything but the first input.
 */
function leastFixed(files: Files): Graph {
  const ways: ((t: OnnxTensor, i: number) => boolean)[] = [
    isEmpty,
    (t, i) => isEmpty(t) || (i > 0 && t.dataType === INT64),
    (_, i) => i > 0,
    () => true,
  ];
  let first: HoneError | undefined;
  for (const fix of ways) {
    try {
      const graph = imported(files, fix);
      if (isStatic(graph)) return graph;
    } catch (error) {
      if (!(error instanceof HoneError)) throw error;
      first ??= error;
    }
  }
  throw first ?? new HoneError("model.unsupported", "shapes depend on data");
}

/** One case for each data set. Throws what importing throws, and what `change` does. */
export function readCases(folder: string, name: string, change: Change = (model) => model): OnnxCase[] {
  if (name.endsWith(".onnx")) return [lightCase(folder, name, change)];
  const sets = readdirSync(folder).filter((d) => d.startsWith("test_data_set"));
  return sets.map((set): OnnxCase => {
    const files = filesOf(folder, set, change);
    const graph = leastFixed(files);
    const feeds = Object.fromEntries(
      (graph.host ?? graph).inputs.flatMap((v) => {
        const proto = files.inputs.get(v.name);
        return proto ? [[v.name, tensorIn(proto, name)] as const] : [];
      }),
    );
    const wanted = (files.model.graph?.output ?? []).flatMap(({ name: output, type }, i) =>
      readData(join(folder, set, `output_${i}.pb`), output, type).tensors.map((t) => tensorIn(t, name)),
    );
    return { name: sets.length > 1 ? `${name}/${set}` : name, graph, feeds, wanted };
  });
}

/** A light model has no inputs in the archive: ONNX's runner counts from 0 up, divided by how many there are. */
function lightCase(file: string, name: string, change: Change): OnnxCase {
  const graph = importOnnx(change(readOnnx(readFileSync(file), { file })), { file: name });
  const feeds = graph.inputs.map((v) => {
    const dims = v.shape.map((d) => (typeof d === "number" ? d : 1));
    const n = elementCount(dims);
    return [
      v.name,
      tensor(
        "float32",
        dims,
        Float32Array.from({ length: n }, (_, i) => i / n),
      ),
    ] as const;
  });
  const wanted = graph.outputs.flatMap((_, i) => {
    const proto = readTensor(file.replace(/\.onnx$/, `_output_${i}.pb`));
    return proto ? [tensorOf(proto, { file: name })] : [];
  });
  return { name: name.replace(/\.onnx$/, ""), graph, feeds: Object.fromEntries(feeds), wanted };
}

/** Names of the cases of a group. */
export function caseNames(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((e) => e.isDirectory() || e.name.endsWith(".onnx"))
    .map((e) => e.name)
    .sort();
}
