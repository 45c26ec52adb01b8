import { tensor } from "../../../tensor/tensor.ts";
import type { Mapper, NodeView } from "./node.ts";

/** Operator set 16 says bilinear and bicubic. */
const GRID_MODES: Readonly<Record<string, string>> = { bilinear: "linear", bicubic: "cubic" };

const gridSample: Mapper = (n) => {
  const mode = n.text("mode", "linear");
  const attrs = { mode: GRID_MODES[mode] ?? mode, padding: n.text("padding_mode", "zeros"), alignCorners: n.flag("align_corners") };
  return n.emit("gridSample", [n.input(0), n.input(1)], attrs);
};

const roiAlign: Mapper = (n) => {
  const samples = n.int("sampling_ratio", 0);
  if (samples <= 0) throw n.unsupported("a number of samples that depends on the regions (sampling_ratio = 0)");
  const coordinates = n.text("coordinate_transformation_mode", n.opset >= 16 ? "half_pixel" : "output_half_pixel");
  return n.emit("roiAlign", [n.input(0), n.input(1), n.input(2)], {
    height: n.int("output_height", 1),
    width: n.int("output_width", 1),
    samples,
    scale: n.float("spatial_scale", 1),
    halfPixel: coordinates === "half_pixel",
    mode: n.text("mode", "avg"),
  });
};

/** Places from -1 to 1: at the ends when corners align, else in the middle of pixels. */
const places = (size: number, align: boolean): number[] =>
  Array.from({ length: size }, (_, i) => (align ? (size === 1 ? 0 : (2 * i) / (size - 1) - 1) : (2 * i + 1) / size - 1));

/** Every place of a grid as homogeneous coordinates, times the transposed matrix of each image. */
const affineGrid: Mapper = (n) => {
  const theta = n.input(0);
  const [batch = 1, , ...spatial] = n.fixed(1, "sizes") ?? [];
  const align = n.flag("align_corners");
  let rows: number[][] = [[]];
  for (const size of spatial) rows = rows.flatMap((row) => places(size, align).map((v) => [v, ...row]));
  const values = rows.flatMap((row) => [...row, 1]);
  const base = n.constant(tensor("float32", [rows.length, spatial.length + 1], Float32Array.from(values)));
  const typed = theta.dtype === "float32" ? base : n.step("cast", [base], { to: theta.dtype });
  const product = n.step("matMul", [typed, n.step("transpose", [theta], { perm: [0, 2, 1] })]);
  return n.emit("reshape", [product, n.ints64([batch, ...spatial, spatial.length])], { allowZero: true });
};

/** Coefficients of a cosine window (signal processing): Σ (-1)^k a_k cos 2πki/N. */
const cosineWindow =
  (coefficients: readonly number[]): Mapper =>
  (n: NodeView) => {
    const size = n.fixed(0, "sizes")?.[0] ?? 0;
    const period = n.flag("periodic", true) ? size : size - 1;
    const value = (i: number): number =>
      coefficients.reduce((sum, c, k) => sum + (k % 2 === 0 ? c : -c) * Math.cos((2 * Math.PI * k * i) / period), 0);
    const data = tensor(
      "float32",
      [size],
      Float32Array.from({ length: size }, (_, i) => value(i)),
    );
    return n.emit("cast", [n.constant(data)], { to: n.dtype("output_datatype", 1) });
  };

/** Operators that sample images, and windows for signals. */
export const SAMPLES: Readonly<Record<string, Mapper>> = {
  AffineGrid: affineGrid,
  BlackmanWindow: cosineWindow([0.42, 0.5, 0.08]),
  GridSample: gridSample,
  HammingWindow: cosineWindow([25 / 46, 21 / 46]),
  HannWindow: cosineWindow([0.5, 0.5]),
  RoiAlign: roiAlign,
};
