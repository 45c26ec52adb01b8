import { HoneError } from "../util/errors.ts";
import { compareIds, type Id } from "./records.ts";

/**
 * What matching leaves of a batch of images: one row a detection, plus counts of ground truth. Plain typed arrays, so that it can be
 * posted between workers. Bit t of `matched` and `ignored` is about the t-th IoU threshold.
 */
export interface MatchTable {
  readonly images: readonly Id[];
  readonly categories: readonly Id[];
  /** Index into images of each row. */
  readonly image: Int32Array;
  /** Index into categories of each row; all 0 when categories are not used. */
  readonly category: Int32Array;
  /** Place by score within its image and category, from 0. */
  readonly rank: Int32Array;
  readonly score: Float64Array;
  /** By area range. */
  readonly matched: readonly Int32Array[];
  readonly ignored: readonly Int32Array[];
  /** Image and category of each ground truth, and in which area ranges (bit a) it counts as a positive. */
  readonly truthImage: Int32Array;
  readonly truthCategory: Int32Array;
  readonly truthCounted: Int32Array;
  /** Detections by category before the cut to the largest limit. */
  readonly detections: Int32Array;
}

/** Ground truths that count, [category][area range]. */
export function positivesOf(table: MatchTable, areas: number): Int32Array {
  const positives = new Int32Array(table.categories.length * areas);
  for (let g = 0; g < table.truthCounted.length; g++) {
    const bits = table.truthCounted[g] as number;
    for (let a = 0; a < areas; a++) if ((bits >> a) & 1) add(positives, (table.truthCategory[g] as number) * areas + a, 1);
  }
  return positives;
}

/** Ground truths by category, whether they count or not. */
export function truthsOf(table: MatchTable): Int32Array {
  const truths = new Int32Array(table.categories.length);
  for (const k of table.truthCategory) add(truths, k, 1);
  return truths;
}

/**
 * One table of several, with images and categories by id. The result does not depend on how images were spread over the tables.
 * @throws HoneError metrics.invalid when an image is in two tables
 */
export function mergeTables(tables: readonly MatchTable[], areas: number): MatchTable {
  const images = mergeIds(tables.map((t) => t.images));
  const total = tables.reduce((n, t) => n + t.images.length, 0);
  if (images.length !== total) {
    throw new HoneError("metrics.invalid", "an image was evaluated in two parts, so its matches would count twice", {
      hint: "Give all records of an image to one add() call, and merge shards that share no image.",
    });
  }
  const categories = mergeIds(tables.map((t) => t.categories));
  const rows = tables.reduce((n, t) => n + t.score.length, 0);
  const truths = tables.reduce((n, t) => n + t.truthImage.length, 0);
  const merged: MatchTable = {
    images,
    categories,
    image: new Int32Array(rows),
    category: new Int32Array(rows),
    rank: new Int32Array(rows),
    score: new Float64Array(rows),
    matched: Array.from({ length: areas }, () => new Int32Array(rows)),
    ignored: Array.from({ length: areas }, () => new Int32Array(rows)),
    truthImage: new Int32Array(truths),
    truthCategory: new Int32Array(truths),
    truthCounted: new Int32Array(truths),
    detections: new Int32Array(categories.length),
  };
  const imageAt = new Map(images.map((id, i) => [id, i]));
  const categoryAt = new Map(categories.map((id, i) => [id, i]));
  let at = 0;
  let truthAt = 0;
  for (const table of tables) {
    const newImage = Int32Array.from(table.images, (id) => imageAt.get(id) as number);
    const newCategory = Int32Array.from(table.categories, (id) => categoryAt.get(id) as number);
    merged.image.set(renumbered(table.image, newImage), at);
    merged.category.set(renumbered(table.category, newCategory), at);
    merged.rank.set(table.rank, at);
    merged.score.set(table.score, at);
    for (let a = 0; a < areas; a++) {
      merged.matched[a]?.set(table.matched[a] as Int32Array, at);
      merged.ignored[a]?.set(table.ignored[a] as Int32Array, at);
    }
    merged.truthImage.set(renumbered(table.truthImage, newImage), truthAt);
    merged.truthCategory.set(renumbered(table.truthCategory, newCategory), truthAt);
    merged.truthCounted.set(table.truthCounted, truthAt);
    newCategory.forEach((to, k) => add(merged.detections, to, table.detections[k] as number));
    at += table.score.length;
    truthAt += table.truthImage.length;
  }
  return merged;
}

function renumbered(values: Int32Array, to: Int32Array): Int32Array {
  return values.map((v) => to[v] as number);
}

function add(into: Int32Array, at: number, value: number): void {
  into[at] = (into[at] as number) + value;
}

function mergeIds(lists: readonly (readonly Id[])[]): Id[] {
  return [...new Set(lists.flat())].sort(compareIds);
}
