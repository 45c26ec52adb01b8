import type { ResizeRule } from "../../engine/recipe.ts";
import { checkSize, type Image } from "../image.ts";
import { resizeCv2 } from "./cv2.ts";
import { resizePil } from "./pil.ts";

/** Bilinear resizing in the dialect that the model was trained with. Always a new image. Throws `usage` or `image.too-large` for its size. */
export function resize(image: Image, width: number, height: number, dialect: ResizeRule["dialect"]): Image {
  checkSize(width, height);
  return dialect === "cv2" ? resizeCv2(image, width, height) : resizePil(image, width, height);
}
