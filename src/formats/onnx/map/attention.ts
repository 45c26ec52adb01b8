import type { Value } from "../../../ir/graph.ts";
import type { Mapper, NodeView } from "./node.ts";

/** What attention works on: queries [B,H,Q,D], keys [B,G,K,D], values [B,G,K,E], the cache in front of the keys included. */
export interface Heads {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
}

export const dimOf = (n: NodeView, x: Value, axis: number, what: string): number => {
  const size = x.shape[axis];
  if (typeof size === "number") return size;
  throw n.unsupported(`an unknown ${what}`, "Give the input shapes with --shape.");
};

/** [B,S,H·D] as [B,H,S,D]. */
function splitHeads(n: NodeView, x: Value, heads: number): Value {
  const apart = n.step("reshape", [x, n.ints64([0, 0, heads, -1])], { allowZero: false });
  return n.step("transpose", [apart], { perm: [0, 2, 1, 3] });
}

function headsOf(n: NodeView): Heads {
  const [query, key, value] = [n.input(0), n.input(1), n.input(2)];
  const flat = query.shape.length === 3;
  const groups = n.int("kv_num_heads", 0);
  const split = (x: Value, heads: number): Value => (flat ? splitHeads(n, x, heads) : x);
  const joined = (past: Value | undefined, x: Value): Value => (past ? n.step("concat", [past, x], { axis: 2 }) : x);
  return {
    query: split(query, n.int("q_num_heads", 0)),
    key: joined(n.inputs[4], split(key, groups)),
    value: joined(n.inputs[5], split(value, groups)),
  };
}

/** A filled scalar of x's type. */
const scalar = (n: NodeView, x: Value, v: number): Value => n.scalarLike(x, v);

/** 0 where a condition holds, -∞ elsewhere. */
const biasWhere = (n: NodeView, allowed: Value, like: Value): Value =>
  n.step("where", [allowed, scalar(n, like, 0), scalar(n, like, -Infinity)]);

/** How far key j lies behind query i, j - i, as a constant [Q,K]. */
function distances(n: NodeView, queries: number, keys: number): Value {
  const values = Array.from({ length: queries * keys }, (_, at) => (at % keys) - Math.floor(at / keys));
  return n.ints64(values, [queries, keys]);
}

/** Keys before the first query: the length of the cache, known, or for each batch entry the valid keys less the queries. */
function offsetOf(n: NodeView, queries: number): Value {
  const past = n.inputs[4];
  const valid = n.inputs[6];
  if (past) return n.ints64([dimOf(n, past, 2, "length of the cache")], []);
  if (!valid) return n.ints64([0], []);
  return n.step("unsqueeze", [n.step("sub", [valid, n.ints64([queries], [])])], { axes: [1, 2, 3] });
}

/** The biases that the operator's attributes and the valid lengths ask for: causal, a window around the query, no padding. */
function rangeBiases(n: NodeView, { query, key }: Heads): Value[] {
  const causal = n.flag("is_causal");
  const [left, right] = [n.int("left_window_size", -1), n.int("right_window_size", -1)];
  const valid = n.inputs[6];
  const biases: Value[] = [];
  if (causal || left >= 0 || right >= 0) {
    const queries = dimOf(n, query, 2, "number of queries");
    const distance = n.step("sub", [distances(n, queries, dimOf(n, key, 2, "number of keys")), offsetOf(n, queries)]);
    const within = (op: string, bound: number): void => {
      biases.push(biasWhere(n, n.step(op, [distance, n.ints64([bound], [])]), query));
    };
    if (causal) within("lessOrEqual", 0);
    if (right >= 0) within("lessOrEqual", right);
    if (left >= 0) within("greaterOrEqual", -left);
  }
  if (valid) {
    const keys = dimOf(n, key, 2, "number of keys");
    const places = n.ints64(Array.from({ length: keys }, (_, i) => i));
    biases.push(biasWhere(n, n.step("less", [places, n.step("unsqueeze", [valid], { axes: [1, 2, 3] })]), query));
  }
  return biases;
}

/** The mask as something to add; one that is too short masks the keys behind it. */
function maskBias(n: NodeView, mask: Value, { query, key }: Heads): Value {
  const bias = mask.dtype === "bool" ? biasWhere(n, mask, query) : mask;
  const [have, want] = [mask.shape.at(-1), key.shape[2]];
  if (have === want || have === 1) return bias;
  if (typeof have !== "number" || typeof want !== "number")
    throw n.unsupported("a mask of unknown length", "Give the input shapes with --shape.");
  const pads = new Array<number>(2 * mask.shape.length).fill(0);
  pads[pads.length - 1] = want - have;
  return n.step("pad", [bias, n.ints64(pads), scalar(n, query, -Infinity)], { mode: "constant" });
}

/** Everything that is added to the products before the softmax. */
function biasOf(n: NodeView, heads: Heads): Value | undefined {
  const mask = n.inputs[3];
  const all = [...(mask ? [maskBias(n, mask, heads)] : []), ...rangeBiases(n, heads)];
  return all.reduce<Value | undefined>((sum, b) => (sum ? n.step("add", [sum, b]) : b), undefined);
}

/** Several queries' heads share one head of keys: [B,H,Q,D] as [B,G,H/G,Q,D], and [B,G,K,D] as [B,G,1,K,D]. */
export interface Grouping {
  readonly split: (x: Value) => Value;
  readonly shared: (x: Value) => Value;
  readonly join: (x: Value) => Value;
}

export function groupingOf(n: NodeView, { query, key }: Heads): Grouping {
  const [heads, groups] = [dimOf(n, query, 1, "number of heads"), dimOf(n, key, 1, "number of heads")];
  const same = (x: Value): Value => x;
  if (heads === groups) return { split: same, shared: same, join: same };
  if (groups === 0 || heads % groups !== 0) throw n.unsupported(`${heads} heads of queries for ${groups} of keys`);
  const batch = dimOf(n, query, 0, "batch size");
  const size = (x: Value, axis: number): number => dimOf(n, x, axis, "size");
  return {
    split: (x) => n.step("reshape", [x, n.ints64([batch, groups, heads / groups, size(x, 2), size(x, 3)])], { allowZero: true }),
    shared: (x) => n.step("unsqueeze", [x], { axes: [2] }),
    join: (x) => n.step("reshape", [x, n.ints64([batch, heads, size(x, 3), size(x, 4)])], { allowZero: true }),
  };
}

/** Rows that are masked as a whole attend to nothing. */
function guarded(n: NodeView, weights: Value, bias: Value | undefined): Value {
  const always =
    n.inputs[3] === undefined && n.inputs[6] === undefined && n.int("left_window_size", -1) < 0 && n.int("right_window_size", -1) < 0;
  if (bias === undefined || always) return weights;
  const largest = n.step("reduceMax", [bias], { axes: [-1], keepDims: true });
  return n.step("where", [n.step("equal", [largest, scalar(n, largest, -Infinity)]), scalar(n, weights, 0), weights]);
}

function softmaxOf(n: NodeView, x: Value): Value {
  const to = n.has("softmax_precision") ? n.dtype("softmax_precision", 1) : x.dtype;
  if (to === x.dtype) return n.step("softmax", [x], { axis: -1 });
  return n.step("cast", [n.step("softmax", [n.step("cast", [x], { to })], { axis: -1 })], { to: x.dtype });
}

/** [B,H,Q,E] as the queries came: that, or [B,Q,H·E]. */
function merged(n: NodeView, x: Value): Value {
  if (n.input(0).shape.length !== 3) return n.emit("identity", [x]);
  return n.emit("reshape", [n.step("transpose", [x], { perm: [0, 2, 1, 3] }), n.ints64([0, 0, -1])], { allowZero: false });
}

/** softmax(Q·Kᵀ·scale + bias)·V (Vaswani and others, 2017), with caches, shared key heads, soft caps and masks as ONNX has them. */
const attention: Mapper = (n) => {
  const heads = headsOf(n);
  const { query, key, value } = heads;
  const given = n.float("scale", 0);
  const scale = scalar(n, query, Math.sqrt(given === 0 ? 1 / Math.sqrt(dimOf(n, query, 3, "head size")) : given));
  const grouping = groupingOf(n, heads);
  const scaledKey = n.step("mul", [n.step("transpose", [key], { perm: [0, 1, 3, 2] }), scale]);
  const scaledQuery = grouping.split(n.step("mul", [query, scale]));
  const plain = grouping.join(n.step("matMul", [scaledQuery, grouping.shared(scaledKey)]));
  const cap = n.float("softcap", 0);
  const capped = cap > 0 ? n.step("mul", [n.step("tanh", [n.step("div", [plain, scalar(n, plain, cap)])]), scalar(n, plain, cap)]) : plain;
  const bias = biasOf(n, heads);
  const biased = bias ? n.step("add", [capped, bias]) : capped;
  const weights = guarded(n, softmaxOf(n, biased), bias);
  const mixed = n.step("matMul", [grouping.split(weights), grouping.shared(value)]);
  const y = merged(n, grouping.join(mixed));
  return [y, key, value, [plain, capped, biased, weights][n.int("qk_matmul_output_mode", 0)] ?? plain];
};

/** The part of x's last axis from start on, every step-th. */
const part = (n: NodeView, x: Value, start: number, end: number, step = 1): Value =>
  n.step("slice", [x, n.ints64([start]), n.ints64([end]), n.ints64([-1]), n.ints64([step])]);

/** cos or sin for each place of the input, [B or 1, S, 1, D/2]. */
function angles(n: NodeView, cache: Value): Value {
  const ids = n.inputs[3];
  return n.step("unsqueeze", [ids ? n.step("gather", [cache, ids], { axis: 0 }) : cache], { axes: [2] });
}

/** Pairs of features turned by angles that grow with the position (Su and others, 2021). */
const rotaryEmbedding: Mapper = (n) => {
  const x = n.input(0);
  const flat = x.shape.length === 3;
  const apart = flat
    ? n.step("reshape", [x, n.ints64([0, 0, n.int("num_heads", 1), -1])], { allowZero: false })
    : n.step("transpose", [x], { perm: [0, 2, 1, 3] });
  const size = dimOf(n, apart, 3, "head size");
  const given = n.int("rotary_embedding_dim", 0);
  const turned = given === 0 ? size : given;
  const [cos, sin] = [angles(n, n.input(1)), angles(n, n.input(2))];
  const interleaved = n.flag("interleaved");
  const [a, b] = interleaved
    ? [part(n, apart, 0, turned, 2), part(n, apart, 1, turned, 2)]
    : [part(n, apart, 0, turned / 2), part(n, apart, turned / 2, turned)];
  const real = n.step("sub", [n.step("mul", [cos, a]), n.step("mul", [sin, b])]);
  const imaginary = n.step("add", [n.step("mul", [sin, a]), n.step("mul", [cos, b])]);
  const rest = turned < size ? [part(n, apart, turned, size)] : [];
  const rotated = interleaved ? [pairs(n, real, imaginary, turned)] : [real, imaginary];
  const y = n.step("concat", [...rotated, ...rest], { axis: -1 });
  return flat ? n.emit("reshape", [y, n.step("shape", [x])], { allowZero: false }) : n.emit("transpose", [y], { perm: [0, 2, 1, 3] });
};

/** Two halves with their elements taking turns. */
function pairs(n: NodeView, a: Value, b: Value, size: number): Value {
  const both = n.step("concat", [n.step("unsqueeze", [a], { axes: [4] }), n.step("unsqueeze", [b], { axes: [4] })], { axis: 4 });
  return n.step("reshape", [both, n.ints64([0, 0, 0, size])], { allowZero: false });
}

/** A convolution of each channel with what came before, kept from call to call; the new state is the end of what it saw. */
const causalConv: Mapper = (n) => {
  const [x, w, bias, past] = [n.input(0), n.input(1), n.inputs[2], n.inputs[3]];
  const channels = dimOf(n, x, 1, "number of channels");
  const size = dimOf(n, w, 2, "kernel size");
  const seen = past
    ? n.step("concat", [past, x], { axis: 2 })
    : n.step("pad", [x, n.ints64([0, 0, size - 1, 0, 0, 0])], { mode: "constant" });
  const attrs = { strides: [1], dilations: [1], pads: [0, 0], group: channels };
  const activation = n.text("activation", "none");
  const y = activation === "none" ? n.emit("conv", [seen, w, bias], attrs) : silu(n, n.step("conv", [seen, w, bias], attrs));
  const length = dimOf(n, seen, 2, "length");
  const state = n.step("slice", [seen, n.ints64([length - size + 1]), n.ints64([length]), n.ints64([2])]);
  return [y, state];
};

/** x · sigmoid(x), in float32 whatever the type. */
function silu(n: NodeView, x: Value): Value {
  if (x.dtype === "float32") return n.emit("silu", [x]);
  return n.emit("cast", [n.step("silu", [n.step("cast", [x], { to: "float32" })])], { to: x.dtype });
}

/** The operators that transformers and their relatives are made of. */
export const ATTENTION: Readonly<Record<string, Mapper>> = {
  Attention: attention,
  CausalConvWithState: causalConv,
  RotaryEmbedding: rotaryEmbedding,
};
