/** Images: decoding, resizing in named dialects, letterboxing, tensors. */
export { MAX_PIXELS, fillImage, makeImage, paste, type Image } from "./data/image.ts";
export { resize } from "./data/resize/resize.ts";
export { fitImage, placeImage, type Fitted, type Placement } from "./data/letterbox.ts";
export { preprocess, toTensor } from "./data/normalize.ts";
export { decodeImage, loadImage, type LoadOptions } from "./data/node/decode.ts";
export { encodeImage, formatOf, saveImage, type ImageFormat } from "./data/node/encode.ts";
export { isImageName, listImages, type ListOptions } from "./data/node/source.ts";
export type { Preprocess, ResizeRule } from "./engine/recipe.ts";
export * from "./data/annotations/annotations.ts";
