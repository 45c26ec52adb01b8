import { fromBFloat16, fromFloat16 } from "../tensor/half.ts";
import { isStrings, type AnyTensor } from "../text/tensor.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** How far one tensor is from another. */
export interface Difference {
  /** ‖a − b‖ / ‖b‖; where b is all zeros, ‖a‖. */
  readonly relativeError: number;
  readonly maxAbs: number;
  /** 1 for equal directions; also where both are all zeros. */
  readonly cosine: number;
}

/** What stands for infinity, which JSON lacks: the tensors differ in shape, or one is not a number where the other is. */
export const INCOMPARABLE: Difference = { relativeError: Number.MAX_VALUE, maxAbs: Number.MAX_VALUE, cosine: 0 };

const SAME: Difference = { relativeError: 0, maxAbs: 0, cosine: 1 };

/** Of strings too, which are the same or cannot be compared. */
export function differenceOfAny(a: AnyTensor, b: AnyTensor): Difference {
  if (!isStrings(a) && !isStrings(b)) return difference(a, b);
  const same = a.type === b.type && a.dims.join() === b.dims.join() && a.data.every((s, i) => s === b.data[i]);
  return same ? SAME : INCOMPARABLE;
}

/** Element by element, in double precision. Equal infinities, and NaN beside NaN, do not differ. */
export function difference(a: Tensor, b: Tensor): Difference {
  if (a.dims.length !== b.dims.length || a.dims.some((d, i) => d !== b.dims[i])) return INCOMPARABLE;
  const x = reader(a);
  const y = reader(b);
  let [square, aa, bb, ab, maxAbs] = [0, 0, 0, 0, 0];
  for (let i = 0; i < a.data.length; i++) {
    const [p, q] = [x(i), y(i)];
    if (!Number.isFinite(p) || !Number.isFinite(q)) {
      if (Object.is(p, q)) continue;
      return INCOMPARABLE;
    }
    const d = p - q;
    square += d * d;
    aa += p * p;
    bb += q * q;
    ab += p * q;
    maxAbs = Math.max(maxAbs, Math.abs(d));
  }
  const relativeError = bb === 0 ? Math.sqrt(aa) : Math.sqrt(square / bb);
  const cosine = aa === 0 || bb === 0 ? (aa === bb ? 1 : 0) : Math.min(1, ab / Math.sqrt(aa * bb));
  return { relativeError, maxAbs, cosine };
}

function reader({ type, data }: Tensor): (i: number) => number {
  const at = (i: number): number => Number(data[i] ?? 0);
  if (type === "float16") return (i) => fromFloat16(at(i));
  if (type === "bfloat16") return (i) => fromBFloat16(at(i));
  return at;
}
