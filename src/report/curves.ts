import { axes } from "./axes.ts";
import { COLOURS, coordinate, element, FAINT, INK, svg, type Markup } from "./svg.ts";

export interface CurveSeries {
  readonly name: string;
  /** Both 0 to 1; as many of one as of the other. */
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  /** Shown after the name, such as an AP. */
  readonly value?: number;
}

const [LEGEND, ROW, MARGIN] = [190, 18, 16];
/** Pixels of a letter, on average. */
const LETTER = 7;
const MAX_NAMED = 16;
const MAX_POINTS = 600;

export interface CurveOptions {
  readonly title?: string;
  readonly xTitle?: string;
  readonly yTitle?: string;
  /** Right end of the x axis; default 1. */
  readonly xMost?: number;
  /** "steps" draws what is known between points: the value holds to the left of each. Default "line". */
  readonly shape?: "line" | "steps";
  /** Width of the legend, for longer names, or "below" the frame, as wide as that; default 190. */
  readonly legend?: number | "below";
}

/** Precision over recall (or any curves between 0 and 1) as an SVG file; the first sixteen are named, others are grey. */
export function curveChart(series: readonly CurveSeries[], options: CurveOptions = {}): string {
  const { title = "Precision and recall", xTitle = "recall", yTitle = "precision", xMost = 1, shape = "line", legend = LEGEND } = options;
  const frame = { left: 56, top: 34, width: 420, height: 320 };
  const named = series.slice(0, MAX_NAMED);
  const { width, height, names } = placeLegend(frame, legend, named.length, series.length > named.length);
  const path = (s: CurveSeries): string => pathOf(s, frame, xMost, shape);
  const lines = [
    ...series.slice(MAX_NAMED).map((s) => element("path", { d: path(s), fill: "none", stroke: "#cbd2d9" })),
    ...named
      .map((s, i) => element("path", { d: path(s), fill: "none", stroke: colour(i), "stroke-width": 2, "stroke-dasharray": dash(i) }))
      .reverse(),
  ];
  return svg(
    width,
    height,
    title,
    element("text", { x: frame.left, y: 20, fill: INK, "font-weight": 600, "font-size": 14 }, title),
    axes(frame, { title: xTitle, most: xMost }, { title: yTitle, most: 1 }),
    lines,
    named.map((s, i) => legendRow(s, i, names.x, names.y + i * ROW, names.width)),
    series.length > MAX_NAMED
      ? element("text", { x: names.x, y: names.y + named.length * ROW, fill: FAINT }, `and ${series.length - MAX_NAMED} more`)
      : undefined,
  );
}

/** The size of the picture, and where the names lie. */
function placeLegend(
  { left, top, width, height }: { readonly left: number; readonly top: number; readonly width: number; readonly height: number },
  legend: number | "below",
  named: number,
  more: boolean,
): { readonly width: number; readonly height: number; readonly names: { readonly x: number; readonly y: number; readonly width: number } } {
  const bottom = top + height + 46;
  const right = left + width;
  if (legend === "below") {
    const rows = named + (more ? 1 : 0);
    return { width: right + MARGIN, height: bottom + rows * ROW + 14, names: { x: left, y: bottom + 14, width: width + 26 } };
  }
  return { width: right + legend, height: Math.max(bottom, top + named * ROW + 20), names: { x: right + 18, y: top + 8, width: legend } };
}

function colour(i: number): string {
  return COLOURS[i % COLOURS.length] ?? INK;
}

/** The second round of colours is dashed. */
function dash(i: number): string | undefined {
  return i < COLOURS.length ? undefined : "5 3";
}

function legendRow(s: CurveSeries, i: number, x: number, y: number, width: number): Markup {
  const most = Math.floor((width - 64) / LETTER);
  const name = s.name.length > most ? `${s.name.slice(0, most - 1)}…` : s.name;
  return element(
    "g",
    {},
    element("line", { x1: x, y1: y - 4, x2: x + 16, y2: y - 4, stroke: colour(i), "stroke-width": 2, "stroke-dasharray": dash(i) }),
    element("text", { x: x + 22, y, fill: INK }, name),
    s.value === undefined
      ? undefined
      : element("text", { x: x + width - 26, y, "text-anchor": "end", fill: FAINT }, s.value < 0 ? "–" : s.value.toFixed(3)),
  );
}

function pathOf(
  { x, y }: CurveSeries,
  frame: { left: number; top: number; width: number; height: number },
  xMost: number,
  shape: "line" | "steps",
): string {
  const n = Math.min(x.length, y.length);
  const stride = Math.max(1, Math.ceil(n / MAX_POINTS));
  const parts: string[] = [];
  for (let i = 0; i < n; i = i < n - 1 ? Math.min(n - 1, i + stride) : n) {
    const px = coordinate(frame.left + ((x[i] as number) / xMost) * frame.width);
    const py = coordinate(frame.top + (1 - (y[i] as number)) * frame.height);
    if (parts.length === 0) parts.push(`M${px} ${py}`);
    else parts.push(shape === "steps" ? `V${py}H${px}` : `L${px} ${py}`);
  }
  return parts.join("");
}
