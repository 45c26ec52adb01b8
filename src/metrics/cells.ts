import type { TaskColumns } from "./columns.ts";
import { identity, orderByKey, orderByScore } from "./order.ts";

/** One image and one category (always 0 when categories are together). Indices into the columns' lists. */
export interface Cell {
  readonly image: number;
  readonly category: number;
}

/** Detections come by falling score (ties in file order), ground truth in file order; both are rows of the columns. */
export type CellVisitor = (cell: Cell, detections: Int32Array, truths: Int32Array) => void;

/**
 * Visits every image and category that has a detection or ground truth: by category, then by image. With categories together, by image;
 * records are then listed by category before they are sorted, as cocoapi does.
 */
export function walkCells(columns: TaskColumns, together: boolean, visit: CellVisitor): void {
  const { truths, detections, categories, scores } = columns;
  const listed = (side: typeof truths | typeof detections): Int32Array => {
    const order = identity(side.rows.length);
    return together ? orderByKey(order, side.category, categories.length) : order;
  };
  const truthOrder = cellOrder(listed(truths), truths, columns, together);
  const detectionOrder = cellOrder(orderByScore(listed(detections), scores), detections, columns, together);
  let d = 0;
  let g = 0;
  while (d < detectionOrder.length || g < truthOrder.length) {
    const a = cellOf(detections, detectionOrder[d], together);
    const b = cellOf(truths, truthOrder[g], together);
    const cell = a.category < b.category || (a.category === b.category && a.image < b.image) ? a : b;
    const dEnd = runEnd(detectionOrder, d, detections, cell, together);
    const gEnd = runEnd(truthOrder, g, truths, cell, together);
    visit(cell, detectionOrder.subarray(d, dEnd), truthOrder.subarray(g, gEnd));
    d = dEnd;
    g = gEnd;
  }
}

interface Keys {
  readonly image: Int32Array;
  readonly category: Int32Array;
}

function cellOrder(order: Int32Array, keys: Keys, { images, categories }: TaskColumns, together: boolean): Int32Array {
  const byImage = orderByKey(order, keys.image, images.length);
  return together ? byImage : orderByKey(byImage, keys.category, categories.length);
}

function cellOf(keys: Keys, row: number | undefined, together: boolean): Cell {
  if (row === undefined) return { image: Infinity, category: Infinity };
  return { image: keys.image[row] as number, category: together ? 0 : (keys.category[row] as number) };
}

function runEnd(order: Int32Array, start: number, keys: Keys, cell: Cell, together: boolean): number {
  let end = start;
  while (end < order.length) {
    const at = order[end] as number;
    if (keys.image[at] !== cell.image || (!together && keys.category[at] !== cell.category)) break;
    end++;
  }
  return end;
}
