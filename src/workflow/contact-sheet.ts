import { fillImage, makeImage, paste, type Image } from "../data/image.ts";
import { fitImage } from "../data/letterbox.ts";

const CELL = { width: 480, height: 360 };
const GAP = 12;
const GROUND = [24, 27, 31] as const;

/** Pictures side by side, `columns` in a row, each fitted whole into a cell of 480×360. */
export function contactSheet(pictures: readonly Image[], columns: number = 3): Image {
  const across = Math.max(1, Math.min(columns, pictures.length));
  const down = Math.max(1, Math.ceil(pictures.length / across));
  const sheet = makeImage(across * (CELL.width + GAP) + GAP, down * (CELL.height + GAP) + GAP);
  fillImage(sheet, GROUND);
  pictures.forEach((picture, i) => {
    const cell = fitImage(picture, CELL.width, CELL.height, { dialect: "pil", fit: "letterbox", place: "centre", fill: GROUND }).image;
    paste(cell, sheet, GAP + (i % across) * (CELL.width + GAP), GAP + Math.floor(i / across) * (CELL.height + GAP));
  });
  return sheet;
}
