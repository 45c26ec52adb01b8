/** Upsample, and Resize as it grew. */
import type { Adapter, Site } from "./site.ts";
import type { Table } from "./table.ts";

const scalesOf = (s: Site): readonly number[] => s.floats("scales") ?? [1, 1, s.float("height_scale", 1), s.float("width_scale", 1)];

const upsampleUp7: Adapter = (s) => {
  const mode = s.text("mode", "nearest");
  const attributes = { height_scale: undefined, width_scale: undefined, scales: scalesOf(s), mode: mode === "bilinear" ? "linear" : mode };
  s.keep({ attributes });
};

const upsampleUp9: Adapter = (s) => s.keep({ inputs: [s.input(0), s.floats32(scalesOf(s))], attributes: { scales: undefined } });

const up11: Adapter = (s) =>
  s.keep({
    inputs: [s.input(0), s.floats32([]), s.input(1)],
    attributes: { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
  });

const up13: Adapter = (s) => {
  const mode = "tf_half_pixel_for_nn";
  if (s.text("coordinate_transformation_mode", "half_pixel") !== mode) s.keep();
  // For the nearest pixel it is (x + 0.5) / scale, of which the floor is the nearest to (x + 0.5) / scale - 0.5, halves up.
  else if (s.text("mode", "nearest") === "nearest" && s.text("nearest_mode", "round_prefer_floor") === "floor")
    s.keep({ attributes: { coordinate_transformation_mode: "half_pixel", nearest_mode: "round_prefer_ceil" } });
  else throw s.cannot(`coordinate_transformation_mode "${mode}"`);
};

const down19: Adapter = (s) => {
  const mode = s.text("coordinate_transformation_mode", "half_pixel");
  if (mode === "half_pixel_symmetric") throw s.cannot(`coordinate_transformation_mode "${mode}"`);
  s.keep();
};

const isGiven = (s: Site, i: number): boolean => s.input(i) !== "" && s.known(s.input(i)).dims?.[0] !== 0;

/** Scales and sizes of some axes as those of all. */
const down18: Adapter = (s) => {
  if (s.int("antialias", 0) === 1 && s.text("mode", "nearest") !== "nearest") throw s.cannot("antialias");
  const policy = s.text("keep_aspect_ratio_policy", "stretch");
  if (policy !== "stretch" && isGiven(s, 3)) throw s.cannot(`keep_aspect_ratio_policy "${policy}"`);
  const attributes = { antialias: undefined, keep_aspect_ratio_policy: undefined, axes: undefined };
  const axes = s.ints("axes");
  s.keep({ attributes, ...(axes ? { inputs: ofAllAxes(s, axes) } : {}) });
};

function ofAllAxes(s: Site, axes: readonly number[]): readonly string[] {
  const dims = s.known(s.input(0)).dims ?? [];
  const rank = s.rank(s.input(0));
  const at = axes.map((axis) => s.axis(axis, () => rank));
  const spread = (values: readonly number[], otherwise: (axis: number) => number): readonly number[] =>
    dims.map((_, i) => (at.includes(i) ? (values[at.indexOf(i)] ?? 1) : otherwise(i)));
  const size = (axis: number): number => {
    const d = dims[axis];
    if (d === undefined) throw s.cannot("sizes of some axes beside an open one", "Fix it: --shape INPUT=DIMS.");
    return d;
  };
  const roi = isGiven(s, 1) ? (s.fixed(1, "a region") ?? []) : undefined;
  const region = roi && [...spread(roi.slice(0, at.length), () => 0), ...spread(roi.slice(at.length), () => 1)];
  return [
    s.input(0),
    region ? s.floats32(region) : "",
    isGiven(s, 2) ? s.floats32(spread(s.fixed(2, "scales") ?? [], () => 1)) : "",
    isGiven(s, 3) ? s.ints64(spread(s.whole(3, "sizes") ?? [], size)) : "",
  ];
}

/** Region and scales had to be there, if only as empty lists. */
const down13: Adapter = (s) => {
  const orEmpty = (i: number): string => (s.input(i) === "" ? s.floats32([]) : s.input(i));
  s.keep({ inputs: [s.input(0), orEmpty(1), orEmpty(2), s.input(3)] });
};

/** What operator set 10 does. */
const isAsymmetric = (s: Site): boolean =>
  s.text("coordinate_transformation_mode", "half_pixel") === "asymmetric" &&
  (s.text("mode", "nearest") !== "nearest" || s.text("nearest_mode", "round_prefer_floor") === "floor");

function scalesDown(s: Site): readonly number[] | undefined {
  if (!isGiven(s, 3)) {
    const scales = s.constant(s.input(2));
    return scales && Array.from<number | bigint, number>(scales.data, Number);
  }
  const sizes = s.whole(3, "sizes") ?? [];
  return s.sizes(s.input(0)).map((d, i) => scaleTo(d, sizes[i] ?? d));
}

/** The scale of which the floor of the product, in float32, is the size. */
function scaleTo(from: number, to: number): number {
  let scale = Math.fround(to / from);
  for (let i = 0; i < 4 && Math.floor(Math.fround(scale * from)) < to; i++) scale = Math.fround(scale * (1 + 2 ** -23));
  return scale;
}

const down11: Adapter = (s) => {
  const mode = s.text("mode", "nearest");
  if (mode === "cubic") throw s.cannot('the mode "cubic"');
  const scales = scalesDown(s);
  const whole = mode === "nearest" && scales?.every((f) => Number.isInteger(f) && f >= 1) === true;
  const modes = [s.text("coordinate_transformation_mode", "half_pixel"), s.text("nearest_mode", "round_prefer_floor")];
  // Enlarged by a whole number, every way but these leads to the pixel that the place lies in.
  const same = whole && (modes[0] === "half_pixel" || modes[0] === "pytorch_half_pixel") && (modes[1] ?? "").startsWith("round");
  if (!isAsymmetric(s) && !same) throw s.cannot(`coordinate_transformation_mode "${modes[0]}" with nearest_mode "${modes[1]}"`);
  const attributes = {
    coordinate_transformation_mode: undefined,
    nearest_mode: undefined,
    cubic_coeff_a: undefined,
    exclude_outside: undefined,
    extrapolation_value: undefined,
  };
  s.keep({ inputs: [s.input(0), scales ? s.floats32(scales) : s.input(2)], attributes });
};

/** Upsample only enlarges. */
const down10: Adapter = (s) => {
  const scales = s.fixed(1, "scales") ?? [];
  if (scales.some((f) => f < 1)) throw s.cannot("scales below 1");
  s.keep({ op: "Upsample" });
};

const upsampleDown9: Adapter = (s) => s.keep({ inputs: [s.input(0)], attributes: { scales: s.fixed(1, "scales") ?? [] } });

export const RESIZES: Table = {
  up: {
    Resize: { 11: up11, 13: up13 },
    Upsample: { 7: upsampleUp7, 9: upsampleUp9, 10: (s) => s.keep({ op: "Resize" }) },
  },
  down: {
    Resize: { 10: down10, 11: down11, 13: down13, 18: down18, 19: down19 },
    Upsample: { 9: upsampleDown9 },
  },
};
