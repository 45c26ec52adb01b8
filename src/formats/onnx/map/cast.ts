import type { Value } from "../../../ir/graph.ts";
import { tensor } from "../../../tensor/tensor.ts";
import { decoded, mark, narrowOf, type NarrowType } from "../narrow.ts";
import type { Mapper, NodeView } from "./node.ts";

/** A value as numbers that can be calculated with: bits of small floats are looked up, as float32. */
export function numbers(n: NodeView, x: Value): Value {
  const type = narrowOf(x);
  if (type?.float === undefined) return x;
  const table = Float32Array.from({ length: 2 ** type.bits }, (_, code) => decoded(type, code));
  return n.step("gather", [n.constant(tensor("float32", [table.length], table)), x], { axis: 0 });
}

const toFloat32 = (n: NodeView, x: Value): Value => (x.dtype === "float32" ? x : n.step("cast", [x], { to: "float32" }));

/** The lowest bits of whole numbers, as the value of a signed or an unsigned integer of so many bits. */
function wrapped(n: NodeView, x: Value, { bits, dtype }: NarrowType): Value {
  const all = n.step("bitwiseAnd", [n.step("cast", [x], { to: "int32" }), n.int32(2 ** bits - 1)]);
  const top = n.int32(2 ** (bits - 1));
  const values = dtype === "uint8" ? all : n.step("sub", [n.step("bitwiseXor", [all, top]), top]);
  return n.emit("cast", [values], { to: dtype });
}

/** Numbers as a type of 8 bits or fewer. */
export function narrowed(n: NodeView, x: Value, type: NarrowType): Value {
  const { float } = type;
  const saturate = n.flag("saturate", true);
  const made =
    float === undefined
      ? wrapped(n, x, type)
      : float === "exponent"
        ? n.emit("encodeExponent", [toFloat32(n, x)], { round: n.text("round_mode", "up"), saturate })
        : n.emit("encodeFloat", [toFloat32(n, x)], { ...float, saturate });
  return mark(made, type);
}

const castTo = (n: NodeView, to: ReturnType<NodeView["type"]>): Value => {
  const x = numbers(n, n.input(0));
  return to.narrow ? narrowed(n, x, to.narrow) : n.emit("cast", [x], { to: to.dtype });
};

const castLike: Mapper = (n) => {
  const like = n.input(1);
  return castTo(n, { dtype: like.dtype, narrow: narrowOf(like) });
};

export const CASTS: Readonly<Record<string, Mapper>> = {
  Cast: (n) => castTo(n, n.type("to", 1)),
  CastLike: castLike,
};

/** Operators that know what to do with small types. */
const AWARE: ReadonlySet<string> = new Set(["Cast", "CastLike", "QuantizeLinear", "DequantizeLinear", "Shape", "Size"]);

/** Those that only move elements: what comes out is of the type of what goes in. */
const MOVERS: ReadonlySet<string> = new Set([
  "Concat",
  "Constant",
  "DepthToSpace",
  "Expand",
  "Flatten",
  "Gather",
  "GatherElements",
  "GatherND",
  "Identity",
  "Reshape",
  "ReverseSequence",
  "Slice",
  "SpaceToDepth",
  "Split",
  "Squeeze",
  "Tile",
  "Transpose",
  "Unsqueeze",
]);

/** A mapper that does not take bytes for what they are not. */
export const guarded =
  (mapper: Mapper): Mapper =>
  (n) => {
    const type = n.inputs.map(narrowOf).find((t) => t !== undefined);
    if (type === undefined || AWARE.has(n.node.opType)) return mapper(n);
    if (!MOVERS.has(n.node.opType)) throw n.unsupported(`the type ${type.name}`, "Cast or dequantise it first.");
    const made = mapper(n);
    return "dtype" in made ? mark(made, type) : made.map((v) => mark(v, type));
  };
