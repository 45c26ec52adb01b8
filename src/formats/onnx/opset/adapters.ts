/** Every adapter, by operator, then by the version at which its meaning or its form changes. */
import { DEFINITIONS } from "./activations.ts";
import { ATTRIBUTES } from "./attributes.ts";
import { CHANGED } from "./changed.ts";
import { NORMS } from "./norm.ts";
import { OLDER } from "./older.ts";
import { QUANTIZED } from "./quantize.ts";
import { RESIZES } from "./resize.ts";
import type { Adapter } from "./site.ts";
import { SOFTMAX } from "./softmax.ts";
import type { Steps, Table } from "./table.ts";

const TABLES: readonly Table[] = [ATTRIBUTES, OLDER, SOFTMAX, RESIZES, NORMS, DEFINITIONS, CHANGED, QUANTIZED];

function merged(tables: readonly Steps[]): ReadonlyMap<string, ReadonlyMap<number, Adapter>> {
  const all = new Map<string, Map<number, Adapter>>();
  for (const [op, steps] of tables.flatMap((t) => Object.entries(t))) {
    const of = all.get(op) ?? new Map<number, Adapter>();
    for (const [version, adapter] of Object.entries(steps)) of.set(Number(version), adapter);
    all.set(op, of);
  }
  return all;
}

/** From the version before to the one given. */
export const UP: ReadonlyMap<string, ReadonlyMap<number, Adapter>> = merged(TABLES.map((t) => t.up));

/** From the version given to the one before. */
export const DOWN: ReadonlyMap<string, ReadonlyMap<number, Adapter>> = merged(TABLES.map((t) => t.down));
