import { COLOURS, coordinate, element, FAINT, GRID, INK, svg, type Child, type Markup } from "./svg.ts";
import { picture } from "./page.ts";

export interface ValueRange {
  readonly min: number;
  readonly max: number;
}

/** What a value of the model was on the photos, and where each way of choosing would cut it. */
export interface ReportedTensor {
  /** The original model's nodes that compute it, or its name for an input. */
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Counts of equal bins from `from` on, each `width` wide; exact zeros are left out. */
  readonly from: number;
  readonly width: number;
  readonly counts: ArrayLike<number>;
  /** Share of exact zeros, 0 to 1. */
  readonly zeros: number;
  /** The range that the engine has. */
  readonly chosen: ValueRange;
  /** By the names of the methods. */
  readonly methods: Readonly<Record<string, ValueRange>>;
  /** Decibels at the layer, for the order. */
  readonly sqnr?: number;
}

const [WIDTH, LEFT, TOP, HEIGHT, ROW] = [330, 96, 26, 74, 13];
const PLOT = WIDTH - LEFT - 12;
const COLUMNS = 74;

/** A histogram with a logarithmic height, the chosen range shaded, and below it the range by each method; an SVG file. */
export function tensorChart(t: ReportedTensor): string {
  const low = Math.min(0, t.min, t.chosen.min);
  const high = Math.max(0, t.max, t.chosen.max);
  const span = high - low || 1;
  const x = (v: number): number => LEFT + (Math.min(high, Math.max(low, v)) - low) * (PLOT / span);
  const methods = [["engine", t.chosen] as const, ...Object.entries(t.methods)];
  const bottom = TOP + HEIGHT;
  return svg(
    WIDTH,
    bottom + 18 + methods.length * ROW + 6,
    t.name,
    element("text", { x: 4, y: 14, fill: INK, "font-weight": 600, "font-size": 11 }, short(t.name)),
    element("rect", { x: x(t.chosen.min), y: TOP, width: Math.max(1, x(t.chosen.max) - x(t.chosen.min)), height: HEIGHT, fill: GRID }),
    element("path", { d: outline(t, low, high, x), fill: COLOURS[0], "fill-opacity": 0.75 }),
    element("line", { x1: x(0), x2: x(0), y1: TOP, y2: bottom, stroke: FAINT, "stroke-dasharray": "2 2" }),
    element(
      "text",
      { x: LEFT - 6, y: TOP + 12, "text-anchor": "end", fill: FAINT, "font-size": 10 },
      `${(t.zeros * 100).toFixed(0)}% zeros`,
    ),
    t.sqnr === undefined
      ? undefined
      : element("text", { x: LEFT - 6, y: TOP + 26, "text-anchor": "end", fill: FAINT, "font-size": 10 }, `${decibels(t.sqnr)} dB`),
    element("text", { x: LEFT, y: bottom + 12, fill: FAINT, "font-size": 10 }, small(low)),
    element("text", { x: WIDTH - 12, y: bottom + 12, "text-anchor": "end", fill: FAINT, "font-size": 10 }, small(high)),
    methods.map(([name, range], i) =>
      methodRow(name, range, x, bottom + 20 + i * ROW, i === 0 ? INK : (COLOURS[i % COLOURS.length] ?? INK)),
    ),
  );
}

function methodRow(name: string, { min, max }: ValueRange, x: (v: number) => number, y: number, colour: string): Markup {
  return element(
    "g",
    {},
    element("title", {}, `${name}: ${small(min)} to ${small(max)}`),
    element("text", { x: LEFT - 6, y: y + 8, "text-anchor": "end", fill: colour === INK ? INK : FAINT, "font-size": 10 }, name),
    element("rect", { x: x(min), y: y + 2, width: Math.max(1.5, x(max) - x(min)), height: 5, rx: 2, fill: colour }),
  );
}

const decibels = (x: number): string => (Number.isFinite(x) ? x.toFixed(1) : "∞");

/** Steps along the logarithm of the counts. */
function outline({ from, width, counts }: ReportedTensor, low: number, high: number, x: (v: number) => number): string {
  const sums = new Float64Array(COLUMNS);
  const column = (high - low || 1) / COLUMNS;
  for (let i = 0; i < counts.length; i++) {
    const at = Math.min(COLUMNS - 1, Math.max(0, Math.floor((from + (i + 0.5) * width - low) / column)));
    sums[at] = (sums[at] ?? 0) + (counts[i] ?? 0);
  }
  const most = Math.log1p(Math.max(1, ...sums));
  const bottom = TOP + HEIGHT;
  const steps = [...sums].map((n, i) => {
    const y = coordinate(bottom - (Math.log1p(n) / most) * HEIGHT);
    return `V${y}H${coordinate(x(low + (i + 1) * column))}`;
  });
  return `M${coordinate(x(low))} ${bottom}${steps.join("")}V${bottom}Z`;
}

const short = (name: string): string => (name.length > 50 ? `…${name.slice(-49)}` : name);
const small = (x: number): string => (x === 0 ? "0" : String(Number(x.toPrecision(3))));

const SHOWN = 12;

/** The histograms of the least exact values, and the others to be unfolded. */
export function tensorContent(tensors: readonly ReportedTensor[]): readonly Child[] {
  const ordered = [...tensors].sort((a, b) => (a.sqnr ?? Infinity) - (b.sqnr ?? Infinity));
  const cards = (list: readonly ReportedTensor[]): Markup =>
    element(
      "div",
      { class: "cards" },
      list.map((t) => element("div", { class: "card" }, picture(tensorChart(t)))),
    );
  const rest = ordered.slice(SHOWN);
  return [
    element(
      "p",
      { class: "faint" },
      "Heights are logarithmic. Grey: the range that the bytes cover. Below: that range again, and what each method would choose from these photos. The least exact come first.",
    ),
    cards(ordered.slice(0, SHOWN)),
    rest.length > 0 ? element("details", {}, element("summary", {}, `${rest.length} more`), cards(rest)) : undefined,
  ];
}
