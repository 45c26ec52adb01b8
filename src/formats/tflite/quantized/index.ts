import { tensor } from "../../../tensor/tensor.ts";
import { findMapper } from "../map/index.ts";
import { ELEMENTWISE } from "./elementwise.ts";
import { roundAway } from "./fixed-point.ts";
import { scaleOf, type QuantizedMapper } from "./view.ts";
import { WINDOWS } from "./window.ts";

/** What moves bytes, or compares bytes of one scale, without regard to what they stand for. */
const MOVES: readonly string[] = [
  "ARG_MAX",
  "ARG_MIN",
  "BATCH_TO_SPACE_ND",
  "BROADCAST_TO",
  "DEPTH_TO_SPACE",
  "EXPAND_DIMS",
  "GATHER",
  "MAXIMUM",
  "MINIMUM",
  "MIRROR_PAD",
  "PACK",
  "PADV2",
  "REDUCE_MAX",
  "REDUCE_MIN",
  "RESHAPE",
  "RESIZE_NEAREST_NEIGHBOR",
  "SHAPE",
  "SLICE",
  "SPACE_TO_DEPTH",
  "SPLIT",
  "SPLIT_V",
  "SQUEEZE",
  "STRIDED_SLICE",
  "TILE",
  "TRANSPOSE",
  "UNPACK",
];

const move =
  (op: string): QuantizedMapper =>
  (n) => {
    const mapper = findMapper(op);
    if (!mapper) throw n.unsupported("bytes");
    return mapper(n.moved());
  };

/** What is added stands for zero. */
const pad: QuantizedMapper = (n) => {
  const mapper = findMapper("PAD");
  const [x, pads] = n.moved().inputs;
  const zero = n.constant(tensor("uint8", [], Uint8Array.of(n.outputScale.zero)));
  if (!mapper) throw n.unsupported("bytes");
  return mapper(n.with([x, pads, zero]));
};

/** Parts in other steps than the whole are brought to its, in float32. */
const concatenation: QuantizedMapper = (n) => {
  const { axis, activation } = n.options("ConcatenationOptions");
  if (activation !== 0) throw n.unsupported("a fused activation");
  const y = n.outputScale;
  const inverse = Math.fround(1 / y.scale);
  const parts = n.inputs.map((_, i) => {
    const x = scaleOf(n.quantization(i), `the input ${i}`);
    if (x.scale === y.scale && x.zero === y.zero) return n.bytes(i);
    if (x.offset !== 0) throw n.unsupported("int8 parts in other steps than the whole");
    const scale = Math.fround(x.scale * inverse);
    const shift = Math.fround(-x.zero * scale);
    const table = Uint8Array.from({ length: 256 }, (__, b) => {
      const value = roundAway(Math.fround(Math.fround(b * scale) + shift)) + y.zero;
      return Math.max(0, Math.min(255, value));
    });
    return n.step("quantizedTable", [n.bytes(i), n.constant(tensor("uint8", [256], table))]);
  });
  return n.emit("concat", parts, { axis: n.axis(n.input(0), axis) });
};

const MAPPERS: ReadonlyMap<string, QuantizedMapper> = new Map<string, QuantizedMapper>([
  ...MOVES.map((op): [string, QuantizedMapper] => [op, move(op)]),
  ...Object.entries({ ...ELEMENTWISE, ...WINDOWS, CONCATENATION: concatenation, PAD: pad }),
]);

/** How an operator is read when it takes or gives bytes with a scale. */
export const findQuantizedMapper = (op: string): QuantizedMapper | undefined => MAPPERS.get(op);
