import type { ResizeRule } from "../engine/recipe.ts";
import { invert, scaleThenMove, type Affine } from "../geometry/transform.ts";
import { roundEven } from "../tensor/half.ts";
import { fillImage, makeImage, paste, type Image } from "./image.ts";
import { resize } from "./resize/resize.ts";

/** Where an image of one size lies in a picture of another. */
export interface Placement {
  /** Size of the resized image, pixels. */
  readonly width: number;
  readonly height: number;
  /** Its top-left corner in the picture. */
  readonly x: number;
  readonly y: number;
  /** From coordinates of the original image to coordinates of the picture. */
  readonly forward: Affine;
  /** Exactly back. */
  readonly back: Affine;
}

export interface Fitted extends Placement {
  readonly image: Image;
}

/**
 * Where an image lies after fitting. The transforms use the true ratio of each axis, after rounding to whole pixels, so a box found in the picture
 * comes back without drift. Letterbox `centre` rounds as YOLO's (half to even; padding by round(d − 0.1)), `top-left` truncates as InsightFace's.
 */
export function placeImage(
  from: { readonly width: number; readonly height: number },
  width: number,
  height: number,
  rule: Pick<ResizeRule, "fit" | "place">,
): Placement {
  const size = fittedSize(from, width, height, rule);
  const centred = rule.fit === "letterbox" && rule.place === "centre";
  const x = centred ? Math.max(0, roundEven((width - size.width) / 2 - 0.1)) : 0;
  const y = centred ? Math.max(0, roundEven((height - size.height) / 2 - 0.1)) : 0;
  const forward = scaleThenMove(size.width / from.width, size.height / from.height, x, y);
  return { ...size, x, y, forward, back: invert(forward) };
}

function fittedSize(
  from: { readonly width: number; readonly height: number },
  width: number,
  height: number,
  rule: Pick<ResizeRule, "fit" | "place">,
): { width: number; height: number } {
  if (rule.fit === "stretch") return { width, height };
  if (rule.place === "centre") {
    const ratio = Math.min(width / from.width, height / from.height);
    return { width: within(roundEven(from.width * ratio), width), height: within(roundEven(from.height * ratio), height) };
  }
  const aspect = from.height / from.width;
  if (aspect > height / width) return { width: within(Math.trunc(height / aspect), width), height };
  return { width, height: within(Math.trunc(width * aspect), height) };
}

/** A very long or very tall image still keeps one pixel of its short side. */
function within(size: number, most: number): number {
  return Math.min(Math.max(size, 1), most);
}

/** The image resized into a picture of exactly width × height, and the way back. Throws `image.too-large` for an absurd size. */
export function fitImage(image: Image, width: number, height: number, rule: ResizeRule): Fitted {
  const placement = placeImage(image, width, height, rule);
  const resized = resize(image, placement.width, placement.height, rule.dialect);
  if (placement.width === width && placement.height === height) return { ...placement, image: resized };
  const picture = makeImage(width, height);
  fillImage(picture, rule.fill);
  paste(resized, picture, placement.x, placement.y);
  return { ...placement, image: picture };
}
