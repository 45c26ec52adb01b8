import { COLOURS, element, FAINT, GRID, INK, svg } from "./svg.ts";

/** By how much a metric of one run is above another's on the same images, in points (hundredths), with its interval. */
export interface MetricDifference {
  readonly metric: string;
  readonly points: number;
  readonly low: number;
  readonly high: number;
}

const [LEFT, TOP, ROW, WIDTH] = [16, 46, 46, 440];

/** Differences as dots with their intervals around a line at zero, as an SVG file. */
export function differenceChart(differences: readonly MetricDifference[], title: string): string {
  const most = Math.max(1, ...differences.flatMap((d) => [-d.low, d.high, Math.abs(d.points)])) * 1.1;
  const x = (points: number): number => LEFT + ((points + most) / (2 * most)) * WIDTH;
  const bottom = TOP + differences.length * ROW;
  const ticks = [-1, -0.5, 0, 0.5, 1].map((s) => s * niceBelow(most));
  return svg(
    LEFT + WIDTH + LEFT,
    bottom + 46,
    title,
    element("text", { x: 16, y: 20, fill: INK, "font-weight": 600, "font-size": 14 }, title),
    ticks.map((t) => element("line", { x1: x(t), x2: x(t), y1: TOP - 12, y2: bottom, stroke: t === 0 ? FAINT : GRID })),
    ticks.map((t) => element("text", { x: x(t), y: bottom + 16, "text-anchor": "middle", fill: FAINT }, signed(t, 2).replace(/0$/, ""))),
    element("text", { x: x(0), y: bottom + 34, "text-anchor": "middle", fill: FAINT }, "worse  ←  points  →  better"),
    differences.map(({ metric, points, low, high }, i) => {
      const y = TOP + i * ROW + ROW / 2 + 4;
      const words = `${signed(points, 2)}  [${signed(low, 2)}, ${signed(high, 2)}]`;
      return element(
        "g",
        {},
        element("title", {}, `${metric}: ${words}`),
        element("text", { x: LEFT, y: y - 14, fill: INK, "font-weight": 600 }, metric),
        element("text", { x: LEFT + WIDTH, y: y - 14, "text-anchor": "end", fill: INK }, words),
        element("line", { x1: x(low), x2: x(high), y1: y, y2: y, stroke: COLOURS[0], "stroke-width": 3, "stroke-linecap": "round" }),
        element("circle", { cx: x(points), cy: y, r: 6, fill: COLOURS[0] }),
      );
    }),
  );
}

/** 1, 2 or 5 times a power of ten. */
function niceBelow(x: number): number {
  const power = 10 ** Math.floor(Math.log10(x));
  return ([5, 2, 1].find((n) => n * power <= x) ?? 1) * power;
}

/** With its sign, and a true minus. */
export function signed(x: number, digits: number): string {
  const text = Math.abs(x).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${x < 0 ? "−" : "+"}${text}`;
}
