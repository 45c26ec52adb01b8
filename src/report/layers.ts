import { htmlTable, picture } from "./page.ts";
import { COLOURS, element, FAINT, GRID, INK, svg, type Child, type Markup } from "./svg.ts";

/** A convolution or matrix product of the original model, by what became of it. */
export interface ReportedLayer {
  /** Nodes of the original model that it computes, itself first. */
  readonly nodes: readonly string[];
  readonly op: string;
  /** As the manifest of an engine names it. */
  readonly precision: string;
  /** Why it is not in int8. */
  readonly why?: string;
  /** Decibels: the energy of its float result over that of the difference, all layers before it in int8 too. */
  readonly sqnr?: number;
  /** Milliseconds of the kernel that computes it, for each engine. */
  readonly milliseconds: readonly (number | undefined)[];
}

const [LEFT, TOP, HEIGHT, WIDTH] = [52, 52, 150, 930];
/** Behind the title, which is short where there are several series. */
const LEGEND = 190;

interface BarSeries {
  readonly name: string;
  readonly colour: string;
  readonly of: (layer: ReportedLayer) => number | undefined;
}

/** Bars over the layers, in the order of the model, as an SVG file; several series stand side by side. */
function barChart(layers: readonly ReportedLayer[], title: string, unit: string, series: readonly BarSeries[]): string {
  const most = Math.max(1e-9, ...layers.flatMap((l) => series.map((s) => s.of(l) ?? 0)));
  const slot = WIDTH / Math.max(1, layers.length);
  const bar = Math.max(0.5, (slot * 0.8) / series.length);
  const bottom = TOP + HEIGHT;
  const bars = layers.map((layer, i) =>
    element(
      "g",
      {},
      element(
        "title",
        {},
        `${layer.nodes[0] ?? layer.op}: ${series.map((s) => `${s.name} ${numberText(s.of(layer))}`).join(", ")} ${unit}`,
      ),
      series.map(({ of, colour }, k) => {
        const value = of(layer);
        if (value === undefined) return undefined;
        const height = Math.max(1, (Math.max(0, value) / most) * HEIGHT);
        return element("rect", { x: LEFT + i * slot + slot * 0.1 + k * bar, y: bottom - height, width: bar, height, fill: colour });
      }),
    ),
  );
  return svg(
    LEFT + WIDTH + 18,
    bottom + 30,
    title,
    element("text", { x: 16, y: 20, fill: INK, "font-weight": 600, "font-size": 14 }, title),
    (series.length > 1 ? series : []).map((s, k) => [
      element("rect", { x: LEGEND + k * 150, y: 11, width: 10, height: 10, rx: 2, fill: s.colour }),
      element("text", { x: LEGEND + k * 150 + 16, y: 20, fill: INK }, short(s.name)),
    ]),
    [0, 0.5, 1].map((s) => [
      element("line", { x1: LEFT, x2: LEFT + WIDTH, y1: bottom - s * HEIGHT, y2: bottom - s * HEIGHT, stroke: GRID }),
      element("text", { x: LEFT - 6, y: bottom - s * HEIGHT + 4, "text-anchor": "end", fill: FAINT }, numberText(s * most)),
    ]),
    bars,
    element("text", { x: LEFT, y: bottom + 18, fill: FAINT }, "first layer"),
    element("text", { x: LEFT + WIDTH, y: bottom + 18, "text-anchor": "end", fill: FAINT }, "last layer"),
    element("text", { x: LEFT - 6, y: TOP - 12, "text-anchor": "end", fill: FAINT }, unit),
  );
}

const numberText = (x: number | undefined): string =>
  x === undefined ? "–" : x === Infinity ? "∞" : x === 0 ? "0" : x >= 10 ? x.toFixed(1) : x.toPrecision(2);

const short = (name: string): string => (name.length > 18 ? `${name.slice(0, 17)}…` : name);

/** Beyond this no eye sees a difference; it keeps bars of exact layers from dwarfing the others. */
const TALLEST_DECIBELS = 60;

/** Charts and a table of the layers. */
export function layerContent(layers: readonly ReportedLayer[], engines: readonly string[]): readonly Child[] {
  const measured = layers.filter((l) => l.sqnr !== undefined);
  const sqnr = barChart(measured, "How close each layer stays to float32 (SQNR)", "dB", [
    { name: "int8", colour: COLOURS[0] ?? INK, of: (l) => Math.min(TALLEST_DECIBELS, l.sqnr ?? 0) },
  ]);
  const timed = layers.filter((l) => l.milliseconds.some((ms) => ms !== undefined));
  const time = barChart(
    timed,
    "Time of each layer",
    "ms",
    engines.map((name, i) => ({ name, colour: COLOURS[i % COLOURS.length] ?? INK, of: (l: ReportedLayer) => l.milliseconds[i] })),
  );
  return [
    ...(measured.length > 0 ? [wide(picture(sqnr))] : []),
    ...(timed.length > 0 ? [wide(picture(time))] : []),
    layerTable(layers, engines),
  ];
}

/** A picture that is scrolled on a narrow screen, not shrunk until its words are lost. */
const wide = (content: Markup): Markup => element("div", { class: "wide" }, content);

function layerTable(layers: readonly ReportedLayer[], engines: readonly string[]): Markup {
  const rows = layers.map((l, i): Child[] => [
    i + 1,
    nodesText(l.nodes),
    element("span", { class: `chip ${l.precision}` }, l.precision),
    l.sqnr === undefined ? "" : numberText(l.sqnr),
    ...engines.map((_, e) => (l.milliseconds[e] === undefined ? "" : l.milliseconds[e].toFixed(3))),
    speedText(l.milliseconds),
  ]);
  const columns = ["#", "nodes of the model", "in", "SQNR in int8, dB", ...engines.map((e) => `${short(e)} ms`)];
  return element("div", { class: "names" }, htmlTable([...columns, engines.length === 2 ? "ratio" : ""], rows));
}

function speedText([before, after]: ReportedLayer["milliseconds"]): string {
  return before === undefined || after === undefined || after === 0 ? "" : `${(before / after).toFixed(2)}×`;
}

function nodesText(nodes: readonly string[]): Markup {
  const [first = "", ...rest] = nodes;
  return element(
    "span",
    { title: nodes.join("\n") },
    first,
    rest.length > 0 ? element("span", { class: "faint" }, ` +${rest.length}`) : undefined,
  );
}

/** The layers that stayed float, grouped by the reason. */
export function floatContent(layers: readonly ReportedLayer[]): readonly Child[] {
  const groups = new Map<string, string[]>();
  for (const { why, nodes, op } of layers) {
    if (why !== undefined) groups.set(why, [...(groups.get(why) ?? []), nodes[0] ?? op]);
  }
  if (groups.size === 0) return [element("p", {}, "None: every convolution is computed in int8.")];
  const entries = [...groups].flatMap(([why, nodes]) => [
    element("dt", {}, `${nodes.length} because ${why}`),
    element(
      "dd",
      {},
      nodes.map((n) => [element("code", {}, n), " "]),
    ),
  ]);
  return [element("dl", {}, entries)];
}
