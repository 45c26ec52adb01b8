import type { ResizeRule } from "../../engine/recipe.ts";
import { checkSize, type Image } from "../image.ts";
import { resizeCv2 } from "./cv2.ts";
import { PIL_BICUBIC, resizePil } from "./pil.ts";

/** Resizing in the dialect that the model was trained with. Always a new image. Throws `usage` or `image.too-large` for its size. */
export function resize(image: Image, width: number, height: number, dialect: ResizeRule["dialect"]): Image {
  checkSize(width, height);
  switch (dialect) {
    case "cv2":
      return resizeCv2(image, width, height);
    case "pil":
      return resizePil(image, width, height);
    case "pil-bicubic":
      return resizePil(image, width, height, PIL_BICUBIC);
  }
}
