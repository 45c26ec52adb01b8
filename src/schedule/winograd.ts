/**
 * The transforms of Winograd's minimal filtering F(4×4, 3×3) (Lavin and Gray, "Fast algorithms for convolutional neural
 * networks", CVPR 2016): 36 multiplications where the direct way has 144. The points are 0, ±√½, ±√2 and infinity instead of
 * the paper's 0, ±1, ±2, ∞: the largest and the smallest weight lie closer together, which halves the rounding error (Barabasz
 * et al., "Error analysis and improving the accuracy of Winograd convolution for deep neural networks", TOMS 2020).
 */
import { add, broadcast, constant, fma, mul, sub } from "../loop/expr.ts";
import type { Expr } from "../loop/types.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Results along one axis of a tile. */
export const TILE = 4;
/** Inputs along one axis of a tile. */
export const PATCH = 6;
/** Products of one tile and channel pair. */
export const PRODUCTS: number = PATCH * PATCH;

const A = Math.SQRT1_2;
const B = Math.SQRT2;

type Six = readonly [Expr, Expr, Expr, Expr, Expr, Expr];

/** Six expressions, by their number. */
export const six = (f: (i: number) => Expr): Six => [f(0), f(1), f(2), f(3), f(4), f(5)];

const times = (v: Expr, factor: number): Expr => mul(v, constant(factor, "float32", v.type.lanes));
const plus = (a: Expr, b: Expr, factor: number): Expr => fma(b, constant(factor, "float32", b.type.lanes), a);

/** What a step computes: named parts, which are to be evaluated once, and the results from them. */
export interface Transform {
  readonly parts: readonly Expr[];
  readonly results: (parts: readonly Expr[]) => readonly Expr[];
}

const part = (parts: readonly Expr[], i: number): Expr => parts[i] ?? constant(0, "float32");

/** One axis of Bᵀ·d·B: six inputs to six. The rows of each pair of points ±p share their even and their odd half. */
export function transformInput(d: Six): Transform {
  return {
    parts: [plus(d[4], d[2], -B * B), times(plus(d[3], d[1], -B * B), A), plus(d[4], d[2], -A * A), times(plus(d[3], d[1], -A * A), B)],
    results: (p) => {
      const [even, odd, even2, odd2] = [part(p, 0), part(p, 1), part(p, 2), part(p, 3)];
      const ends = (a: Expr, b: Expr, c: Expr): Expr => plus(add(a, c), b, -(A * A + B * B));
      return [ends(d[0], d[2], d[4]), add(even, odd), sub(even, odd), add(even2, odd2), sub(even2, odd2), ends(d[1], d[3], d[5])];
    },
  };
}

/** One axis of Aᵀ·m·A: six sums of products to four results. */
export function transformOutput(m: Six): Transform {
  return {
    parts: [add(m[1], m[2]), sub(m[1], m[2]), add(m[3], m[4]), sub(m[3], m[4])],
    results: (p) => {
      const [sum, difference, sum2, difference2] = [part(p, 0), part(p, 1), part(p, 2), part(p, 3)];
      return [
        add(add(m[0], sum), sum2),
        plus(times(difference, A), difference2, B),
        plus(times(sum, A * A), sum2, B * B),
        plus(plus(m[5], difference, A ** 3), difference2, B ** 3),
      ];
    },
  };
}

/** One axis of G·g·Gᵀ, for weights, in double precision. */
function transformTaps(g: readonly [number, number, number]): readonly number[] {
  const row = (p: number, other: number): number => (g[0] + p * g[1] + p * p * g[2]) / (2 * p * p * (p * p - other * other));
  return [g[0] / (A * A * B * B), row(A, B), row(-A, B), row(B, A), row(-B, A), g[2]];
}

/** How transformed weights lie: runs of `blocks` vectors of output channels, one run a product and input channel. */
export interface PackedWinograd {
  readonly data: Float32Array<ArrayBuffer>;
  /** Offset of a group of output blocks. */
  readonly groupLength: number;
}

/** Sum of nine products. */
function dot(a: Float64Array, aFrom: number, b: Float32Array, bFrom: number): number {
  let sum = 0;
  for (let i = 0; i < 9; i++) sum += (a[aFrom + i] ?? 0) * (b[bFrom + i] ?? 0);
  return sum;
}

/** G⊗G, [36][9]: what each tap of a 3×3 kernel adds to each factor. */
function kernelMatrix(): Float64Array {
  const unit = (k: number): readonly number[] => transformTaps([k === 0 ? 1 : 0, k === 1 ? 1 : 0, k === 2 ? 1 : 0]);
  const columns = [0, 1, 2].map(unit);
  const at = (x: number, k: number): number => columns[k]?.[x] ?? 0;
  return Float64Array.from({ length: PRODUCTS * 9 }, (_, i) => {
    const [product, tap] = [Math.floor(i / 9), i % 9];
    return at(Math.floor(product / PATCH), Math.floor(tap / 3)) * at(product % PATCH, tap % 3);
  });
}

/**
 * [O, I, 3, 3] to [O / (block·blocks)][36][I][blocks][block], transformed. The last group has as many blocks as are left, and
 * lies as one of that many would.
 */
export function packWinograd(w: Tensor, block: number, blocks: number): PackedWinograd {
  const [o = 1, i = 1] = w.dims;
  const source = w.data as Float32Array;
  const total = Math.ceil(o / block);
  const groupLength = PRODUCTS * i * blocks * block;
  const data = new Float32Array(total * PRODUCTS * i * block);
  const matrix = kernelMatrix();
  for (let oc = 0; oc < o; oc++) {
    const group = Math.floor(oc / (block * blocks));
    const inGroup = Math.min(blocks, total - group * blocks);
    const first = group * groupLength + oc - group * blocks * block;
    for (let ic = 0; ic < i; ic++) {
      for (let k = 0; k < PRODUCTS; k++) {
        data[first + (k * i + ic) * inGroup * block] = dot(matrix, 9 * k, source, 9 * (oc * i + ic));
      }
    }
  }
  return { data, groupLength };
}

/** Zero in every lane. */
export const zero = (lanes: number): Expr => broadcast(constant(0, "float32"), lanes);
