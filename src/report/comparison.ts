import { curveChart } from "./curves.ts";
import { evaluationSections, meanCurve, type EvaluationPageInput } from "./evaluation.ts";
import { htmlPage, htmlTable, picture, type PageSection } from "./page.ts";

/** One detector's evaluation beside others on the same images. */
export interface ComparedRun extends EvaluationPageInput {
  readonly name: string;
  /** Low and high end of a metric's interval, by its name. */
  readonly intervals: Readonly<Record<string, readonly [number, number]>>;
  /** Median milliseconds an image of each step, in order. */
  readonly milliseconds: readonly (readonly [step: string, milliseconds: number])[];
}

const SHOWN = ["AP", "AP50", "AP75", "mAP"];

/** One offline page of runs: tables of metrics and latency, of several their curves in one chart, then each run as on its own page. */
export function comparisonPage(title: string, subtitle: string, runs: readonly ComparedRun[]): string {
  const [first] = runs;
  const metrics = SHOWN.filter((name) => first !== undefined && name in first.metrics);
  const steps = first?.milliseconds.map(([step]) => step) ?? [];
  const rows = runs.map((run) => [run.name, ...metrics.map((name) => metricText(run.metrics[name] ?? -1, run.intervals[name]))]);
  const times = runs.map((run) => [run.name, ...run.milliseconds.map(([, ms]) => ms.toFixed(2))]);
  const tables = [htmlTable(["", ...metrics], rows), htmlTable(["median ms an image", ...steps], times)];
  if (first !== undefined && runs.length === 1) {
    return htmlPage(title, subtitle, [{ title: first.name, content: tables }, ...evaluationSections(first)]);
  }
  const curves = runs.map((run) => ({ ...meanCurve(run.task), name: run.name }));
  const overview: PageSection = {
    title: "Side by side",
    content: [
      ...tables,
      picture(
        curveChart(curves, {
          title: "Precision and recall at IoU 0.5, mean over categories; beside the names: area under the curve",
          shape: "steps",
          legend: 360,
        }),
      ),
    ],
  };
  const own = runs.flatMap((run) =>
    evaluationSections(run).map((s, i): PageSection => ({ ...s, title: i === 0 ? run.name : `${s.title} (${run.name})` })),
  );
  return htmlPage(title, subtitle, [overview, ...own]);
}

function metricText(value: number, interval: readonly [number, number] | undefined): string {
  if (value < 0) return "–";
  return interval === undefined ? value.toFixed(3) : `${value.toFixed(3)} [${interval[0].toFixed(3)}, ${interval[1].toFixed(3)}]`;
}
