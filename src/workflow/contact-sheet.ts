import { fillImage, makeImage, paste, type Image } from "../data/image.ts";
import { fitImage } from "../data/letterbox.ts";
import type { Affine } from "../geometry/transform.ts";

const CELL = { width: 480, height: 360 };
const GAP = 12;
const GROUND = [24, 27, 31] as const;

export interface ContactSheet {
  readonly image: Image;
  /** For each picture, from its coordinates to those of the sheet. */
  readonly places: readonly Affine[];
}

/** Pictures side by side, `columns` in a row, each fitted whole into a cell of 480×360. */
export function contactSheet(pictures: readonly Image[], columns: number = 3): ContactSheet {
  const across = Math.max(1, Math.min(columns, pictures.length));
  const down = Math.max(1, Math.ceil(pictures.length / across));
  const image = makeImage(across * (CELL.width + GAP) + GAP, down * (CELL.height + GAP) + GAP);
  fillImage(image, GROUND);
  const places = pictures.map((picture, i): Affine => {
    const cell = fitImage(picture, CELL.width, CELL.height, { dialect: "pil", fit: "letterbox", place: "centre", fill: GROUND });
    const [x, y] = [GAP + (i % across) * (CELL.width + GAP), GAP + Math.floor(i / across) * (CELL.height + GAP)];
    paste(cell.image, image, x, y);
    const [a, b, c, d, e, f] = cell.forward;
    return [a, b, c + x, d, e, f + y];
  });
  return { image, places };
}
