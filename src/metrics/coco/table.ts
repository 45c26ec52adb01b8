import { HoneError } from "../../util/errors.ts";
import { compareIds, type Id } from "../records.ts";

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
  /** Ground truth that counts, [category][area range]. */
  readonly positives: Int32Array;
  /** 1 for categories with any ground truth or detection. */
  readonly seen: Uint8Array;
  /** Detections and ground truths of each category, whatever their size. */
  readonly detections: Int32Array;
  readonly truths: Int32Array;
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
  const merged: MatchTable = {
    images,
    categories,
    image: new Int32Array(rows),
    category: new Int32Array(rows),
    rank: new Int32Array(rows),
    score: new Float64Array(rows),
    matched: Array.from({ length: areas }, () => new Int32Array(rows)),
    ignored: Array.from({ length: areas }, () => new Int32Array(rows)),
    positives: new Int32Array(categories.length * areas),
    seen: new Uint8Array(categories.length),
    detections: new Int32Array(categories.length),
    truths: new Int32Array(categories.length),
  };
  const imageAt = new Map(images.map((id, i) => [id, i]));
  const categoryAt = new Map(categories.map((id, i) => [id, i]));
  let at = 0;
  for (const table of tables) {
    append(merged, table, at, areas, imageAt, categoryAt);
    at += table.score.length;
  }
  return merged;
}

function append(
  into: MatchTable,
  from: MatchTable,
  at: number,
  areas: number,
  imageAt: Map<Id, number>,
  categoryAt: Map<Id, number>,
): void {
  const newImage = Int32Array.from(from.images, (id) => imageAt.get(id) as number);
  const newCategory = Int32Array.from(from.categories, (id) => categoryAt.get(id) as number);
  for (let i = 0; i < from.score.length; i++) {
    into.image[at + i] = newImage[from.image[i] as number] as number;
    into.category[at + i] = newCategory[from.category[i] as number] as number;
  }
  into.rank.set(from.rank, at);
  into.score.set(from.score, at);
  for (let a = 0; a < areas; a++) {
    into.matched[a]?.set(from.matched[a] as Int32Array, at);
    into.ignored[a]?.set(from.ignored[a] as Int32Array, at);
  }
  newCategory.forEach((to, k) => {
    for (let a = 0; a < areas; a++) add(into.positives, to * areas + a, from.positives[k * areas + a] as number);
    into.seen[to] = (into.seen[to] as number) | (from.seen[k] as number);
    add(into.detections, to, from.detections[k] as number);
    add(into.truths, to, from.truths[k] as number);
  });
}

function add(into: Int32Array, at: number, value: number): void {
  into[at] = (into[at] as number) + value;
}

function mergeIds(lists: readonly (readonly Id[])[]): Id[] {
  return [...new Set(lists.flat())].sort(compareIds);
}
