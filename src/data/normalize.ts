import type { Preprocess } from "../engine/recipe.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import type { Image } from "./image.ts";
import { fitImage, type Placement } from "./letterbox.ts";

/** Pixels to a tensor of [1,3,H,W] or [1,H,W,3]: value = (pixel − mean) / std; for `uint8` rounded and clamped to 0…255. */
export function toTensor(image: Image, rule: Pick<Preprocess, "channels" | "layout" | "dtype" | "mean" | "std">): Tensor {
  const { width, height, data } = image;
  if (takesBytes(rule)) return tensor("uint8", [1, height, width, 3], data.slice());
  const plane = width * height;
  const values = rule.dtype === "float32" ? new Float32Array(plane * 3) : new Uint8ClampedArray(plane * 3);
  const planar = rule.layout === "NCHW";
  for (let c = 0; c < 3; c++) {
    const table = channelTable(rule, c);
    const step = planar ? 1 : 3;
    let out = planar ? c * plane : c;
    for (let i = rule.channels === "RGB" ? c : 2 - c; i < data.length; i += 3, out += step) values[out] = table[data[i] ?? 0] ?? 0;
  }
  const dims = planar ? [1, 3, height, width] : [1, height, width, 3];
  if (values instanceof Float32Array) return tensor("float32", dims, values);
  return tensor("uint8", dims, new Uint8Array(values.buffer));
}

/** Whether the tensor is the image's own bytes. */
function takesBytes({ dtype, layout, channels, mean, std }: Parameters<typeof toTensor>[1]): boolean {
  return dtype === "uint8" && layout === "NHWC" && channels === "RGB" && mean.every((m) => m === 0) && std.every((s) => s === 1);
}

function channelTable(rule: Pick<Preprocess, "mean" | "std">, channel: number): Float64Array {
  return Float64Array.from({ length: 256 }, (_, v) => (v - (rule.mean[channel] ?? 0)) / (rule.std[channel] ?? 1));
}

/** An image made ready for a model's input of width × height, and where it lies in it. Throws `image.too-large` for an absurd size. */
export function preprocess(image: Image, width: number, height: number, rule: Preprocess): { tensor: Tensor; placement: Placement } {
  const { image: picture, ...placement } = fitImage(image, width, height, rule.resize);
  return { tensor: toTensor(picture, rule), placement };
}
