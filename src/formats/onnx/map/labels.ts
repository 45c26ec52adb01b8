/** LabelEncoder of ONNX-ML: strings or numbers for strings or numbers, from a table. */
import { isDType, type DType } from "../../../tensor/dtype.ts";
import { HoneError } from "../../../util/errors.ts";
import type { AnyType } from "../../../text/tensor.ts";
import type { OnnxTensor } from "../ast.ts";
import { STRING, stringsOf } from "../strings.ts";
import { isTensor } from "../things.ts";
import type { NodeView } from "./node.ts";
import type { TextMapper } from "./text-node.ts";

interface Side {
  readonly type: AnyType;
  readonly values: readonly string[];
}

const written = (list: Iterable<number | bigint>): readonly string[] => Array.from(list, String);

/** Keys or values: in one of four attributes, by their type. */
function sideOf(n: NodeView, name: "keys" | "values"): Side {
  const attribute = (suffix: string): NodeView["node"]["attribute"][number] | undefined =>
    n.node.attribute.find((a) => a.name === `${name}_${suffix}`);
  const texts = n.texts(`${name}_strings`);
  if (texts) return { type: "string", values: texts };
  const ints = attribute("int64s");
  if (ints) return { type: "int64", values: written(ints.ints) };
  const floats = attribute("floats");
  if (floats) return { type: "float32", values: written(floats.floats) };
  const proto = attribute("tensor")?.t;
  if (proto) return ofTensor(n, proto, `${name}_tensor`);
  throw new HoneError("model.damaged", `LabelEncoder has no ${name}`);
}

function ofTensor(n: NodeView, proto: OnnxTensor, name: string): Side {
  if (proto.dataType === STRING) return { type: "string", values: stringsOf(proto).data };
  const t = n.tensor(name);
  if (!t || t.type === "float16" || t.type === "bfloat16") throw n.unsupported(`the type of ${name}`);
  return { type: t.type, values: written(t.data) };
}

function defaultOf(n: NodeView, type: AnyType): string {
  const proto = n.node.attribute.find((a) => a.name === "default_tensor")?.t;
  const value = proto && ofTensor(n, proto, "default_tensor").values[0];
  if (value !== undefined) return value;
  if (type === "string") return n.text("default_string", "_Unused");
  if (type === "float32") return String(n.float("default_float", -0));
  return String(n.node.attribute.find((a) => a.name === "default_int64")?.i ?? -1n);
}

const isNumeric = (type: AnyType): type is DType => isDType(type);

export const labels: TextMapper = (n, [x], host) => {
  if (x === undefined || (!isTensor(x) && x.kind !== "text")) throw new HoneError("model.damaged", "LabelEncoder has no input");
  const [keys, values] = [sideOf(n, "keys"), sideOf(n, "values")];
  if (keys.values.length !== values.values.length)
    throw new HoneError("model.damaged", `${keys.values.length} keys for ${values.values.length} values`);
  const given = isTensor(x) ? x.dtype : x.type;
  if (given !== keys.type) throw new HoneError("graph.shape", `labels of ${keys.type} for an input of ${given}`);
  const attrs = { keys: keys.values, values: values.values, default: defaultOf(n, values.type), type: values.type };
  if (isNumeric(values.type) && isTensor(x)) throw n.unsupported("numbers for numbers", "Look them up with Gather.");
  return host.call({ op: "encode", inputs: [x], attrs, results: [{ type: values.type, shape: x.shape }], origin: n.node.opType });
};
