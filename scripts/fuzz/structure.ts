/** Changes a value somewhere inside a tree of plain objects, lists and typed arrays, keeping most of it as it was. */
import { EDGES, type Random } from "./random.ts";

const BIG = [1n << 31n, 1n << 53n, 1n << 62n, (1n << 63n) - 1n, -(1n << 63n), -1n, 0n] as const;

export interface Changer {
  readonly random: Random;
  /** Names that the tree uses, to connect what was not connected. */
  readonly names: readonly string[];
  /** Fields without a meaning for a program. */
  readonly dull: ReadonlySet<string>;
}

type Plain = Readonly<Record<string, unknown>>;
type Numbers = Uint8Array | Int32Array | BigInt64Array | BigUint64Array | Float32Array | Float64Array;

const isNumbers = (v: unknown): v is Numbers => ArrayBuffer.isView(v);
const isPlain = (v: unknown): v is Plain => typeof v === "object" && v !== null && !Array.isArray(v) && !isNumbers(v);

/** All strings of a tree that name something. */
export function stringsOf(tree: unknown, found: Set<string> = new Set()): Set<string> {
  if (typeof tree === "string") found.add(tree);
  else if (Array.isArray(tree)) tree.forEach((v) => stringsOf(v, found));
  else if (isPlain(tree)) Object.values(tree).forEach((v) => stringsOf(v, found));
  return found;
}

/** The tree with one change at a random place. */
export function changeTree(tree: unknown, c: Changer): unknown {
  const { random } = c;
  if (Array.isArray(tree)) return tree.length === 0 || random.chance(0.15) ? changeList(tree, c) : changeElement(tree, c);
  if (isNumbers(tree)) return changeNumbers(tree, random);
  if (isPlain(tree)) return changeField(tree, c);
  return changeLeaf(tree, c);
}

function changeElement(list: readonly unknown[], c: Changer): unknown[] {
  const at = c.random.below(list.length);
  return list.map((v, i) => (i === at ? changeTree(v, c) : v));
}

function changeField(object: Plain, c: Changer): Plain {
  const keys = Object.keys(object);
  const useful = keys.filter((k) => !c.dull.has(k) && !(Array.isArray(object[k]) && object[k].length === 0));
  const key = c.random.pick(useful.length > 0 && c.random.chance(0.95) ? useful : keys);
  if (key === undefined) return object;
  if (c.random.chance(0.03)) return Object.fromEntries(Object.entries(object).filter(([k]) => k !== key));
  return { ...object, [key]: changeTree(object[key], c) };
}

function changeList(list: readonly unknown[], { random }: Changer): unknown[] {
  const [from, to] = [random.below(list.length + 1), random.below(list.length + 1)];
  switch (random.below(5)) {
    case 0:
      return list.filter((_, i) => i !== from);
    case 1:
      return list.toSpliced(to, 0, ...list.slice(from, from + 1));
    case 2:
      return list.toReversed();
    case 3:
      return list.slice(0, from);
    default:
      return Array.from({ length: 1 + random.below(12) }, (_, i) => list[(from + i) % Math.max(1, list.length)] ?? random.pick(EDGES));
  }
}

function changeLeaf(value: unknown, { random, names }: Changer): unknown {
  switch (typeof value) {
    case "number":
      return random.chance(0.3) ? value + random.below(5) - 2 : random.chance(0.5) ? random.below(16) : random.pick(EDGES);
    case "bigint":
      return random.chance(0.4) ? value + BigInt(random.below(5) - 2) : random.chance(0.6) ? BigInt(random.pick(EDGES)) : random.pick(BIG);
    case "string":
      return random.chance(0.8)
        ? (random.pick(names) ?? "")
        : random.pick(["", "\0", "a".repeat(300), `${value}x`, "__proto__", "ai.onnx"]);
    case "boolean":
      return !value;
    default:
      return random.pick([0, "", null, [], {}]);
  }
}

function changeNumbers(values: Numbers, random: Random): Numbers {
  const kind = random.below(4);
  if (kind === 0) return values.slice(0, random.below(values.length + 1));
  const copy = kind === 1 ? lengthened(values, random.below(9)) : values.slice();
  if (copy.length === 0) return copy;
  const at = random.below(copy.length);
  if (copy instanceof BigInt64Array || copy instanceof BigUint64Array)
    copy[at] = random.chance(0.5) ? random.pick(BIG) : BigInt(random.pick(EDGES));
  else copy[at] = random.chance(0.2) ? random.pick([NaN, Infinity, -Infinity, 1e-45, 3e38]) : random.pick(EDGES);
  return copy;
}

function lengthened(values: Numbers, by: number): Numbers {
  if (values instanceof BigInt64Array) return BigInt64Array.from([...values, ...new BigInt64Array(by)]);
  if (!(values instanceof Float32Array)) return values.slice();
  const longer = new Float32Array(values.length + by);
  longer.set(values);
  return longer;
}
