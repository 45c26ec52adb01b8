/** What a model file is, by its content. */
export type ModelFormat =
  "onnx" | "tflite" | "hone" | "torch" | "safetensors" | "caffe" | "tensorflow" | "mxnet" | "keras" | "ncnn" | "openvino" | "zip";

/** How people call each format. */
export const FORMAT_NAMES: Readonly<Record<ModelFormat, string>> = {
  onnx: "an ONNX model",
  tflite: "a TFLite model",
  hone: "an engine that hone built",
  torch: "a PyTorch file",
  safetensors: "a safetensors file",
  caffe: "a Caffe model",
  tensorflow: "a TensorFlow graph",
  mxnet: "an MXNet model",
  keras: "a Keras or other HDF5 file",
  ncnn: "an ncnn model",
  openvino: "an OpenVINO model",
  zip: "a zip archive",
};

interface Sign {
  readonly format: ModelFormat;
  readonly matches: (bytes: Uint8Array) => boolean;
}

const startsWith =
  (...prefix: readonly number[]) =>
  (bytes: Uint8Array): boolean =>
    prefix.every((byte, i) => bytes[i] === byte);

/** The file's first characters, as text. */
const head = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes.subarray(0, 4096));

/** In order; the first that matches counts. Formats without a magic number come last. */
const SIGNS: readonly Sign[] = [
  { format: "tflite", matches: (b) => head(b.subarray(4, 8)) === "TFL3" },
  { format: "hone", matches: (b) => head(b.subarray(0, 4)) === "HONE" },
  { format: "keras", matches: startsWith(0x89, 0x48, 0x44, 0x46) },
  { format: "torch", matches: (b) => isZip(b) && /\/(data\.pkl|constants\.pkl|version)/.test(head(b)) },
  { format: "zip", matches: (b) => isZip(b) },
  { format: "torch", matches: startsWith(0x80, 0x02) },
  { format: "mxnet", matches: startsWith(0x12, 0x01, 0, 0, 0, 0, 0, 0) },
  { format: "safetensors", matches: (b) => b[8] === 0x7b && b[9] === 0x22 && startsWith(0, 0)(b.subarray(6)) },
  { format: "mxnet", matches: (b) => /^\s*\{/.test(head(b)) && head(b).includes('"nodes"') },
  { format: "ncnn", matches: (b) => head(b).startsWith("7767517") },
  { format: "openvino", matches: (b) => /^\s*(<\?xml[^>]*>\s*)?<net[\s>]/.test(head(b)) },
  { format: "tensorflow", matches: (b) => /^\s*(node|saved_model_schema_version)\s*[{:]/.test(head(b)) },
  { format: "caffe", matches: (b) => /^\s*(#.*\n\s*)*(name:|input:|layers?\s*\{)/.test(head(b)) },
  { format: "onnx", matches: (b) => isOnnx(topFields(b)) },
  { format: "caffe", matches: (b) => isCaffe(topFields(b)) },
  { format: "tensorflow", matches: (b) => isTensorflow(topFields(b), b) },
];

/** Tells a model's format from its content; the file's name is not asked. `undefined`: nothing that hone knows. */
export function detectFormat(bytes: Uint8Array): ModelFormat | undefined {
  return SIGNS.find(({ matches }) => matches(bytes))?.format;
}

const isZip = startsWith(0x50, 0x4b, 0x03, 0x04);

interface TopField {
  readonly number: number;
  readonly wire: number;
  /** Where its bytes start, when it has any. */
  readonly at: number;
}

const MAX_FIELDS = 64;

/** The first fields of a protocol buffers message; ends early where the bytes are no such message. */
function topFields(bytes: Uint8Array): TopField[] {
  const fields: TopField[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = bytes[at++];
      if (byte === undefined) return NaN;
      value += (byte & 127) * 128 ** i;
      if (byte < 128) return value;
    }
    return NaN;
  };
  while (at < bytes.length && fields.length < MAX_FIELDS) {
    const tag = varint();
    const wire = tag % 8;
    const number = Math.floor(tag / 8);
    const value = wire === 0 || wire === 2 ? varint() : wire === 5 ? 4 : wire === 1 ? 8 : NaN;
    if (Number.isNaN(value) || !(number > 0 && number < 1000)) break;
    fields.push({ number, wire, at });
    if (wire !== 0) at += value;
  }
  return fields;
}

const ONNX_FIELDS = new Map([
  [1, 0],
  [2, 2],
  [3, 2],
  [4, 2],
  [5, 0],
  [6, 2],
  [7, 2],
  [8, 2],
  [14, 2],
  [20, 2],
  [25, 2],
  [26, 2],
]);

/** ModelProto: fields of its own kinds, among them a graph or an operator set. */
function isOnnx(fields: readonly TopField[]): boolean {
  const known = fields.filter((f) => ONNX_FIELDS.get(f.number) === f.wire);
  return known.length >= fields.length - 1 && known.some((f) => f.number === 7 || f.number === 8) && known.some((f) => f.number === 1);
}

/** NetParameter: layers in field 2 (the first version) or 100, after a name. */
function isCaffe(fields: readonly TopField[]): boolean {
  return (
    fields.length > 1 &&
    fields[0]?.number === 1 &&
    fields[0].wire === 2 &&
    fields.slice(1).some((f) => (f.number === 2 || f.number === 100) && f.wire === 2)
  );
}

/** GraphDef: nodes in field 1, each starting with its name; SavedModel: a version, then meta graphs in field 2. */
function isTensorflow(fields: readonly TopField[], bytes: Uint8Array): boolean {
  const [first, second] = fields;
  if (first === undefined) return false;
  if (first.number === 1 && first.wire === 2) return bytes[first.at] === 0x0a;
  return first.number === 1 && first.wire === 0 && second?.number === 2 && second.wire === 2;
}
