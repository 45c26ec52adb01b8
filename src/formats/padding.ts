import type { Dim } from "../tensor/dim.ts";
import { HoneError } from "../util/errors.ts";

/** A window as it slides over the spatial axes. */
export interface Sliding {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

/**
 * Pads [begin…, end…] with which the output has ceil(input / stride) positions; the odd one goes to the end, or with `lower` to the begin.
 * Throws `model.unsupported` when a size is symbolic and its pads depend on it.
 */
export function samePads(spatial: readonly Dim[], { kernel, strides, dilations }: Sliding, lower = false): number[] {
  const begin: number[] = [];
  const end: number[] = [];
  spatial.forEach((size, i) => {
    const stride = strides[i] ?? 1;
    const reach = ((kernel[i] ?? 1) - 1) * (dilations[i] ?? 1) + 1;
    const total = Math.max(0, samePad(size, stride, reach));
    const less = Math.floor(total / 2);
    begin.push(lower ? total - less : less);
    end.push(lower ? less : total - less);
  });
  return [...begin, ...end];
}

function samePad(size: Dim, stride: number, reach: number): number {
  if (typeof size === "number") return (Math.ceil(size / stride) - 1) * stride + reach - size;
  if (stride === 1) return reach - 1;
  throw new HoneError("model.unsupported", `padding that depends on the size ${size.text}, which is not known`, {
    hint: "Give the input's shape, for example --shape input=1x3x640x640.",
  });
}
