/** hone's integer core as one kernel: s32 dot products and the requantisation of the architecture's rule. */
import { DTYPES, type TypedArray } from "../../../src/tensor/dtype.ts";
import { invariant } from "../../../src/util/errors.ts";
import { add, cast, dot4, indexVar, int, load, mul, saturatingCast, unary, variable } from "../../../src/loop/expr.ts";
import { forLoop, letMutable, letVar, setVar, store } from "../../../src/loop/stmt.ts";
import type { Buffer, Func } from "../../../src/loop/types.ts";

/** Products of each case; cases of a kernel call. */
export const K = 36;
export const BATCH = 4096;

const buffer = (name: string, dtype: Buffer["dtype"], length: number, access: Buffer["access"] = "read"): Buffer => ({
  name,
  dtype,
  length,
  access,
});

/**
 * BATCH independent cases, `lanes` at a time: y = clamp(roundEven(f32(acc + bias) · m) + zeroPoint) as uint8 and as int8, where acc
 * starts at `start` and has K products u·s added. Four bytes of a case lie together: u[k/4][case][4].
 */
export function integerKernel(lanes: number): Func {
  const params = {
    start: buffer("start", "int32", BATCH),
    u: buffer("u", "uint8", BATCH * K),
    s: buffer("s", "int8", BATCH * K),
    bias: buffer("bias", "int32", BATCH),
    m: buffer("m", "float32", BATCH),
    zero: buffer("zero", "int32", BATCH),
    unsigned: buffer("y_u8", "uint8", BATCH, "write"),
    signed: buffer("y_s8", "int8", BATCH, "write"),
    sums: buffer("sums", "int32", BATCH, "write"),
  };
  const [c, k] = [indexVar("c"), indexVar("k")];
  const acc = variable("acc", { dtype: "int32", lanes });
  const y = variable("y", { dtype: "float32", lanes });
  const four = mul(add(mul(k, int(BATCH)), c), int(4));
  const real = cast(add(acc, load(params.bias, c, lanes)), "float32");
  const scaled = unary("roundEven", mul(real, load(params.m, c, lanes)));
  const body = [
    letMutable(acc, load(params.start, c, lanes)),
    forLoop(k, K / 4, [setVar(acc, dot4(acc, load(params.u, four, 4 * lanes), load(params.s, four, 4 * lanes)))]),
    letVar(y, add(scaled, cast(load(params.zero, c, lanes), "float32"))),
    store(params.sums, c, acc),
    store(params.unsigned, c, saturatingCast(y, "uint8")),
    store(params.signed, c, saturatingCast(y, "int8")),
  ];
  return { name: "integer", params: Object.values(params), body: [forLoop(c, BATCH, body, { step: lanes })] };
}

/** Arrays for every parameter; the last three are results. */
export const RESULTS = 3;
export const emptyBatch = (f: Func): TypedArray[] =>
  f.params.map((p) => new DTYPES[p.dtype].array(new ArrayBuffer(p.length * DTYPES[p.dtype].bytes), 0, p.length));

/** xorshift32: the same cases on every machine. */
function random(seed: number): (n: number) => number {
  let x = seed | 0 || 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

/**
 * One batch of cases. Some have only extreme values, so that 16-bit intermediates would saturate; some start near the ends of int32,
 * so that sums wrap; some multipliers are powers of two, so that results lie halfway between integers.
 */
export function fillBatch(args: readonly TypedArray[], seed: number): void {
  const next = random(seed * 2654435761 + 1);
  const [start, u, s, bias, m, zero] = args;
  invariant(start && u && s && bias && m && zero, "arrays for all inputs");
  for (let c = 0; c < BATCH; c++) {
    const huge = next(8) === 0;
    fillProducts(u, s, c, next(4) === 0, next);
    // Half of the huge ones so near the end of int32 that the products themselves carry the sum across it.
    start[c] = !huge ? 0 : next(2) === 0 ? next(2 ** 32) : 2 ** 31 + next(2 ** 21) - 2 ** 20;
    bias[c] = huge ? next(2 ** 32) : next(20000) - 10000;
    m[c] = multiplier(next);
    zero[c] = next(256) - 64;
  }
}

function fillProducts(u: TypedArray, s: TypedArray, c: number, extreme: boolean, next: (n: number) => number): void {
  for (let k = 0; k < K; k++) {
    const at = (Math.floor(k / 4) * BATCH + c) * 4 + (k % 4);
    u[at] = extreme ? 255 * next(2) : next(256);
    s[at] = extreme ? 255 * next(2) - 128 : next(256) - 128;
  }
}

/** scaleX · scaleW / scaleY in float64; storing it rounds it once to float32. */
function multiplier(next: (n: number) => number): number {
  if (next(4) === 0) return 2 ** -(next(18) + 1);
  const scale = (): number => 2 ** -next(9) * (1 + next(1 << 20) / (1 << 20));
  return (scale() * scale()) / (256 * scale());
}
