import { curveChart } from "./curves.ts";
import { meanCurve } from "./evaluation.ts";
import { floatContent, layerContent, type ReportedLayer } from "./layers.ts";
import { htmlPage, htmlTable, picture, type PageSection } from "./page.ts";
import { element, type Child, type Markup } from "./svg.ts";
import { tensorContent, type ReportedTensor } from "./tensors.ts";
import { differenceChart, signed, type MetricDifference } from "./whiskers.ts";
import type { DetectionTask } from "../metrics/records.ts";

/** An engine beside others. */
export interface ReportedEngine {
  readonly name: string;
  readonly precision: string;
  readonly target: string;
  readonly bytes: number;
  /** Of the target that ran. */
  readonly weightsBytes: number;
  readonly codeBytes: number;
  readonly arenaBytes: number;
  readonly latencyMs: { readonly min: number; readonly median: number };
  /** Where it was scored. */
  readonly score?: {
    readonly task: DetectionTask;
    readonly metrics: Readonly<Record<string, number>>;
    readonly intervals: Readonly<Record<string, readonly [number, number]>>;
  };
}

export interface EnginesPageInput {
  readonly title: string;
  readonly subtitle: string;
  /** The first is what the others are held against. */
  readonly engines: readonly ReportedEngine[];
  /** Of the last engine to the first. */
  readonly differences: readonly MetricDifference[];
  /** Empty where the model was not given. */
  readonly layers: readonly ReportedLayer[];
  readonly tensors: readonly ReportedTensor[];
  /** How it was measured, and what the page lacks. */
  readonly notes: readonly string[];
}

const METRICS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR100", "mAP"];

/** One offline page that holds engines of one model against each other. */
export function enginesPage(input: EnginesPageInput): string {
  const { title, subtitle, engines, layers, tensors, notes } = input;
  const names = engines.map((e) => e.name);
  const sections: PageSection[] = [
    { title: "In short", content: [summaryTiles(input)] },
    ...accuracy(input),
    { title: "Size and speed", content: [sizeTable(engines)] },
    ...(layers.length > 0
      ? [
          { title: "Layers", content: layerContent(layers, names) },
          { title: "Not in int8", content: floatContent(layers) },
        ]
      : []),
    ...(tensors.length > 0 ? [{ title: "Ranges", content: tensorContent(tensors) }] : []),
    {
      title: "How this was measured",
      content: [
        element(
          "ul",
          {},
          notes.map((n) => element("li", {}, n)),
        ),
      ],
    },
  ];
  return htmlPage(title, subtitle, sections);
}

function accuracy({ engines, differences }: EnginesPageInput): readonly PageSection[] {
  const scored = engines.flatMap((e) => (e.score ? [{ name: e.name, ...e.score }] : []));
  const [first] = scored;
  if (first === undefined) return [];
  const metrics = METRICS.filter((m) => (first.metrics[m] ?? -1) >= 0);
  const rows = scored.map((run) => [run.name, ...metrics.map((m) => metricCell(run.metrics[m] ?? -1, run.intervals[m]))]);
  const curves = scored.map((run) => ({ ...meanCurve(run.task), name: run.name }));
  const against = `${engines.at(-1)?.name ?? ""} against ${engines[0]?.name ?? ""}`;
  return [
    {
      title: "Accuracy",
      content: [
        htmlTable(["", ...metrics], rows),
        element(
          "div",
          { class: "plots" },
          differences.length > 0
            ? figure(differenceChart(differences, "The difference, with its paired 95% interval"), against)
            : undefined,
          figure(
            curveChart(curves, { title: "Precision and recall at IoU 0.5", shape: "steps", legend: "below" }),
            "mean over categories; beside the names the area under the curve, which is not AP50 to the last digit",
          ),
        ),
      ],
    },
  ];
}

const figure = (chart: string, words: string): Markup =>
  element("div", { class: "plot" }, picture(chart), element("p", { class: "faint" }, words));

function metricCell(value: number, interval: readonly [number, number] | undefined): Child {
  if (value < 0) return "–";
  return element(
    "span",
    {},
    value.toFixed(3),
    interval && element("small", { class: "faint" }, ` ${interval[0].toFixed(3)}–${interval[1].toFixed(3)}`),
  );
}

interface Tile {
  readonly big: string;
  readonly small: string;
  readonly mood: "good" | "bad" | "plain";
}

/** A difference says something only where its interval leaves zero out. */
function moodOf({ low, high }: MetricDifference): Tile["mood"] {
  if (low > 0) return "good";
  return high < 0 ? "bad" : "plain";
}

function summaryTiles({ engines, differences }: EnginesPageInput): Markup {
  const [first, last] = [engines[0], engines.at(-1)];
  const tiles: Tile[] = differences.slice(0, 2).map((d) => ({
    big: signed(d.points, 2),
    small: `points of ${d.metric}, ${signed(d.low, 2)} to ${signed(d.high, 2)}`,
    mood: moodOf(d),
  }));
  if (first !== undefined && last !== undefined && first !== last) {
    tiles.push(ratioTile(first.latencyMs.min / last.latencyMs.min, "faster", "slower"));
    tiles.push(ratioTile(first.bytes / last.bytes, "smaller", "larger"));
    tiles.push(ratioTile(first.arenaBytes / last.arenaBytes, "less working memory", "more working memory"));
  }
  return element(
    "div",
    { class: "numbers" },
    tiles.map(({ big, small, mood }) => element("div", { class: mood }, element("b", {}, big), element("span", {}, small))),
  );
}

function ratioTile(ratio: number, better: string, worse: string): Tile {
  const same = Math.abs(ratio - 1) < 0.02;
  const value = ratio >= 1 ? ratio : 1 / ratio;
  return { big: `${value.toFixed(2)}×`, small: ratio >= 1 ? better : worse, mood: same ? "plain" : ratio > 1 ? "good" : "bad" };
}

function sizeTable(engines: readonly ReportedEngine[]): Markup {
  const columns = ["", "precision", "runs as", "file", "weights", "code", "working memory", "least ms", "median ms"];
  const rows = engines.map((e) => [
    e.name,
    element("span", { class: `chip ${e.precision}` }, e.precision),
    e.target,
    ...[e.bytes, e.weightsBytes, e.codeBytes, e.arenaBytes].map(bytesText),
    e.latencyMs.min.toFixed(2),
    e.latencyMs.median.toFixed(2),
  ]);
  return htmlTable(columns, rows);
}

function bytesText(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toPrecision(3)} kB`;
  return `${(bytes / 1e6).toPrecision(3)} MB`;
}
