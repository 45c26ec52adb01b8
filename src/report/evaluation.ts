import { taskColumns } from "../metrics/columns.ts";
import { confusionMatrix } from "../metrics/confusion.ts";
import { averagePrecisionOf, curvesOf, envelopeOf, type PrecisionRecallCurve } from "../metrics/curve.ts";
import { bestOperatingPoint } from "../metrics/operating.ts";
import type { BoxTuple, DetectionTask, Id } from "../metrics/records.ts";
import { tide, type TideError, type TideResult } from "../metrics/tide.ts";
import { matchVoc } from "../metrics/voc.ts";
import { WarningTally } from "../metrics/warnings.ts";
import { errorChart } from "./bars.ts";
import { curveChart } from "./curves.ts";
import { galleryTile, type GalleryItem } from "./gallery.ts";
import { confusionChart } from "./matrix.ts";
import { htmlPage, htmlTable, numberTiles, picture, type PageSection } from "./page.ts";
import { element } from "./svg.ts";

export interface CategoryScore {
  readonly category: Id;
  readonly AP: number;
  readonly AP50?: number;
}

export interface EvaluationPageInput {
  readonly title: string;
  readonly subtitle: string;
  readonly task: DetectionTask;
  readonly metrics: Readonly<Record<string, number>>;
  /** AP by the rules of `metrics`, where they have one for each category. */
  readonly perCategory?: readonly CategoryScore[];
  /** Words to print, such as warnings and explanations. */
  readonly notes?: readonly string[];
  /** An image as a data URI, for the gallery; undefined where there is none. */
  readonly imageOf?: (image: Id) => string | undefined;
}

const TILES = 24;
/** Other detections of a tile's image are shown from this score. */
const SHOWN_SCORE = 0.25;

/** The pictures of an evaluation as SVG files by name, all at IoU 0.5. */
export function evaluationCharts(task: DetectionTask): Readonly<Record<"curves" | "errors" | "confusion", string>> {
  return chartsOf(task, categoryCurves(task), tide(task, { categories: "with objects" }));
}

/** One offline page of an evaluation: numbers, curves, confusion, errors and the worst misses, all at IoU 0.5. */
export function evaluationPage(input: EvaluationPageInput): string {
  return htmlPage(input.title, input.subtitle, evaluationSections(input));
}

/** The sections of that page. */
export function evaluationSections(input: EvaluationPageInput): readonly PageSection[] {
  const { task, metrics, notes = [] } = input;
  const curves = categoryCurves(task);
  const errors = tide(task, { categories: "with objects" });
  const charts = chartsOf(task, curves, errors);
  const misses = worstMisses(input, errors, namesOf(task));
  return [
    { title: "Numbers", content: [numberTiles(metrics)] },
    ...(notes.length > 0
      ? [
          {
            title: "Notes",
            content: [
              element(
                "ul",
                {},
                notes.map((note) => element("li", {}, note)),
              ),
            ],
          },
        ]
      : []),
    { title: "Precision and recall", content: [picture(charts.curves)] },
    { title: "Errors", content: [picture(charts.errors)] },
    { title: "Confusion", content: [picture(charts.confusion)] },
    { title: "Categories, and the score that gives the best F1", content: [categoryTable(curves, input.perCategory ?? [])] },
    ...(misses.length > 0
      ? [{ title: "Worst misses", content: [legend(), element("div", { class: "gallery" }, misses.map(galleryTile))] }]
      : []),
  ];
}

/** Precision at recalls 0, 0.01, … 1 at IoU 0.5, as its right-to-left maximum, averaged over the categories with ground truth; and the mean of the areas under their curves. */
export function meanCurve(task: DetectionTask): { readonly x: number[]; readonly y: number[]; readonly value: number } {
  const curves = categoryCurves(task);
  const x = Array.from({ length: 101 }, (_, i) => i / 100);
  const y = x.map(() => 0);
  for (const { curve } of curves) {
    const tops = envelopeOf(curve.precision);
    let i = 0;
    x.forEach((wanted, p) => {
      while (i < curve.recall.length && (curve.recall[i] ?? 0) < wanted) i++;
      y[p] = (y[p] ?? 0) + (tops[i] ?? 0) / curves.length;
    });
  }
  const value = curves.reduce((sum, c) => sum + c.area, 0) / Math.max(1, curves.length);
  return { x, y, value };
}

interface CategoryCurve {
  readonly category: Id;
  readonly name: string;
  readonly curve: PrecisionRecallCurve;
  /** The exact area under the curve: near a protocol's AP, but not the same number. */
  readonly area: number;
}

/** Curves of categories with ground truth, the commonest first. */
function categoryCurves(task: DetectionTask): CategoryCurve[] {
  const nameOf = namesOf(task);
  const table = matchVoc(taskColumns(task, new WarningTally()), { iouThreshold: 0.5, interpolation: "area", overlap: "continuous" });
  return curvesOf(table)
    .map((curve, k) => ({ category: table.categories[k] ?? "", curve, area: averagePrecisionOf(curve, "area") }))
    .map((c) => ({ ...c, name: nameOf(c.category) }))
    .filter((c) => c.curve.positives > 0)
    .sort((a, b) => b.curve.positives - a.curve.positives);
}

function chartsOf(
  task: DetectionTask,
  curves: readonly CategoryCurve[],
  errors: TideResult,
): Record<"curves" | "errors" | "confusion", string> {
  return {
    curves: curveChart(
      curves.map((c) => ({ name: c.name, ...envelope(c.curve), value: c.area })),
      { title: "Precision and recall; beside the names: area under the curve", shape: "steps" },
    ),
    errors: errorChart(errors),
    confusion: confusionChart(confusionMatrix(task), namesOf(task)),
  };
}

function namesOf(task: DetectionTask): (category: Id) => string {
  const names = new Map((task.categories ?? []).map((c) => [c.id, c.name ?? String(c.id)]));
  return (category) => names.get(category) ?? String(category);
}

/** The curve from recall 0 to the last true positive, with precision as its right-to-left maximum. */
function envelope(curve: PrecisionRecallCurve): { x: number[]; y: number[] } {
  const tops = envelopeOf(curve.precision);
  const reached = curve.recall.at(-1) ?? 0;
  const end = curve.recall.indexOf(reached) + 1;
  return { x: [0, ...curve.recall.subarray(0, end)], y: [tops[0] ?? 0, ...tops.subarray(0, end)] };
}

function categoryTable(curves: readonly CategoryCurve[], scores: readonly CategoryScore[]): ReturnType<typeof htmlTable> {
  const known = new Map(scores.map((s) => [s.category, s]));
  const columns = (["AP", "AP50"] as const).filter((name) => scores.some((s) => s[name] !== undefined));
  const rows = curves.map(({ category, name, curve, area }) => {
    const best = bestOperatingPoint(curve);
    const score = Number.isFinite(best.score) ? best.score.toFixed(3) : "–";
    const own = columns.map((column) => {
      const value = known.get(category)?.[column] ?? -1;
      return value < 0 ? "–" : value.toFixed(3);
    });
    const point = [best.precision, best.recall, best.f1].map((v) => v.toFixed(3));
    return [name, curve.positives, curve.score.length, ...own, area.toFixed(3), score, ...point];
  });
  return htmlTable(["category", "objects", "detections", ...columns, "area", "best score", "precision", "recall", "F1"], rows);
}

function legend(): ReturnType<typeof element> {
  return element("p", { class: "faint" }, "Green: ground truth. Orange, dashed: detections. Thick: the one that is meant.");
}

/** Half the tiles are the largest objects that nothing found, half the most confident detections that are wrong. */
function worstMisses(input: EvaluationPageInput, { errors }: TideResult, nameOf: (category: Id) => string): GalleryItem[] {
  const { task } = input;
  const area = (e: TideError): number => {
    const [, , w, h] = task.truths[e.truth ?? -1]?.box ?? [0, 0, 0, 0];
    return w * h;
  };
  const score = (e: TideError): number => task.detections[e.detection ?? -1]?.score ?? 0;
  const missed = errors.filter((e) => e.kind === "missed").sort((a, b) => area(b) - area(a));
  const wrong = errors.filter((e) => e.kind !== "missed").sort((a, b) => score(b) - score(a));
  const half = TILES / 2;
  const chosen = [...missed.slice(0, Math.max(half, TILES - wrong.length)), ...wrong.slice(0, Math.max(half, TILES - missed.length))];
  return chosen.slice(0, TILES).flatMap((error) => tileOf(input, error, nameOf) ?? []);
}

function tileOf(input: EvaluationPageInput, error: TideError, nameOf: (category: Id) => string): GalleryItem | undefined {
  const { task } = input;
  const [truth, detection] = [task.truths[error.truth ?? -1], task.detections[error.detection ?? -1]];
  const focus = detection ?? truth;
  if (focus === undefined) return undefined;
  const detections = task.detections.filter((d) => d.image === focus.image && (d === detection || d.score >= SHOWN_SCORE));
  const truths = task.truths.filter((t) => t.image === focus.image);
  const what =
    detection === undefined
      ? `missed: ${nameOf(focus.category)}`
      : `${error.kind}: ${nameOf(focus.category)} ${detection.score.toFixed(2)}`;
  const { name, ...place } = pictureOf(
    input,
    focus.image,
    [...truths, ...detections].map((r) => r.box),
  );
  return {
    caption: `${what}: ${name}`,
    ...place,
    focus: focus.box,
    truths: truths.map((t) => t.box),
    detections: detections.map((d) => ({ box: d.box, score: d.score })),
  };
}

/** The image's name, size and data; a size that is not known reaches as far as its boxes. */
function pictureOf(
  { task, imageOf }: EvaluationPageInput,
  id: Id,
  boxes: readonly BoxTuple[],
): { name: string; width: number; height: number; image?: string } {
  const record = task.images?.find((i) => i.id === id);
  const image = imageOf?.(id);
  const extent = (i: 0 | 1): number => boxes.reduce((most, b) => Math.max(most, b[i] + b[i === 0 ? 2 : 3]), 1);
  const size = { width: record?.width ?? extent(0), height: record?.height ?? extent(1) };
  return { name: record?.file ?? String(id), ...size, ...(image === undefined ? {} : { image }) };
}
