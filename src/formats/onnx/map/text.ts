/** Operators on strings, which are done in JavaScript before or after the kernels. */
import type { Value } from "../../../ir/graph.ts";
import { isStatic, sym, type Dim, type Shape } from "../../../tensor/dim.ts";
import { elementCount, tensor } from "../../../tensor/tensor.ts";
import { fullMatcher } from "../../../text/regex/match.ts";
import { stringCount, stringTensor } from "../../../text/tensor.ts";
import { HoneError, must } from "../../../util/errors.ts";
import type { HostBuilder } from "../host.ts";
import { STRING, stringsOf } from "../strings.ts";
import { isTensor, present, type Text, type Thing } from "../things.ts";
import { labels } from "./labels.ts";
import { tfIdf } from "./tfidf.ts";
import type { Mapper, NodeView } from "./node.ts";
import { isText, textAt, type TextMapper } from "./text-node.ts";

/** A dimension that only the strings tell. */
const open = (n: NodeView): Dim => sym(`?${n.name.replace(/\W/g, "_")}`);

function broadcast(n: NodeView, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x = 1, y = 1] = [a[i - rank + a.length], b[i - rank + b.length]];
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    if (typeof x === "number" && typeof y === "number")
      throw new HoneError("graph.shape", `dimensions of ${x} and ${y} do not fit together`);
    return open(n);
  });
}

const pair =
  (op: string, type: "string" | "bool"): TextMapper =>
  (n, things, host) => {
    const inputs = [textAt(n, things, 0), textAt(n, things, 1)];
    const shape = broadcast(n, inputs[0]?.shape ?? [], inputs[1]?.shape ?? []);
    return host.call({ op, inputs, attrs: {}, results: [{ type, shape }], origin: n.node.opType });
  };

const split: TextMapper = (n, things, host) => {
  const x = textAt(n, things, 0);
  const attrs = { delimiter: n.text("delimiter", ""), ...(n.has("maxsplit") ? { maxsplit: n.int("maxsplit", 0) } : {}) };
  const results = [
    { type: "string", shape: [...x.shape, open(n)] },
    { type: "int64", shape: x.shape },
  ] as const;
  return host.call({ op: "split", inputs: [x], attrs, results, origin: n.node.opType });
};

const normalize: TextMapper = (n, things, host) => {
  const x = textAt(n, things, 0);
  const stopwords = n.texts("stopwords") ?? [];
  const locale = n.text("locale", "").replaceAll("_", "-");
  const action = n.text("case_change_action", "NONE");
  if (!["NONE", "LOWER", "UPPER"].includes(action)) throw n.unsupported(`the change of case ${action}`);
  if (!isLocale(locale)) throw n.unsupported(`the locale ${locale}`);
  const attrs = { case: action, sensitive: n.flag("is_case_sensitive"), stopwords, locale };
  const shape = stopwords.length === 0 ? x.shape : [...x.shape.slice(0, -1), open(n)];
  return host.call({ op: "normalize", inputs: [x], attrs, results: [{ type: "string", shape }], origin: n.node.opType });
};

function isLocale(locale: string): boolean {
  try {
    return locale === "" || Intl.getCanonicalLocales(locale).length === 1;
  } catch {
    return false;
  }
}

const fullMatch: TextMapper = (n, things, host) => {
  const x = textAt(n, things, 0);
  const pattern = n.text("pattern", "");
  fullMatcher(pattern);
  return host.call({
    op: "fullMatch",
    inputs: [x],
    attrs: { pattern },
    results: [{ type: "bool", shape: x.shape }],
    origin: n.node.opType,
  });
};

const constant: TextMapper = (n, _, host) => {
  const proto = n.node.attribute.find((a) => a.name === "value")?.t;
  const list = n.texts("value_strings") ?? [];
  if (proto) return host.constant(stringsOf(proto));
  return host.constant(n.has("value_string") ? stringTensor([], [n.text("value_string", "")]) : stringTensor([list.length], list));
};

/** From strings to numbers, or from numbers to strings. */
const cast: TextMapper = (n, [x], host) => {
  const from = present(x, "an input");
  if (!isTensor(from) && !isText(from)) throw n.unsupported("a list");
  const { shape } = from;
  const common = { inputs: [from], origin: n.node.opType };
  if (n.int("to", 1) === STRING) {
    if (isText(from) && from.type === "string") return from;
    return host.call({ ...common, op: "toText", attrs: {}, results: [{ type: "string", shape }] });
  }
  const type = n.dtype("to", 1);
  return host.call({ ...common, op: "fromText", attrs: { to: type }, results: [{ type, shape }] });
};

const shape: TextMapper = (n, things, host) => {
  const x = textAt(n, things, 0);
  if (n.has("start") || n.has("end")) throw n.unsupported("a part of the shape of strings");
  if (isStatic(x.shape)) return n.ints64(x.shape);
  return host.call({ op: "shape", inputs: [x], attrs: {}, results: [{ type: "int64", shape: [x.shape.length] }], origin: n.node.opType });
};

export const TEXTS: Readonly<Record<string, TextMapper>> = {
  Cast: cast,
  Constant: constant,
  Equal: pair("equal", "bool"),
  Identity: (n, things) => textAt(n, things, 0),
  LabelEncoder: labels,
  RegexFullMatch: fullMatch,
  Shape: shape,
  StringConcat: pair("concat", "string"),
  StringNormalizer: normalize,
  StringSplit: split,
  TfIdfVectorizer: tfIdf,
};

/** Operators that only move elements. */
const MOVERS: ReadonlySet<string> = new Set(
  "Concat Expand Flatten Gather GatherElements GatherND Reshape Slice Split Squeeze Tile Transpose Unsqueeze Where".split(" "),
);

/** An operator that moves elements moves their numbers, by which the strings are then taken. */
export function moved(n: NodeView, mapper: Mapper, things: readonly (Thing | undefined)[], host: HostBuilder): readonly Thing[] {
  const { opType } = n.node;
  if (!MOVERS.has(opType)) throw n.unsupported("strings");
  const tables: Text[] = [];
  let first = 0;
  const inputs = things.map((thing): Value | undefined => {
    if (thing === undefined || isTensor(thing)) return thing;
    if (!isText(thing) || thing.type !== "string") throw n.unsupported("what is computed in JavaScript", "End the model there.");
    if (!isStatic(thing.shape))
      throw n.unsupported("strings whose number is not known", "Give the shape of the model's inputs with --shape.");
    const count = elementCount(thing.shape);
    if (count > MAX_MOVED) throw n.unsupported(`${count} strings`);
    tables.push(thing);
    const ids = BigInt64Array.from({ length: count }, (_, i) => BigInt(first + i));
    first += count;
    return n.constant(tensor("int64", thing.shape, ids));
  });
  const made = mapper(n.within(inputs));
  return ("dtype" in made ? [made] : made).map((ids) => {
    if (isStatic(ids.shape)) stringCount(ids.shape);
    const results = [{ type: "string", shape: ids.shape }] as const;
    const known = n.knownTensor(ids);
    if (!known) return must(host.call({ op: "take", inputs: [ids, ...tables], attrs: {}, results, origin: opType })[0], "strings");
    const attrs = { ids: Array.from(known.data, Number), dims: known.dims };
    return must(host.call({ op: "pick", inputs: tables, attrs, results, origin: opType })[0], "strings");
  });
}

const MAX_MOVED = 1 << 20;
