/** The operators on strings, in JavaScript. Each throws `graph.shape` for operands that do not fit, `feeds.invalid` for strings that mean nothing. */
import { is64, isDType, isFloat, type DType } from "../tensor/dtype.ts";
import { fromBFloat16, fromFloat16, toBFloat16, toFloat16 } from "../tensor/half.ts";
import { stridesOf, tensor, zeros, type Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import type { HostAttrs, HostOp } from "./op.ts";
import { fullMatcher } from "./regex/match.ts";
import { tfIdf } from "./tfidf.ts";
import { isStrings, stringCount, stringTensor, type AnyTensor, type StringTensor } from "./tensor.ts";

function misfit(what: string): HoneError {
  return new HoneError("graph.shape", `operators on strings: ${what}`);
}

function strings(inputs: readonly AnyTensor[], i: number): StringTensor {
  const t = inputs[i];
  if (t && isStrings(t)) return t;
  throw misfit(`operand ${i} is ${t?.type ?? "missing"}, not strings`);
}

function numbers(inputs: readonly AnyTensor[], i: number): Tensor {
  const t = inputs[i];
  if (t && !isStrings(t)) return t;
  throw misfit(`operand ${i} is ${t?.type ?? "missing"}, not numbers`);
}

const text = (attrs: HostAttrs, name: string): string => {
  const value = attrs[name];
  return typeof value === "string" ? value : "";
};
const list = (attrs: HostAttrs, name: string): readonly (string | number)[] => {
  const value = attrs[name];
  return Array.isArray(value) ? (value as readonly (string | number)[]) : [];
};

/** The dims that two operands have together (ONNX's multidirectional broadcasting). */
export function broadcastDims(a: readonly number[], b: readonly number[]): readonly number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x = 1, y = 1] = [a[i - rank + a.length], b[i - rank + b.length]];
    if (x !== y && x !== 1 && y !== 1) throw misfit(`[${a.join(",")}] and [${b.join(",")}] do not fit together`);
    return x === 1 ? y : x;
  });
}

/** `f` of each pair of elements. */
function pairs<T>(
  a: StringTensor,
  b: StringTensor,
  f: (x: string, y: string) => T,
): { readonly dims: readonly number[]; readonly data: T[] } {
  const dims = broadcastDims(a.dims, b.dims);
  const count = stringCount(dims);
  const steps = stridesOf(dims);
  const place = (own: readonly number[]): ((i: number) => number) => {
    const strides = stridesOf(own);
    const shift = dims.length - own.length;
    return (i) => own.reduce((at, d, k) => at + (d === 1 ? 0 : (Math.floor(i / (steps[k + shift] ?? 1)) % d) * (strides[k] ?? 1)), 0);
  };
  const [pa, pb] = [place(a.dims), place(b.dims)];
  return { dims, data: Array.from({ length: count }, (_, i) => f(a.data[pa(i)] ?? "", b.data[pb(i)] ?? "")) };
}

const bools = (dims: readonly number[], data: readonly boolean[]): Tensor => tensor("bool", dims, Uint8Array.from(data, Number));

const concat: HostOp = (inputs) => {
  const { dims, data } = pairs(strings(inputs, 0), strings(inputs, 1), (x, y) => x + y);
  return [stringTensor(dims, data)];
};

const equal: HostOp = (inputs) => {
  const { dims, data } = pairs(strings(inputs, 0), strings(inputs, 1), (x, y) => x === y);
  return [bools(dims, data)];
};

/** Python's str.split: without a delimiter at runs of spaces, of which those at the ends count for nothing. */
function splitOne(s: string, delimiter: string, most: number): readonly string[] {
  const parts: string[] = [];
  if (delimiter !== "") {
    let at = 0;
    for (let to = s.indexOf(delimiter); to >= 0 && parts.length < most; to = s.indexOf(delimiter, at)) {
      parts.push(s.slice(at, to));
      at = to + delimiter.length;
    }
    return [...parts, s.slice(at)];
  }
  let rest = s.trimStart();
  while (rest !== "" && parts.length < most) {
    const end = rest.search(/\s/);
    parts.push(end < 0 ? rest : rest.slice(0, end));
    rest = end < 0 ? "" : rest.slice(end).trimStart();
  }
  return rest === "" ? parts : [...parts, rest.trimEnd()];
}

const split: HostOp = (inputs, attrs) => {
  const { dims, data } = strings(inputs, 0);
  const most = typeof attrs["maxsplit"] === "number" && attrs["maxsplit"] >= 0 ? attrs["maxsplit"] : Infinity;
  const parts = data.map((s) => splitOne(s, text(attrs, "delimiter"), most));
  const width = parts.reduce((n, p) => Math.max(n, p.length), 0);
  stringCount([...dims, width]);
  const padded = parts.flatMap((p) => Array.from({ length: width }, (_, i) => p[i] ?? ""));
  const counts = BigInt64Array.from(parts, (p) => BigInt(p.length));
  return [stringTensor([...dims, width], padded), tensor("int64", dims, counts)];
};

const CASES: Readonly<Record<string, (s: string, locale: string | undefined) => string>> = {
  LOWER: (s, locale) => s.toLocaleLowerCase(locale),
  UPPER: (s, locale) => s.toLocaleUpperCase(locale),
};

const normalize: HostOp = (inputs, attrs) => {
  const { dims, data } = strings(inputs, 0);
  if (dims.length !== 1 && !(dims.length === 2 && dims[0] === 1))
    throw misfit(`StringNormalizer takes [C] or [1,C], not [${dims.join(",")}]`);
  const locale = text(attrs, "locale") || "en";
  const action = text(attrs, "case");
  const change = Object.hasOwn(CASES, action) ? CASES[action] : undefined;
  const compared = (s: string): string => (attrs["sensitive"] === true ? s : s.toLocaleLowerCase(locale));
  const stops = new Set(list(attrs, "stopwords").map((s) => compared(String(s))));
  const kept = data.filter((s) => !stops.has(compared(s))).map((s) => change?.(s, locale) ?? s);
  const result = kept.length === 0 ? [""] : kept;
  return [stringTensor(dims.length === 2 ? [1, result.length] : [result.length], result)];
};

/** A pattern is read once for all runs of a step. */
const matchers = new WeakMap<HostAttrs, (s: string) => boolean>();

const fullMatch: HostOp = (inputs, attrs) => {
  const { dims, data } = strings(inputs, 0);
  const matches = matchers.get(attrs) ?? fullMatcher(text(attrs, "pattern"));
  matchers.set(attrs, matches);
  return [bools(dims, data.map(matches))];
};

const DECODE: Partial<Record<DType, (bits: number) => number>> = { float16: fromFloat16, bfloat16: fromBFloat16 };
const ENCODE: Partial<Record<DType, (value: number) => number>> = { float16: toFloat16, bfloat16: toBFloat16 };

/** Elements as JavaScript has them; 64-bit integers as bigint. */
function elementsOf(t: AnyTensor): readonly (string | number | bigint)[] {
  if (isStrings(t)) return t.data;
  const decode = DECODE[t.type];
  return Array.from<number | bigint, number | bigint>(t.data, (x) => (decode && typeof x === "number" ? decode(x) : x));
}

function filled(type: DType, dims: readonly number[], values: readonly (number | bigint)[]): Tensor {
  const t = zeros(type, dims);
  const encode = ENCODE[type];
  values.forEach((v, i) => {
    if (is64(type)) t.data[i] = typeof v === "bigint" ? v : BigInt(Math.trunc(v));
    else t.data[i] = encode ? encode(Number(v)) : Number(v);
  });
  return t;
}

/** Puts a value for each key, a default for what is no key (ONNX-ML's LabelEncoder); numbers are written out, so that none is lost in JSON. */
const encode: HostOp = ([x], attrs) => {
  if (!x) throw misfit("nothing to encode");
  const values = list(attrs, "values").map(String);
  const found = new Map(list(attrs, "keys").map((k, i) => [String(k), values[i]] as const));
  const result = elementsOf(x).map((k) => found.get(String(k)) ?? text(attrs, "default"));
  const type = text(attrs, "type");
  if (type === "string") return [stringTensor(x.dims, result)];
  const to = isDType(type) ? type : "int64";
  return [
    filled(
      to,
      x.dims,
      result.map((v) => parsed(v, to)),
    ),
  ];
};

/** Elements of several tensors of strings, one after the other, by their number. */
const take: HostOp = ([at, ...tables]) => {
  if (!at || isStrings(at)) throw misfit("elements are taken by numbers");
  const all = tables.flatMap((t) => (isStrings(t) ? t.data : []));
  stringCount(at.dims);
  const taken = Array.from<number | bigint, string>(at.data, (i) => all[Number(i)] ?? "");
  return [stringTensor(at.dims, taken)];
};

/** The same by numbers that are known. */
const pick: HostOp = (tables, attrs) => {
  const dims = list(attrs, "dims").map(Number);
  const all = tables.flatMap((t) => (isStrings(t) ? t.data : []));
  stringCount(dims);
  return [
    stringTensor(
      dims,
      list(attrs, "ids").map((i) => all[Number(i)] ?? ""),
    ),
  ];
};

/** The shortest text that reads back as the same number of that type. */
function shortest(x: number, type: DType): string {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "INF" : "-INF";
  if (!isFloat(type) || type === "float64") return Object.is(x, -0) ? "-0" : String(x);
  const digits = [1, 2, 3, 4, 5, 6, 7, 8].find((n) => Math.fround(Number(x.toPrecision(n))) === x) ?? 9;
  return Object.is(x, -0) ? "-0" : String(Number(x.toPrecision(digits)));
}

const toText: HostOp = (inputs) => {
  const x = numbers(inputs, 0);
  const data = elementsOf(x).map((v) =>
    x.type === "bool" ? (v === 1 ? "True" : "False") : typeof v === "number" ? shortest(v, x.type) : String(v),
  );
  return [stringTensor(x.dims, data)];
};

const SPECIAL: Readonly<Record<string, number>> = {
  nan: NaN,
  inf: Infinity,
  "+inf": Infinity,
  "-inf": -Infinity,
  infinity: Infinity,
  "-infinity": -Infinity,
};

function parsed(s: string, type: DType): number | bigint {
  const plain = s.trim();
  if (isFloat(type)) {
    const special = SPECIAL[plain.toLowerCase()];
    if (special !== undefined) return special;
    if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return Number(plain);
  } else if (type === "bool") {
    if (/^(true|1)$/i.test(plain)) return 1;
    if (/^(false|0)$/i.test(plain)) return 0;
  } else if (/^[+-]?\d{1,40}$/.test(plain)) return BigInt(plain.replace(/^\+/, ""));
  throw new HoneError("feeds.invalid", `"${s.slice(0, 80)}" is no ${type}`);
}

const fromText: HostOp = (inputs, attrs) => {
  const { dims, data } = strings(inputs, 0);
  const type = text(attrs, "to");
  const to = isDType(type) ? type : "float32";
  return [
    filled(
      to,
      dims,
      data.map((s) => parsed(s, to)),
    ),
  ];
};

/** The dims of a tensor, as int64. */
const shape: HostOp = ([x]) => {
  if (!x) throw misfit("nothing to measure");
  return [tensor("int64", [x.dims.length], BigInt64Array.from(x.dims, BigInt))];
};

export const HOST_OPS: Readonly<Record<string, HostOp>> = {
  concat,
  encode,
  equal,
  fromText,
  fullMatch,
  normalize,
  pick,
  shape,
  split,
  take,
  tfIdf,
  toText,
};
