/** Finds out how a tensor was made from an image: which resize, which fit, which order of channels and axes, which mean and scale. */
import type { Preprocess, ResizeRule } from "../engine/recipe.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";
import { fromBFloat16, fromFloat16 } from "../tensor/half.ts";
import { HoneError } from "../util/errors.ts";
import type { Image } from "./image.ts";
import { fitImage, type Fitted } from "./letterbox.ts";
import { fitChannel, fitRest, type Distance, type Line, type Samples } from "./preprocess-fit.ts";
import { preprocess } from "./normalize.ts";

export interface Variant {
  readonly rule: Preprocess;
  readonly distance: Distance;
}

export interface PreprocessSearch {
  /** The nearest variant; of equal ones the first in the order of {@link RESIZES}. */
  readonly best: Variant;
  /** Variants whose resize gives the very same, because this image does not tell them apart. */
  readonly same: readonly ResizeRule[];
  /** The best of every resize and fit, nearest first. */
  readonly ranked: readonly Variant[];
}

type Resize = Omit<ResizeRule, "fill">;

/** Every resize that a recipe can name, the most common first. */
export const RESIZES: readonly Resize[] = (["cv2", "pil", "pil-bicubic"] as const).flatMap((dialect) => [
  { dialect, fit: "letterbox", place: "centre" } as const,
  { dialect, fit: "letterbox", place: "top-left" } as const,
  { dialect, fit: "stretch", place: "top-left" } as const,
]);

/** Differences below this come from rounding: pixels are whole grey levels. */
export const SAME_PIXELS = 0.5;

/** Half a centred letterbox of no padding is a stretch: two that are this near are one. */
const EQUAL = 1e-3;

/** A reference as numbers, with what its dims say. */
interface Reference {
  readonly dtype: Preprocess["dtype"];
  readonly layout: Preprocess["layout"];
  readonly width: number;
  readonly height: number;
  readonly values: ArrayLike<number>;
}

/**
 * Searches all variants. `hints` are rules whose mean and scale are tried first.
 * Throws `feeds.invalid` for a reference that is no picture of three channels, or holds what is not finite.
 */
export function searchPreprocess(image: Image, reference: Tensor, hints: readonly Preprocess[] = []): PreprocessSearch {
  const variants = referencesOf(reference).flatMap((r) => RESIZES.map((resize) => bestOf(image, r, resize, hints)));
  const ranked = variants.toSorted((a, b) => a.distance.mean - b.distance.mean);
  const [best] = ranked;
  if (best === undefined) throw new HoneError("feeds.invalid", "there is no variant to compare with");
  const near = ranked.filter((v) => v.rule.layout === best.rule.layout && v.distance.mean <= best.distance.mean + EQUAL);
  const chosen = RESIZES.flatMap((r) => near.find((v) => sameResize(v.rule.resize, r)) ?? [])[0] ?? best;
  return { best: chosen, same: near.map((v) => v.rule.resize), ranked };
}

export function sameResize(a: Resize, b: Resize): boolean {
  return a.dialect === b.dialect && a.fit === b.fit && (a.fit === "stretch" || a.place === b.place);
}

/** How far what a rule makes of the image is from the reference, in grey levels of that rule; undefined when its shape or type is another. */
export function distanceOf(image: Image, reference: Tensor, rule: Preprocess): Distance | undefined {
  const own = referencesOf(reference).find((r) => r.layout === rule.layout && r.dtype === rule.dtype);
  if (own === undefined) return undefined;
  const { data } = preprocess(image, own.width, own.height, rule).tensor;
  const plane = own.width * own.height;
  let [sum, max] = [0, 0];
  for (let i = 0; i < data.length; i++) {
    const channel = own.layout === "NCHW" ? Math.floor(i / plane) : i % 3;
    const levels = Math.abs(Number(data[i]) - (own.values[i] ?? NaN)) * Math.abs(rule.dtype === "uint8" ? 1 : (rule.std[channel] ?? 1));
    sum += levels;
    if (levels > max) max = levels;
  }
  return { mean: sum / Math.max(1, data.length), max };
}

/** [1,3,H,W], [3,H,W], [1,H,W,3] and [H,W,3]; both layouts when both fit. */
function referencesOf(reference: Tensor): Reference[] {
  const { type, dims } = reference;
  const [a = 0, b = 0, c = 0] = dims.length === 4 && dims[0] === 1 ? dims.slice(1) : dims.length === 3 ? dims : [];
  const values = numbersOf(reference);
  const dtype = type === "uint8" ? "uint8" : "float32";
  const planar: Reference[] = a === 3 ? [{ dtype, layout: "NCHW", height: b, width: c, values }] : [];
  const packed: Reference[] = c === 3 ? [{ dtype, layout: "NHWC", height: a, width: b, values }] : [];
  const found = [...planar, ...packed].filter((r) => r.width > 0 && r.height > 0);
  if (found.length > 0) return found;
  throw new HoneError("feeds.invalid", `a reference of ${type}[${dims.join(",")}] is no picture of three channels`, {
    hint: "It must be [1,3,H,W], [3,H,W], [1,H,W,3] or [H,W,3].",
  });
}

function numbersOf({ type, dims, data }: Tensor): ArrayLike<number> {
  const decode = type === "float16" ? fromFloat16 : type === "bfloat16" ? fromBFloat16 : undefined;
  const values = decode ? Float32Array.from(data as Uint16Array, decode) : Float64Array.from(data as ArrayLike<number | bigint>, Number);
  if (values.length === elementCount(dims) && values.every(Number.isFinite)) return values;
  throw new HoneError("feeds.invalid", "the reference holds values that are not finite", {
    hint: "A division by a deviation of zero makes such values.",
  });
}

function bestOf(image: Image, reference: Reference, resize: Resize, hints: readonly Preprocess[]): Variant {
  const fitted = fitImage(image, reference.width, reference.height, { ...resize, fill: [0, 0, 0] });
  const [rgb, bgr] = (["RGB", "BGR"] as const).map((channels) => ofChannels(fitted, reference, resize, channels, hints));
  if (rgb === undefined || bgr === undefined) throw new HoneError("internal", "a picture has two orders of channels");
  return bgr.distance.mean < rgb.distance.mean - EQUAL ? bgr : rgb;
}

function ofChannels(
  fitted: Fitted,
  reference: Reference,
  resize: Resize,
  channels: Preprocess["channels"],
  hints: readonly Preprocess[],
): Variant {
  const samples = [0, 1, 2].map((c) => samplesOf(fitted, reference, c, channels));
  const lines = reference.dtype === "uint8" ? samples.map((): Line => ({ mean: 0, std: 1 })) : fitChannel(samples, channels, hints);
  const inside = fitRest(samples, lines);
  const fill = channels === "RGB" ? inside.fill : inside.fill.toReversed();
  const three = (values: readonly number[]): [number, number, number] => [values[0] ?? 0, values[1] ?? 0, values[2] ?? 0];
  const rule: Preprocess = {
    resize: { ...resize, fill: three(fill) },
    channels,
    layout: reference.layout,
    dtype: reference.dtype,
    mean: three(lines.map((l) => l.mean)),
    std: three(lines.map((l) => l.std)),
  };
  return { rule, distance: inside.distance };
}

/** The pixels of one channel beside the reference's values, inside the image and in the letterbox's empty part. */
function samplesOf({ image, x, y, width, height }: Fitted, r: Reference, channel: number, channels: Preprocess["channels"]): Samples {
  const plane = r.width * r.height;
  const source = channels === "RGB" ? channel : 2 - channel;
  const count = width * height;
  const [pixels, values, rest] = [new Float64Array(count), new Float64Array(count), new Float64Array(plane - count)];
  let [inside, outside] = [0, 0];
  for (let row = 0, i = 0; row < r.height; row++) {
    for (let column = 0; column < r.width; column++, i++) {
      const value = r.values[r.layout === "NCHW" ? channel * plane + i : i * 3 + channel] ?? NaN;
      if (column >= x && column < x + width && row >= y && row < y + height) {
        pixels[inside] = image.data[i * 3 + source] ?? 0;
        values[inside++] = value;
      } else rest[outside++] = value;
    }
  }
  return { pixels, values, rest };
}
