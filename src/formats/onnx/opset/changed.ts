/** Operators of which something else changed: names of modes, a default, the forms of a constant, outputs and types. */
import { zeros } from "../../../tensor/tensor.ts";
import { stringTensor } from "../../../text/tensor.ts";
import { onnxAttribute } from "../write.ts";
import { constantOf } from "./facts.ts";
import type { Adapter, Site } from "./site.ts";
import type { Table } from "./table.ts";

const rename =
  (modes: Readonly<Record<string, string>>, otherwise: string): Adapter =>
  (s) => {
    const mode = s.text("mode", otherwise);
    s.keep({ attributes: { mode: modes[mode] ?? mode } });
  };

const gridSampleDown20: Adapter = (s) => {
  if (s.rank(s.input(0)) !== 4) throw s.cannot("images of other than two dimensions");
  rename({ linear: "bilinear", cubic: "bicubic" }, "linear")(s);
};

/** The places of the pixels were half a pixel further on. */
const roiAlignUp16: Adapter = (s) => s.keep({ attributes: { coordinate_transformation_mode: "output_half_pixel" } });

const roiAlignDown16: Adapter = (s) => {
  const mode = s.text("coordinate_transformation_mode", "half_pixel");
  if (mode !== "output_half_pixel") throw s.cannot(`coordinate_transformation_mode "${mode}"`);
  s.keep({ attributes: { coordinate_transformation_mode: undefined } });
};

const maxPoolDown8: Adapter = (s) => {
  if (s.gives(1)) throw s.cannot("the places of the maxima");
  s.keep({ outputs: s.node.output.slice(0, 1), attributes: { storage_order: undefined } });
};

/** All forms but one tensor are new. */
const constantDown12: Adapter = (s) => {
  if (s.has("value_string") || s.has("value_strings")) {
    const words = s.has("value_string") ? [s.text("value_string", "")] : (s.texts("value_strings") ?? []);
    const value = stringTensor(s.has("value_string") ? [] : [words.length], words);
    s.keep({ attributes: { value, value_string: undefined, value_strings: undefined } });
    return;
  }
  const value = constantOf(s.node);
  s.nodes.push(value ? { ...s.node, attribute: [{ ...onnxAttribute("value", EMPTY), t: value }] } : s.node);
};

const EMPTY = zeros("float32", [0]);

/** It was for floats; an initializer can be of any type. */
const constantDown9: Adapter = (s) => {
  const value = constantOf(s.node);
  if (value === undefined || FLOATS.includes(value.dataType)) s.keep();
  else s.hold(value);
};

/** FLOAT, FLOAT16, DOUBLE */
const FLOATS = [1, 10, 11];

/**
 * Since 22 a window that would start beyond the right end is left out when sizes are rounded up; before, checkers counted it.
 * Nothing is known against it where sizes are open.
 */
const poolDown22: Adapter = (s) => {
  const dims = s.known(s.input(0)).dims?.slice(2) ?? [];
  const kernel = s.ints("kernel_shape") ?? [];
  if (s.int("ceil_mode", 0) === 1 && dims.some((d, i) => d !== undefined && startsBeyond(s, d, kernel[i] ?? 1, i)))
    throw s.cannot("a last window that would start in the padding (ceil_mode = 1)");
  s.keep();
};

function startsBeyond(s: Site, size: number, kernel: number, axis: number): boolean {
  const at = (name: string, i: number, otherwise: number): number => s.ints(name)?.[i] ?? otherwise;
  const stride = at("strides", axis, 1);
  const [begin, end] = [at("pads", axis, 0), at("pads", axis + (s.ints("kernel_shape")?.length ?? 0), 0)];
  const reach = (kernel - 1) * at("dilations", axis, 1) + 1;
  const count = Math.ceil((size + begin + end - reach) / stride) + 1;
  return (count - 1) * stride >= size + begin;
}

/** It could not be asked of nothing. */
const hasElementDown18: Adapter = (s) => {
  if (s.input(0) === "") s.emit("Constant", [], { value: { type: "bool", dims: [], data: Uint8Array.of(0) } });
  else s.keep();
};

const constantDown11: Adapter = (s) => {
  if (s.has("sparse_value")) throw s.cannot("a sparse constant");
  s.keep();
};

/** A part of the shape, cut out of all of it. */
const shapeDown15: Adapter = (s) => {
  const start = s.int("start", 0);
  if (start === 0 && !s.has("end")) {
    s.keep({ attributes: { start: undefined } });
    return;
  }
  const whole = s.step("Shape", [s.input(0)], {}, { type: "int64", dims: [s.known(s.input(0)).dims?.length] });
  s.emit("Slice", [whole, s.ints64([start]), s.ints64([s.int("end", 2 ** 31 - 1)])]);
};

/** Zeros in the new shape meant dims of the old one. */
const reshapeDown14: Adapter = (s) => {
  if (s.int("allowzero", 0) === 1 && (s.whole(1, "a shape") ?? []).includes(0)) throw s.cannot("a dim of 0 (allowzero)");
  s.keep({ attributes: { allowzero: undefined } });
};

const attentionDown24: Adapter = (s) => {
  if (s.input(6) !== "") throw s.cannot("nonpad_kv_seqlen");
  s.keep();
};

/** Depth first, or channels of each block together: in terms of Reshape and Transpose. */
const depthToSpaceDown11: Adapter = (s) => {
  if (s.text("mode", "DCR") === "DCR") {
    s.keep({ attributes: { mode: undefined } });
    return;
  }
  const [n = 1, c = 1, h = 1, w = 1] = s.sizes(s.input(0));
  const b = s.int("blocksize", 1);
  const depth = c / (b * b);
  const parts = s.step("Reshape", [s.input(0), s.ints64([n, depth, b, b, h, w])]);
  const moved = s.step("Transpose", [parts], { perm: [0n, 1n, 4n, 2n, 5n, 3n] });
  s.emit("Reshape", [moved, s.ints64([n, depth, h * b, w * b])]);
};

export const CHANGED: Table = {
  up: {
    GridSample: { 20: rename({ bilinear: "linear", bicubic: "cubic" }, "bilinear") },
    RoiAlign: { 16: roiAlignUp16 },
  },
  down: {
    Attention: { 24: attentionDown24 },
    AveragePool: { 22: poolDown22 },
    Constant: { 9: constantDown9, 11: constantDown11, 12: constantDown12 },
    DepthToSpace: { 11: depthToSpaceDown11 },
    GridSample: { 20: gridSampleDown20 },
    MaxPool: { 8: maxPoolDown8, 22: poolDown22 },
    OptionalHasElement: { 18: hasElementDown18 },
    Reshape: { 14: reshapeDown14 },
    RoiAlign: { 16: roiAlignDown16 },
    Shape: { 15: shapeDown15 },
  },
};
