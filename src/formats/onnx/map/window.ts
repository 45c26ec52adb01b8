import type { Value } from "../../../ir/graph.ts";
import { isStatic } from "../../../tensor/dim.ts";
import { HoneError } from "../../../util/errors.ts";
import { samePads, type Sliding } from "../../padding.ts";
import type { Mapper, NodeView } from "./node.ts";

interface WindowAttrs {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

/** Strides, dilations and pads of a window over x, with auto_pad resolved. */
function windowAttrs(n: NodeView, x: Value, kernel: readonly number[]): WindowAttrs {
  const rank = kernel.length;
  const ones = new Array<number>(rank).fill(1);
  const sliding: Sliding = { kernel, strides: listOf(n, "strides", rank) ?? ones, dilations: listOf(n, "dilations", rank) ?? ones };
  const { strides, dilations } = sliding;
  const mode = n.text("auto_pad", "NOTSET");
  switch (mode) {
    case "NOTSET":
      return { strides, dilations, pads: listOf(n, "pads", 2 * rank) ?? new Array<number>(2 * rank).fill(0) };
    case "VALID":
      return { strides, dilations, pads: new Array<number>(2 * rank).fill(0) };
    case "SAME_UPPER":
    case "SAME_LOWER":
      return { strides, dilations, pads: samePads(x.shape.slice(2), sliding, mode === "SAME_LOWER") };
    default:
      throw new HoneError("model.damaged", `auto_pad is "${mode}"`);
  }
}

function listOf(n: NodeView, attribute: string, length: number): readonly number[] | undefined {
  const list = n.ints(attribute);
  if (list === undefined || list.length === 0) return undefined;
  if (list.length !== length) throw new HoneError("model.damaged", `${attribute} has ${list.length} numbers where ${length} are needed`);
  if (attribute !== "pads" && list.some((v) => v <= 0)) throw new HoneError("model.damaged", `${attribute} holds a number below 1`);
  return list;
}

const conv: Mapper = (n) => {
  const [x, w] = [n.input(0), n.input(1)];
  const kernel = w.shape.slice(2);
  if (!isStatic(kernel)) throw n.unsupported("weights of unknown shape");
  const group = n.int("group", 1);
  if (group < 1) throw new HoneError("model.damaged", `group is ${group}`);
  return n.emit("conv", [x, w, n.inputs[2]], { ...windowAttrs(n, x, kernel), group });
};

function poolAttrs(n: NodeView, x: Value): WindowAttrs & { readonly kernel: readonly number[]; readonly ceilMode: boolean } {
  const kernel = listOf(n, "kernel_shape", x.shape.length - 2);
  if (kernel === undefined) throw new HoneError("model.damaged", "kernel_shape is missing");
  const same = n.text("auto_pad", "NOTSET").startsWith("SAME");
  return { kernel, ...windowAttrs(n, x, kernel), ceilMode: n.flag("ceil_mode") && !same };
}

const maxPool: Mapper = (n) => {
  if ((n.node.output[1] ?? "") !== "") throw n.unsupported("the output Indices");
  return n.emit("maxPool", [n.input(0)], { ...poolAttrs(n, n.input(0)) });
};

const averagePool: Mapper = (n) => {
  const x = n.input(0);
  return n.emit("averagePool", [x], { ...poolAttrs(n, x), countIncludePad: n.flag("count_include_pad") });
};

/** Over all spatial axes, which stay as ones. */
const globalPool =
  (op: string): Mapper =>
  (n) => {
    const x = n.input(0);
    return n.emit(op, [x], { axes: x.shape.slice(2).map((_, i) => i + 2), keepDims: true });
  };

/** Operators with a sliding window. */
export const WINDOWS: Readonly<Record<string, Mapper>> = {
  AveragePool: averagePool,
  Conv: conv,
  GlobalAveragePool: globalPool("reduceMean"),
  GlobalMaxPool: globalPool("reduceMax"),
  MaxPool: maxPool,
};
