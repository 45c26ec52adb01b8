import type { ConfusionMatrix } from "../metrics/confusion.ts";
import { element, FAINT, INK, svg, type Markup } from "./svg.ts";

const MAX_SHOWN = 24;

/** A matrix of one category is narrower than the words above it. */
const WIDTH_OF_WORDS = 470;

/**
 * A confusion matrix as an SVG file, rows by what was there, shares of each row as shades. Of more than 24 categories those with most
 * objects are shown.
 * @param nameOf a category's name
 */
export function confusionChart(matrix: ConfusionMatrix, nameOf: (category: number | string) => string = String): string {
  const n = matrix.categories.length;
  const total = (row: number): number => sum(n + 1, (c) => matrix.counts[row * (n + 1) + c] as number);
  const order = matrix.categories.map((_, k) => k).sort((a, b) => total(b) - total(a) || a - b);
  const shown = [...order.slice(0, MAX_SHOWN).sort((a, b) => a - b), n];
  const cell = shown.length <= 8 ? 52 : shown.length <= 14 ? 40 : 30;
  const [left, top] = [130, 64];
  const name = (k: number): string => shorten(k === n ? "nothing" : nameOf(matrix.categories[k] ?? ""));
  const cells = shown.flatMap((row, r) =>
    shown.map((column, c) => {
      const count = matrix.counts[row * (n + 1) + column] as number;
      return square(
        left + c * cell,
        top + r * cell,
        cell,
        count,
        total(row) > 0 ? count / total(row) : 0,
        row === column,
        row === n && column === n,
      );
    }),
  );
  const edge = shown.length * cell;
  const title = n > MAX_SHOWN ? `Confusion of the ${MAX_SHOWN} commonest of ${n} categories` : "Confusion";
  return svg(
    Math.max(left + edge + 30, WIDTH_OF_WORDS),
    top + edge + 106,
    title,
    element("text", { x: 16, y: 22, fill: INK, "font-weight": 600, "font-size": 14 }, title),
    element("text", { x: 16, y: 42, fill: FAINT }, "rows: what was there; columns: what was found; shade: share of the row"),
    cells,
    shown.map((k, r) => element("text", { x: left - 8, y: top + r * cell + cell / 2 + 4, "text-anchor": "end", fill: INK }, name(k))),
    shown.map((k, c) => {
      const [x, y] = [left + c * cell + cell / 2 + 4, top + edge + 10];
      return element("text", { x, y, "text-anchor": "end", fill: INK, transform: `rotate(-55 ${x} ${y})` }, name(k));
    }),
  );
}

function square(x: number, y: number, size: number, count: number, share: number, right: boolean, impossible: boolean): Markup {
  const base = right ? "42,111,187" : "209,102,43";
  const fill = impossible ? "#f5f7fa" : `rgba(${base},${Math.min(1, share).toFixed(3)})`;
  return element(
    "g",
    {},
    element("rect", { x, y, width: size - 1, height: size - 1, fill, stroke: "#e4e7eb" }),
    count > 0
      ? element(
          "text",
          {
            x: x + size / 2,
            y: y + size / 2 + 4,
            "text-anchor": "middle",
            "font-size": size > 35 ? 11 : 9,
            fill: share > 0.55 ? "#fff" : INK,
          },
          short(count),
        )
      : undefined,
  );
}

function short(count: number): string {
  return count < 10_000 ? String(count) : `${Math.round(count / 1000)}k`;
}

function shorten(text: string): string {
  return text.length > 17 ? `${text.slice(0, 16)}…` : text;
}

function sum(n: number, of: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += of(i);
  return total;
}
