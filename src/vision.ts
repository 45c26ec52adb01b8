/** Faces: recipes that bind models to their meaning, decoders, localisation, drawing. */
export { bindRecipe, inputSize, whyNot, type Bound, type Dim, type ModelSignature, type ModelValue } from "./vision/bind.ts";
export { bundledRecipes, parseRecipe, recipeNamed } from "./vision/recipes.ts";
export { decodeFaces, detectFaces, type DecodeOptions, type DetectOptions, type Face, type FaceSession } from "./vision/face.ts";
export { drawFaces, type DrawOptions } from "./vision/draw.ts";
export type { Size } from "./vision/decoders/decoder.ts";
export type { Recipe } from "./engine/recipe.ts";
