/** How long layers take in float32 and in int8 on a kind of machine. */

/** Kinds of convolution that kernels differ in. `small` is 3×3 of stride 1, which Winograd's algorithm serves; `first` reads a few plain channels. */
export type Family = "pointwise" | "small" | "dense" | "first" | "depthwise";
export const FAMILIES: readonly Family[] = ["pointwise", "small", "dense", "first", "depthwise"];

/** What a kernel computes with, and what its result is. `floatByte` quantises in its epilogue. */
export type Form = "float" | "floatByte" | "byte" | "byteFloat";
export const FORMS: readonly Form[] = ["float", "floatByte", "byte", "byteFloat"];

/** Picoseconds for each multiply-add, and each element of the result, of the input and of the weights. */
export type Line = readonly [mac: number, output: number, input: number, weight: number];

export type Pass = "quantise" | "dequantise" | "addFloat" | "addByte" | "moveFloat" | "moveByte" | "poolFloat" | "poolByte";
export const PASSES: readonly Pass[] = ["quantise", "dequantise", "addFloat", "addByte", "moveFloat", "moveByte", "poolFloat", "poolByte"];

export interface Rates {
  readonly convs: Readonly<Record<Family, Readonly<Record<Form, Line>>>>;
  /** Picoseconds for each element of the result. */
  readonly passes: Readonly<Record<Pass, number>>;
  /** Whether weights of float32 layers are widened from float16 in no more time than they take as float32. */
  readonly halves: boolean;
}
