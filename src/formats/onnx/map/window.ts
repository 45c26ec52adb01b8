import type { Attrs, Value } from "../../../ir/graph.ts";
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

/** Attributes of a convolution of x by w. */
export function convAttrs(n: NodeView, x: Value, w: Value): Attrs {
  const kernel = w.shape.slice(2);
  if (!isStatic(kernel)) throw n.unsupported("weights of unknown shape");
  const group = n.int("group", 1);
  if (group < 1) throw new HoneError("model.damaged", `group is ${group}`);
  return { ...windowAttrs(n, x, kernel), group };
}

const conv: Mapper = (n) => n.emit("conv", [n.input(0), n.input(1), n.inputs[2]], convAttrs(n, n.input(0), n.input(1)));

/** Pads that make the result as large as asked, or as large as the input times the stride. */
function transposedPads(n: NodeView, x: Value, sliding: Sliding, outputPads: number[]): readonly number[] {
  const { kernel, strides, dilations } = sliding;
  const mode = n.text("auto_pad", "NOTSET");
  const rank = kernel.length;
  const wanted = n.ints("output_shape") ?? [];
  if (mode === "VALID" || (mode === "NOTSET" && wanted.length === 0))
    return listOf(n, "pads", 2 * rank) ?? new Array<number>(2 * rank).fill(0);
  const pads = new Array<number>(2 * rank).fill(0);
  kernel.forEach((k, i) => {
    const size = x.shape[i + 2];
    if (typeof size !== "number") throw n.unsupported("an input of unknown size");
    const stride = strides[i] ?? 1;
    const target = wanted.length > 0 ? (wanted[i - rank + wanted.length] ?? 0) : size * stride;
    const total = stride * (size - 1) + (outputPads[i] ?? 0) + (k - 1) * (dilations[i] ?? 1) + 1 - target;
    if (total < 0) outputPads[i] = (outputPads[i] ?? 0) - total;
    const half = Math.floor(Math.max(0, total) / 2);
    const rest = Math.max(0, total) - half;
    [pads[i], pads[i + rank]] = mode === "SAME_UPPER" ? [half, rest] : [rest, half];
  });
  return pads;
}

const convTranspose: Mapper = (n) => {
  const [x, w] = [n.input(0), n.input(1)];
  const kernel = w.shape.slice(2);
  if (!isStatic(kernel)) throw n.unsupported("weights of unknown shape");
  const rank = kernel.length;
  const ones = new Array<number>(rank).fill(1);
  const sliding: Sliding = { kernel, strides: listOf(n, "strides", rank) ?? ones, dilations: listOf(n, "dilations", rank) ?? ones };
  const outputPads = [...(n.ints("output_padding") ?? ones.map(() => 0))];
  const pads = transposedPads(n, x, sliding, outputPads);
  const { strides, dilations } = sliding;
  return n.emit("convTranspose", [x, w, n.inputs[2]], { strides, dilations, pads, outputPads, group: n.int("group", 1) });
};

const lpPool: Mapper = (n) => n.emit("lpPool", [n.input(0)], { ...poolAttrs(n, n.input(0)), p: n.int("p", 2) });

const globalLpPool: Mapper = (n) => {
  const x = n.input(0);
  return n.emit("reduceLp", [x], { axes: x.shape.slice(2).map((_, i) => i + 2), p: n.int("p", 2) });
};

const lrn: Mapper = (n) =>
  n.emit("lrn", [n.input(0)], {
    size: n.int("size", 1),
    alpha: n.float("alpha", 1e-4),
    beta: n.float("beta", 0.75),
    bias: n.float("bias", 1),
  });

/** Places elements by their positions in the smallest tensor that the window could have come from, then pads at the ends. */
const maxUnpool: Mapper = (n) => {
  const [x, positions] = [n.input(0), n.input(1)];
  const spatial = x.shape.slice(2);
  const kernel = listOf(n, "kernel_shape", spatial.length);
  if (!isStatic(spatial) || kernel === undefined) throw n.unsupported("an input of unknown size");
  const { strides, pads } = windowAttrs(n, x, kernel);
  const sizes = spatial.map(
    (d, i) => (Number(d) - 1) * (strides[i] ?? 1) + (kernel[i] ?? 1) - (pads[i] ?? 0) - (pads[i + spatial.length] ?? 0),
  );
  const wanted = n.fixed(2, "sizes")?.slice(2) ?? sizes;
  if (wanted.every((d, i) => d === sizes[i])) return n.emit("maxUnpool", [x, positions], { spatial: sizes });
  const small = n.step("maxUnpool", [x, positions], { spatial: sizes });
  const more = wanted.map((d, i) => d - (sizes[i] ?? 0));
  return n.emit("pad", [small, n.ints64([0, 0, ...more.map(() => 0), 0, 0, ...more])], { mode: "constant" });
};

function poolAttrs(n: NodeView, x: Value): WindowAttrs & { readonly kernel: readonly number[]; readonly ceilMode: boolean } {
  const kernel = listOf(n, "kernel_shape", x.shape.length - 2);
  if (kernel === undefined) throw new HoneError("model.damaged", "kernel_shape is missing");
  const same = n.text("auto_pad", "NOTSET").startsWith("SAME");
  return { kernel, ...windowAttrs(n, x, kernel), ceilMode: n.flag("ceil_mode") && !same };
}

const maxPool: Mapper = (n) => {
  const x = n.input(0);
  const attrs = poolAttrs(n, x);
  const top = n.emit("maxPool", [x], { ...attrs });
  if ((n.node.output[1] ?? "") === "") return top;
  return [top, n.step("maxPoolPositions", [x, top], { ...attrs, columnMajor: n.flag("storage_order") })];
};

export const averagePoolAttrs = (n: NodeView, x: Value): Attrs => ({ ...poolAttrs(n, x), countIncludePad: n.flag("count_include_pad") });

const averagePool: Mapper = (n) => {
  const x = n.input(0);
  return n.emit("averagePool", [x], averagePoolAttrs(n, x));
};

/** Over all spatial axes, which stay as ones. */
const globalPool =
  (op: string): Mapper =>
  (n) => {
    const x = n.input(0);
    return n.emit(op, [x], { axes: x.shape.slice(2).map((_, i) => i + 2), keepDims: true });
  };

/** Operators with a sliding window. */
/** Blocks of columns put back where they were cut, summed where they overlap. */
const col2Im: Mapper = (n) => {
  const [sizes, kernel] = [n.fixed(1, "sizes") ?? [], n.fixed(2, "blocks") ?? []];
  return n.emit("col2Im", [n.input(0)], { ...windowAttrs(n, n.input(0), kernel), kernel, sizes });
};

const deformConv: Mapper = (n) => {
  const attrs = { ...convAttrs(n, n.input(0), n.input(1)), offsetGroup: n.int("offset_group", 1) };
  return n.emit("deformConv", [n.input(0), n.input(1), n.input(2), n.inputs[3], n.inputs[4]], attrs);
};

export const WINDOWS: Readonly<Record<string, Mapper>> = {
  Col2Im: col2Im,
  DeformConv: deformConv,
  AveragePool: averagePool,
  Conv: conv,
  ConvTranspose: convTranspose,
  GlobalLpPool: globalLpPool,
  GlobalAveragePool: globalPool("reduceMean"),
  GlobalMaxPool: globalPool("reduceMax"),
  LpPool: lpPool,
  LRN: lrn,
  MaxPool: maxPool,
  MaxUnpool: maxUnpool,
};
