/** TfIdfVectorizer: how often each sequence of words of a pool is found, its words next to each other or up to some words apart. */
import type { Value } from "../../../ir/graph.ts";
import { isStatic } from "../../../tensor/dim.ts";
import { tensor } from "../../../tensor/tensor.ts";
import { HoneError, must } from "../../../util/errors.ts";
import type { HostBuilder } from "../host.ts";
import { isTensor, type Thing } from "../things.ts";
import type { NodeView } from "./node.ts";
import { textAt } from "./text-node.ts";

interface Grams<W> {
  /** Words of one sequence. */
  readonly length: number;
  /** Sequences one after the other. */
  readonly words: readonly W[];
  /** The column of each in the result. */
  readonly columns: readonly number[];
}

/** Products of texts with pools that one node may become. */
const MAX_PARTS = 256;

function gramsOf<W>(n: NodeView, pool: readonly W[]): readonly Grams<W>[] {
  const starts = n.ints("ngram_counts") ?? [];
  const columns = n.ints("ngram_indexes") ?? [];
  let seen = 0;
  const all = starts.map((start, i): Grams<W> => {
    const words = pool.slice(start, starts[i + 1] ?? pool.length);
    const count = words.length / (i + 1);
    const grams = { length: i + 1, words, columns: columns.slice(seen, seen + count) };
    if (!Number.isInteger(count) || grams.columns.length !== count)
      throw new HoneError("model.damaged", "counts, indexes and pool disagree");
    seen += count;
    return grams;
  });
  if (all.some((g) => g.columns.some((c) => c < 0))) throw new HoneError("model.damaged", "a column is negative");
  const [least, most] = [n.int("min_gram_length", 1), n.int("max_gram_length", 1)];
  return all.filter((g) => g.length >= least && g.length <= most && g.words.length > 0);
}

/** How often the sequences are found in the rows of x, [rows, sequences]; `apart` is from word to word. */
function found(n: NodeView, x: Value, { length, words }: Grams<bigint>, apart: number): Value | undefined {
  const width = Number(x.shape[1]) - (length - 1) * apart;
  if (width <= 0) return undefined;
  const count = words.length / length;
  const same = Array.from({ length }, (_, k) => {
    const part = n.step("slice", [x, n.ints64([k * apart]), n.ints64([k * apart + width]), n.ints64([1])]);
    const wanted = BigInt64Array.from({ length: count }, (_w, i) => words[i * length + k] ?? 0n);
    return n.step("equal", [n.step("unsqueeze", [part], { axes: [2] }), n.constant(tensor("int64", [count], wanted))]);
  });
  const all = same.reduce((a, b) => n.step("and", [a, b]));
  return n.step("reduceSum", [n.step("cast", [all], { to: "float32" })], { axes: [1], keepDims: false });
}

function counts(n: NodeView, x: Value, grams: readonly Grams<bigint>[]): Value {
  const rows = Number(x.shape[0]);
  const zero = n.constant(tensor("float32", [rows, 1], new Float32Array(rows)));
  const skips = n.int("max_skip_count", 0);
  const apart = (g: Grams<bigint>): number => (g.length === 1 ? 1 : Math.min(skips + 1, Number(x.shape[1])));
  if (grams.reduce((sum, g) => sum + apart(g) * g.length, 0) > MAX_PARTS) throw n.unsupported(`sequences of words up to ${skips} apart`);
  const parts = grams.map((g) => {
    const each = Array.from({ length: apart(g) }, (_, s) => found(n, x, g, s + 1)).filter((v) => v !== undefined);
    if (each.length > 0) return each.reduce((a, b) => n.step("add", [a, b]));
    const none = g.words.length / g.length;
    return n.constant(tensor("float32", [rows, none], new Float32Array(rows * none)));
  });
  const columns = grams.flatMap((g) => g.columns);
  const at = new Array<number>(widthOf(n)).fill(columns.length);
  columns.forEach((c, i) => (at[c] = i));
  return n.step("gather", [n.step("concat", [...parts, zero], { axis: 1 }), n.ints64(at)], { axis: 1 });
}

/** Columns of the result. */
function widthOf(n: NodeView): number {
  const width = (n.ints("ngram_indexes") ?? []).reduce((most, c) => Math.max(most, c + 1), 0);
  if (width > MAX_COLUMNS) throw new HoneError("model.damaged", `${width} columns`);
  return width;
}

const MAX_COLUMNS = 1 << 22;

function modeOf(n: NodeView): string {
  const mode = n.text("mode", "TF");
  if (!["TF", "IDF", "TFIDF"].includes(mode)) throw n.unsupported(`the mode ${mode}`);
  return mode;
}

function weightsOf(n: NodeView, columns: number): Float32Array {
  const weights = n.floats("weights") ?? new Float32Array(columns).fill(1);
  if (weights.length !== columns) throw new HoneError("model.damaged", `${weights.length} weights for ${columns} columns`);
  return weights;
}

function vectorized(n: NodeView, words: Value, pool: readonly bigint[]): Value {
  if (!isStatic(words.shape) || words.shape.length < 1 || words.shape.length > 2)
    throw n.unsupported("a text of unknown length", "Give the shape of the model's inputs with --shape.");
  const [rows, width] = words.shape.length === 1 ? [1, words.shape[0]] : words.shape;
  const x = n.step("reshape", [n.step("cast", [words], { to: "int64" }), n.ints64([must(rows, "rows"), must(width, "width")])], {
    allowZero: true,
  });
  const tf = counts(n, x, gramsOf(n, pool));
  const mode = modeOf(n);
  const columns = Number(tf.shape[1]);
  const is = n.step("cast", [n.step("greater", [tf, n.scalarLike(tf, 0)])], { to: "float32" });
  const weight = n.constant(tensor("float32", [columns], weightsOf(n, columns)));
  const result = mode === "TF" ? tf : n.step("mul", [mode === "IDF" ? is : tf, weight]);
  return n.emit("reshape", [result, n.ints64([...words.shape.slice(0, -1), columns])], { allowZero: true });
}

const poolOf = (n: NodeView): readonly bigint[] => [...(n.node.attribute.find((a) => a.name === "pool_int64s")?.ints ?? [])];

/** Words that are strings are counted in JavaScript: how many there are may depend on them. */
export function tfIdf(n: NodeView, things: readonly (Thing | undefined)[], host: HostBuilder): Thing | readonly Thing[] {
  if (isTensor(things[0])) return vectorized(n, things[0], poolOf(n));
  const words = textAt(n, things, 0);
  const grams = gramsOf(n, n.texts("pool_strings") ?? []);
  const width = widthOf(n);
  const attrs = {
    lengths: grams.flatMap((g) => g.columns.map(() => g.length)),
    words: grams.flatMap((g) => g.words),
    columns: grams.flatMap((g) => g.columns),
    width,
    skip: n.int("max_skip_count", 0),
    mode: modeOf(n),
    weights: [...weightsOf(n, width)],
  };
  if (!attrs.weights.every(Number.isFinite)) throw n.unsupported("weights that are not finite");
  const results = [{ type: "float32", shape: [...words.shape.slice(0, -1), width] }] as const;
  return host.call({ op: "tfIdf", inputs: [words], attrs, results, origin: n.node.opType });
}
