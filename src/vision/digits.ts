import type { Image } from "../data/image.ts";
import type { Point } from "../geometry/box.ts";
import { strokePath, type Colour } from "./raster.ts";

/** Strokes of each glyph on a grid 4 wide and 6 high, as "x,y x,y …" paths; drawn with round pens they need no font. */
const GLYPHS: Readonly<Record<string, readonly string[]>> = {
  "0": ["2,0 3.3,0.4 4,1.6 4,4.4 3.3,5.6 2,6 0.7,5.6 0,4.4 0,1.6 0.7,0.4 2,0"],
  "1": ["0.6,1.2 2.2,0 2.2,6"],
  "2": ["0.1,1.5 0.7,0.4 2,0 3.3,0.4 3.9,1.5 3.6,2.7 0,6 4,6"],
  "3": ["0.2,0.9 1,0.2 2,0 3.2,0.4 3.8,1.5 3.2,2.5 2,2.8", "1.4,2.8 2,2.8 3.4,3.3 4,4.4 3.4,5.5 2,6 0.8,5.7 0,4.9"],
  "4": ["3,6 3,0 0,4.2 4,4.2"],
  "5": ["3.7,0 0.7,0 0.4,2.7 1,2.3 2,2.1 3.4,2.7 4,4 3.4,5.4 2,6 0.8,5.7 0,4.9"],
  "6": ["3.4,0.5 2.6,0 1.6,0.2 0.6,1.2 0,3 0,4.4 0.7,5.6 2,6 3.3,5.6 4,4.3 3.3,3 2,2.6 0.7,3 0,4.1"],
  "7": ["0,0 4,0 1.4,6"],
  "8": ["2,2.8 0.8,2.4 0.2,1.4 0.8,0.4 2,0 3.2,0.4 3.8,1.4 3.2,2.4 2,2.8 0.6,3.3 0,4.4 0.6,5.5 2,6 3.4,5.5 4,4.4 3.4,3.3 2,2.8"],
  "9": ["0.6,5.5 1.4,6 2.4,5.8 3.4,4.8 4,3 4,1.6 3.3,0.4 2,0 0.7,0.4 0,1.7 0.7,3 2,3.4 3.3,3 4,1.9"],
  ".": ["0,6 0,6"],
  "%": [
    "0.6,6 4.4,0",
    "0.8,0.1 1.5,0.4 1.8,1.2 1.5,2 0.8,2.3 0.1,2 -0.2,1.2 0.1,0.4 0.8,0.1",
    "4.2,3.7 4.9,4 5.2,4.8 4.9,5.6 4.2,5.9 3.5,5.6 3.2,4.8 3.5,4 4.2,3.7",
  ],
};

const ADVANCE: Readonly<Record<string, number>> = { ".": 1.7, "%": 6.7 };
const SPACING = 5.7;

/** Width of a text of digits, '.' and '%' whose digits are `height` high, pixels. */
export function digitsWidth(text: string, height: number): number {
  const units = Array.from(text).reduce((sum, c) => sum + (ADVANCE[c] ?? SPACING), 0);
  return ((units - SPACING + 4) * height) / 6;
}

/** Draws digits, '.' and '%' with their top-left corner at (x, y); other characters leave a gap. */
export function drawDigits(image: Image, text: string, x: number, y: number, height: number, colour: Colour): void {
  const unit = height / 6;
  let left = x;
  for (const c of text) {
    for (const path of GLYPHS[c] ?? []) strokePath(image, placed(path, left, y, unit), Math.max(unit * 0.95, 1.1), colour);
    left += (ADVANCE[c] ?? SPACING) * unit;
  }
}

function placed(path: string, x: number, y: number, unit: number): Point[] {
  return path.split(" ").map((pair) => {
    const [px = 0, py = 0] = pair.split(",").map(Number);
    return { x: x + px * unit, y: y + py * unit };
  });
}
