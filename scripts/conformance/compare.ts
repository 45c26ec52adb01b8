import { fromBFloat16, fromFloat16 } from "../../src/tensor/half.ts";
import { isStrings, type AnyTensor } from "../../src/text/tensor.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

/** What ONNX's own runner allows. */
export const ONNX_TOLERANCE: Tolerance = { relative: 1e-3, absolute: 1e-7 };

/** The distance between neighbouring half-precision numbers, relative to them: what a last step's rounding may change. */
const LAST_PLACE: Partial<Record<Tensor["type"], number>> = { float16: 2 ** -10, bfloat16: 2 ** -7 };

function elements(t: Tensor): ArrayLike<number | bigint> {
  if (t.type === "float16") return Array.from(t.data as Uint16Array, fromFloat16);
  return t.type === "bfloat16" ? Array.from(t.data as Uint16Array, fromBFloat16) : t.data;
}

function close(a: number | bigint, b: number | bigint, tolerance: Tolerance): boolean {
  if (a === b || Object.is(a, b)) return true;
  const [x, y] = [Number(a), Number(b)];
  return Math.abs(x - y) <= tolerance.absolute + tolerance.relative * Math.abs(y);
}

/** What is wrong with a result; undefined when it is as wanted. */
export function difference(got: AnyTensor | undefined, want: AnyTensor, tolerance: Tolerance): string | undefined {
  if (!got) return "it is missing";
  if (got.type !== want.type || got.dims.join() !== want.dims.join())
    return `${got.type}[${got.dims.join()}] instead of ${want.type}[${want.dims.join()}]`;
  if (isStrings(got) || isStrings(want)) {
    const at = want.data.findIndex((s, k) => s !== got.data[k]);
    return at < 0 ? undefined : `element ${at} is "${String(got.data[at])}" instead of "${String(want.data[at])}"`;
  }
  return numbersDiffer(got, want, tolerance);
}

function numbersDiffer(got: Tensor, want: Tensor, tolerance: Tolerance): string | undefined {
  const [a, b] = [elements(got), elements(want)];
  const relative = Math.max(tolerance.relative, LAST_PLACE[want.type] ?? 0);
  for (let i = 0; i < b.length; i++) {
    if (!close(a[i] ?? NaN, b[i] ?? NaN, { ...tolerance, relative }) && !Object.is(a[i], b[i]))
      return `element ${i} is ${String(a[i])} instead of ${String(b[i])}`;
  }
  return a.length === b.length ? undefined : `${a.length} elements instead of ${b.length}`;
}
