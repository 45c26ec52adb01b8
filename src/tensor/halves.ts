/** Many numbers at once between float32 and halves, which half.ts converts one by one. */
import type { DType } from "./dtype.ts";
import { isHalf } from "./dtype.ts";
import { fromFloat16 } from "./half.ts";
import type { Tensor } from "./tensor.ts";

export type Half = "float16" | "bfloat16";

/** The largest finite number of float16; from 65520 on numbers round to infinity. */
export const FLOAT16_MAX = 65504;

const value = new Float32Array(1);
const bits = new Uint32Array(value.buffer);

/** The bits of a float32, rounded to nearest even; a NaN is the quiet one. */
function toBits16(b: number, x: number): number {
  const sign = (b >>> 16) & 0x8000;
  const magnitude = b & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x37fff001 + ((magnitude >>> 13) & 1)) >>> 13);
  // The unit in the last place of numbers from 0.5 on is 2^-24, that of subnormal halves: adding 0.5 rounds to it.
  value[0] = Math.abs(x) + 0.5;
  return sign | ((bits[0] ?? 0) - 0x3f000000);
}

const toBitsB16 = (b: number): number => ((b & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16);

/** Rounds to nearest even; what is too large for float16 becomes infinite. */
export function narrowAll(data: Float32Array, half: Half): Uint16Array<ArrayBuffer> {
  const from = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const to = new Uint16Array(data.length);
  for (let i = 0; i < to.length; i++) to[i] = half === "float16" ? toBits16(from[i] ?? 0, data[i] ?? 0) : toBitsB16(from[i] ?? 0);
  return to;
}

let float16: Float32Array | undefined;

/** Every half is a float32. */
export function widenAll(data: Uint16Array, half: Half): Float32Array<ArrayBuffer> {
  const to = new Float32Array(data.length);
  if (half === "float16") {
    const table = (float16 ??= Float32Array.from({ length: 65536 }, (_, i) => fromFloat16(i)));
    for (let i = 0; i < to.length; i++) to[i] = table[data[i] ?? 0] ?? 0;
  } else {
    const raw = new Uint32Array(to.buffer);
    for (let i = 0; i < to.length; i++) raw[i] = (data[i] ?? 0) << 16;
  }
  return to;
}

/** A tensor of float32 kept in halves. */
export const narrowed = ({ dims, data }: Tensor, half: Half): Tensor => ({ type: half, dims, data: narrowAll(data as Float32Array, half) });

const known = new WeakMap<Tensor, Tensor>();

/** The tensor as a value of `dtype` reads it: one that is kept in halves as float32, each but once. */
export function readAs(t: Tensor, dtype: DType): Tensor {
  if (dtype !== "float32" || !isHalf(t.type)) return t;
  const wide = known.get(t) ?? { type: dtype, dims: t.dims, data: widenAll(t.data as Uint16Array, t.type) };
  known.set(t, wide);
  return wide;
}
