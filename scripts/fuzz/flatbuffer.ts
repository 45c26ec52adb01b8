/** Where the values of a TFLite file lie, so that a mutant can change a shape, a type or a weight and leave the rest of the file whole. */
import { OPTION_SCHEMAS, OPTION_TAGS } from "../../src/formats/tflite/options.ts";
import { readTflite } from "../../src/formats/tflite/read.ts";
import { modelSchema } from "../../src/formats/tflite/schema.ts";
import { slotsOf, type Slot, type TableSchema } from "../../src/formats/tflite/table.ts";
import { EDGES, type Random } from "./random.ts";

const SCALARS: Readonly<Record<string, number>> = { bool: 1, int8: 1, uint8: 1, int32: 4, uint32: 4, uint64: 8, float32: 4 };
const ELEMENTS: Readonly<Record<string, number>> = { int32s: 4, int64s: 8, float32s: 4 };

/** `number`: a scalar or an element; `length`: of a vector; `offset`: where a table or vector lies; `weights`: bytes of a buffer, `count` of them. */
export interface Place {
  readonly kind: "number" | "length" | "offset" | "weights";
  readonly at: number;
  readonly bytes: number;
  readonly count: number;
}

const MAX_ELEMENTS_LISTED = 16;

/** All places of a file that is whole. */
export function placesOf(file: Uint8Array): Place[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const places: Place[] = [];
  const add = (kind: Place["kind"], at: number, bytes: number, count = 1): void => void places.push({ kind, at, bytes, count });
  const follow = (at: number): number => at + view.getUint32(at, true);

  const visitTable = (schema: TableSchema<object>, table: number): void => {
    for (const [, slot] of slotsOf(schema)) {
      const at = fieldAt(view, table, slot.slot);
      if (at !== 0) visitField(slot, at, table);
    }
  };
  const visitField = (slot: Slot<unknown>, at: number, table: number): void => {
    const scalar = SCALARS[slot.type];
    if (scalar !== undefined) {
      add("number", at, scalar);
      return;
    }
    add("offset", at, 4);
    const to = follow(at);
    if (slot.type === "table") visitTable(slot.table?.() ?? modelSchema, to);
    else if (slot.type === "offset") visitOptions(table, to);
    else visitVector(slot, to);
  };
  const visitVector = (slot: Slot<unknown>, to: number): void => {
    const length = view.getUint32(to, true);
    add("length", to, 4);
    if (slot.type === "bytes" && length > 0) add("weights", to + 4, 1, length);
    if (slot.type === "tables") {
      for (let i = 0; i < length; i++) visitTable(slot.table?.() ?? modelSchema, follow(to + 4 + i * 4));
    }
    const width = ELEMENTS[slot.type];
    for (let i = 0; width !== undefined && i < Math.min(length, MAX_ELEMENTS_LISTED); i++) add("number", to + 4 + i * width, width);
  };
  /** An operator's slot 3 says which table its options are. */
  const visitOptions = (operator: number, to: number): void => {
    const tag = fieldAt(view, operator, 3);
    const name = tag === 0 ? undefined : OPTION_TAGS[view.getUint8(tag)];
    if (name !== undefined) visitTable(OPTION_SCHEMAS[name], to);
  };
  visitTable(modelSchema, follow(0));
  return places;
}

const HOSTILE_FLOATS = [NaN, Infinity, -Infinity, 1e-45, 3e38, -0] as const;

/** Changes one place: most often a number, sometimes weights, seldom what holds the file together. */
export function changePlace(bytes: Uint8Array, places: readonly Place[], random: Random): void {
  const roll = random.next();
  const kind = roll < 0.68 ? "number" : roll < 0.85 ? "weights" : roll < 0.93 ? "length" : "offset";
  const place = random.pick(places.filter((p) => p.kind === kind));
  if (place === undefined) return;
  if (kind === "weights") changeWeights(bytes, place, random);
  else changeNumber(bytes, place, random);
}

function changeNumber(file: Uint8Array, { at, bytes }: Place, random: Random): void {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const roll = random.next();
  if (bytes === 1) view.setUint8(at, roll < 0.7 ? random.below(8) : random.below(256));
  else if (bytes === 8) view.setBigInt64(at, roll < 0.3 ? view.getBigInt64(at, true) + 1n : BigInt(random.pick(EDGES)), true);
  else if (roll < 0.4) view.setInt32(at, view.getInt32(at, true) + random.below(5) - 2, true);
  else view.setInt32(at, roll < 0.8 ? random.below(32) : random.pick(EDGES), true);
}

function changeWeights(file: Uint8Array, { at, count }: Place, random: Random): void {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  for (let n = 1 + random.below(8); n > 0; n--) {
    const word = at + 4 * random.below(Math.max(1, count >> 2));
    if (word + 4 <= at + count) view.setFloat32(word, random.chance(0.5) ? random.pick(HOSTILE_FLOATS) : random.next() * 1e6 - 5e5, true);
    else view.setUint8(at + random.below(count), random.below(256));
  }
}

/**
 * A file whose first subgraph has only `count` of its operators, from `start` on; undefined when they read more than one activation from before.
 * The rest of the file stays: tables that nothing leads to.
 */
export function withOperators(file: Uint8Array, start: number, count: number): Uint8Array | undefined {
  const { subgraphs, buffers } = readTflite(file, { file: "seed" });
  const subgraph = subgraphs[0];
  const chosen = subgraph?.operators.slice(start, start + count) ?? [];
  const made = new Set(chosen.flatMap((o) => o.outputs));
  const isActivation = (i: number): boolean => (buffers[subgraph?.tensors[i]?.buffer ?? 0]?.length ?? 0) === 0;
  const read = new Set(chosen.flatMap((o) => o.inputs.filter((i) => i >= 0 && !made.has(i) && isActivation(i))));
  const [input, ...more] = read;
  const output = chosen.at(-1)?.outputs[0];
  if (input === undefined || output === undefined || more.length > 0) return undefined;

  const bytes = Uint8Array.from(file);
  const view = new DataView(bytes.buffer);
  const follow = (at: number): number => at + view.getUint32(at, true);
  const vector = (table: number, slot: number): number => follow(fieldAt(view, table, slot));
  const graph = follow(vector(follow(0), 2) + 4);
  const [inputs, outputs, operators] = [vector(graph, 1), vector(graph, 2), vector(graph, 3)];
  for (const [at, value] of [
    [inputs, input],
    [outputs, output],
  ] as const) {
    view.setUint32(at, 1, true);
    view.setInt32(at + 4, value, true);
  }
  const targets = chosen.map((_, i) => follow(operators + 4 + (start + i) * 4));
  targets.forEach((to, i) => view.setUint32(operators + 4 + i * 4, to - (operators + 4 + i * 4), true));
  view.setUint32(operators, chosen.length, true);
  return bytes;
}

/** Where a slot of a table lies; 0 when it is absent. */
function fieldAt(view: DataView, table: number, slot: number): number {
  const vtable = table - view.getInt32(table, true);
  const entry = 4 + slot * 2;
  const offset = entry + 2 > view.getUint16(vtable, true) ? 0 : view.getUint16(vtable + entry, true);
  return offset === 0 ? 0 : table + offset;
}
