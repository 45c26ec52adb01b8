/** Detectors: recipes that bind models to their meaning, decoders, face localisation, drawing. */
export { bindRecipe, inputSize, whyNot, type Bound, type Dim, type ModelSignature, type ModelValue } from "./vision/bind.ts";
export { bundledRecipes, parseRecipe, recipeNamed } from "./vision/recipes.ts";
export { decodeDetections, type DecodeOptions, type Detection } from "./vision/detect.ts";
export { decodeFaces, detectFaces, type DetectOptions, type Face, type FaceSession } from "./vision/face.ts";
export { drawFaces, type DrawOptions } from "./vision/draw.ts";
export type { Size } from "./vision/decoders/decoder.ts";
export type { Recipe } from "./engine/recipe.ts";
