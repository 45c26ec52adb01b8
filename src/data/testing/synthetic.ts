import { makeImage, type Image } from "../image.ts";

/** The formula of scripts/goldens/resize.py. */
export function synthetic(width: number, height: number): Image {
  const image = makeImage(width, height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++, i++) {
        const noise = (((x * 73 + 11) * (y * 151 + 7) * (c * 29 + 3)) % 65521) >> 3;
        const slope = x * 5 + y * 3 + c * 40 + ((Math.floor(x / 4) + Math.floor(y / 3)) % 2 === 0 ? 128 : 0);
        image.data[i] = (x * 2 < width ? noise : slope) % 256;
      }
    }
  }
  return image;
}
