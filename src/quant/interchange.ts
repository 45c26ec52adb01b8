/**
 * Calibration tables of others. Most know only a threshold for |x|: reading gives the range from minus to plus it, writing takes the
 * larger end. Values go by the names of the model's tensors, in ncnn's table by those of its layers.
 *
 * - tensorrt: `TRT-7000-EntropyCalibration2`, then `tensor: 3c88edfc`, the big-endian float32 bits of threshold / 127.
 * - ncnn: `layer_param_0 s0 s1 …` for the weights' output channels and `layer s` for what the layer reads; s = 127 / threshold.
 * - onnxruntime: the JSON of its TensorsData (lowest and highest of each tensor); the plain text `tensor threshold` is read as well.
 */
import type { Value } from "../ir/graph.ts";
import { HoneError } from "../util/errors.ts";
import type { Plan, Unit } from "./plan.ts";
import type { Ranges } from "./ranges.ts";
import { weightSteps, type Range } from "./scale.ts";

export type TableFormat = "tensorrt" | "ncnn" | "onnxruntime";
export const TABLE_FORMATS: readonly TableFormat[] = ["tensorrt", "ncnn", "onnxruntime"];

const thresholdOf = ({ min, max }: Range): number => Math.max(-min, max);
const symmetric = (threshold: number): Range => ({ min: -threshold, max: threshold });

const HEADER = "TRT-7000-EntropyCalibration2";
const HEADER_LINE = /^TRT-\d+-\w+$/;

/** float32 bits as eight hexadecimal digits, and back. */
function bitsOf(x: number): string {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, x);
  return view.getUint32(0).toString(16).padStart(8, "0");
}
function fromBits(hex: string): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, parseInt(hex, 16));
  return view.getFloat32(0);
}

const lines = (text: string): readonly string[] => text.split(/\r?\n/).filter((l) => l.trim() !== "");
const usable = (threshold: number): boolean => Number.isFinite(threshold) && threshold >= 0;

const wrong = (format: string, line: string): HoneError =>
  new HoneError("quant.table", `this is not a calibration table of ${format}: the line "${line.slice(0, 80)}"`, {
    hint: "Give the file as the other tool wrote it, or photos.",
  });

function readTensorRt(text: string): Ranges {
  const [, ...entries] = lines(text);
  return new Map(
    entries.map((line) => {
      const [, name = "", hex = ""] = /^(.*):\s*([0-9a-fA-F]{8})$/.exec(line) ?? [];
      const threshold = fromBits(hex || "7fc00000") * 127;
      if (name === "" || !usable(threshold)) throw wrong("TensorRT", line);
      return [name, symmetric(threshold)];
    }),
  );
}

const writeTensorRt = (ranges: Ranges): string =>
  `${HEADER}\n${[...ranges].map(([name, r]) => `${name}: ${bitsOf(thresholdOf(r) / 127)}\n`).join("")}`;

type Fields = Readonly<Record<string, unknown>>;
const isFields = (x: unknown): x is Fields => typeof x === "object" && x !== null && !Array.isArray(x);

/** A number of numpy as ONNX Runtime writes it: bare, or an array of one. */
function numberOf(x: unknown): number {
  if (typeof x === "number") return x;
  const data = isFields(x) ? x["data"] : x;
  const first: unknown = Array.isArray(data) && data.length === 1 ? data[0] : data;
  return typeof first === "number" ? first : NaN;
}

function readOrtJson(json: Fields): Ranges {
  const data = isFields(json["data"]) ? json["data"] : json;
  return new Map(
    Object.entries(data)
      .filter((e): e is [string, Fields] => isFields(e[1]))
      .map(([name, entry]) => {
        const [min, max] = [numberOf(entry["lowest"]), numberOf(entry["highest"])];
        if (!(min <= max) || !Number.isFinite(max - min)) throw wrong("ONNX Runtime", name);
        return [name, { min, max }];
      }),
  );
}

function writeOrt(ranges: Ranges): string {
  const number = (x: number): unknown => ({ data: x, dtype: "float32", CLS: "numpy.array" });
  const data = Object.fromEntries(
    [...ranges].map(([name, { min, max }]) => [name, { lowest: number(min), highest: number(max), CLS: "TensorData" }]),
  );
  const method = { CLS: "CalibrationMethod", value: "CalibrationMethod.MinMax" };
  return `${JSON.stringify({ CLS: "TensorsData", data, calibration_method: method })}\n`;
}

/** Layers of the model by name, with the value that each reads. */
const layersOf = (plan: Plan): readonly (readonly [string, Unit, Value])[] =>
  [...new Set(plan.units.values())].flatMap((unit) => {
    const [x] = unit.operands;
    return unit.kind === "conv" && x ? [[unit.node.origin.at(0) ?? unit.node.name, unit, x] as const] : [];
  });

function readNcnn(text: string, plan: Plan): Ranges {
  const scales = new Map<string, number>();
  for (const line of lines(text)) {
    const [name = "", ...numbers] = line.trim().split(/\s+/);
    if (numbers.length === 0 || numbers.some((n) => !(Number(n) > 0))) throw wrong("ncnn", line);
    if (!name.endsWith("_param_0")) scales.set(name, Number(numbers[0]));
  }
  const found = layersOf(plan).flatMap(([name, , x]): [string, Range][] => {
    const scale = scales.get(name);
    return scale === undefined ? [] : [[x.name, symmetric(127 / scale)]];
  });
  return new Map(found);
}

function writeNcnn(plan: Plan, ranges: Ranges): string {
  const layers = layersOf(plan);
  const weights = layers.map(([name, { node }]) => {
    const w = node.inputs[1]?.data;
    const scales = w ? weightSteps(w).map((step) => String(Math.fround(1 / (step || 1)))) : [];
    return `${name}_param_0 ${scales.join(" ")}\n`;
  });
  const inputs = layers.map(([name, , x]) => {
    const threshold = thresholdOf(ranges.get(x.name) ?? { min: 0, max: 0 });
    return `${name} ${Math.fround(127 / (threshold || 127))}\n`;
  });
  return [...weights, ...inputs].join("");
}

/** A table as another tool reads it. */
export function writeForeign(format: TableFormat, plan: Plan, ranges: Ranges): string {
  if (format === "tensorrt") return writeTensorRt(ranges);
  return format === "ncnn" ? writeNcnn(plan, ranges) : writeOrt(ranges);
}

function jsonOf(text: string): Fields | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return isFields(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** Which tool wrote this; undefined for hone's own tables and what is none. */
export function foreignFormat(text: string): TableFormat | undefined {
  const [first = ""] = lines(text);
  if (HEADER_LINE.test(first)) return "tensorrt";
  const json = jsonOf(text);
  if (json) return "calibration" in json ? undefined : "onnxruntime";
  if (/^\S+_param_\d+\s/m.test(text)) return "ncnn";
  return /^\S+ [-+.\deE]+$/.test(first) ? "onnxruntime" : undefined;
}

/** The result of these is never negative. */
const NEVER_NEGATIVE: ReadonlySet<string> = new Set(["relu", "sigmoid", "hardSigmoid", "abs", "exp", "softmax"]);

/** The ranges of another tool's table for the values of a plan. Throws `quant.table` when it cannot be read. */
export function readForeign(format: TableFormat, text: string, plan: Plan): Ranges {
  const json = format === "onnxruntime" ? jsonOf(text) : undefined;
  const read = json
    ? readOrtJson(json)
    : format === "tensorrt"
      ? readTensorRt(text)
      : format === "ncnn"
        ? readNcnn(text, plan)
        : readThresholds(text);
  const positive = new Set(plan.graph.nodes.filter((n) => NEVER_NEGATIVE.has(n.op)).flatMap((n) => n.outputs.map((v) => v.name)));
  return new Map([...read].map(([name, r]) => [name, positive.has(name) ? { min: 0, max: Math.max(0, r.max) } : r]));
}

function readThresholds(text: string): Ranges {
  return new Map(
    lines(text).map((line) => {
      const [name = "", number = ""] = line.trim().split(/\s+/);
      if (!usable(Number(number)) || number === "") throw wrong("ONNX Runtime", line);
      return [name, symmetric(Number(number))];
    }),
  );
}
