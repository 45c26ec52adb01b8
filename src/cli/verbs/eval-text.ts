/** What eval prints: for people and as JSON. */
import type { Evaluation, ProtocolDifference } from "../../workflow/eval.ts";
import { STEPS, type ModelRun } from "../../workflow/eval-models.ts";
import { runName } from "../../workflow/eval-report.ts";
import { fields, plural, table, type Paint } from "../text.ts";

export function filesJson(detections: string, { task: _, ...result }: Evaluation, report: string | undefined): Record<string, unknown> {
  const { diff, ...rest } = result;
  return {
    runs: [{ engine: null, latencyMs: null, file: detections, ...rest }],
    ...(diff ? { diff } : {}),
    ...(report === undefined ? {} : { report }),
  };
}

export function runsJson(runs: readonly ModelRun[], report: string | undefined): Record<string, unknown> {
  return { runs: runs.map(({ task: _, ...run }) => run), ...(report === undefined ? {} : { report }) };
}

const numberText = (value: number): string => (value < 0 ? "–" : value.toFixed(4));

/** The value with its interval, where there is one. */
function withInterval({ metrics, intervals }: Evaluation, name: string): string {
  const interval = intervals?.[name];
  const value = numberText(metrics[name] ?? -1);
  return interval === undefined ? value : `${value}  [${interval.map(numberText).join(", ")}]`;
}

export function runsText(p: Paint, runs: readonly ModelRun[]): string {
  const [first] = runs;
  if (first === undefined) return "";
  if (runs.length === 1) return [evaluationText(p, first), latencyTable(p, runs)].join("\n\n");
  const names = ["AP", "AP50", "AP75", "mAP"].filter((name) => name in first.metrics);
  const named = names.length > 0 ? names : Object.keys(first.metrics).slice(0, 3);
  const rows = runs.map((run) => [runName(run), ...named.map((name) => withInterval(run, name)), String(run.detections)]);
  return [
    headLine(p, first),
    table(p, ["", ...named, "detections"], rows),
    latencyTable(p, runs),
    ...problemLines(p, first),
    ...intervalLine(p, first),
  ].join("\n\n");
}

function latencyTable(p: Paint, runs: readonly ModelRun[]): string {
  const rows = runs.map((run) => [runName(run), ...STEPS.map((step) => run.latencyMs[step].median.toFixed(2))]);
  return table(p, ["median ms an image", ...STEPS], rows);
}

function headLine(p: Paint, result: Evaluation): string {
  const counts = `${plural(result.images, "image")}, ${plural(result.truths, "object")}, ${plural(result.detections, "detection")}`;
  return `${p.bold(result.protocol)}  ${counts}`;
}

function intervalLine(p: Paint, { bootstrap }: Evaluation): string[] {
  if (bootstrap === undefined) return [];
  return [p.dim(`[low, high]: ${bootstrap.confidence * 100}% intervals, bootstrap over images, ${bootstrap.rounds} resamples`)];
}

function problemLines(p: Paint, { problems }: Evaluation): string[] {
  if (problems.length === 0) return [];
  return [problems.map((q) => `${p.yellow("not read")} ${q.at?.file === undefined ? "" : `${q.at.file}: `}${q.message}`).join("\n")];
}

export function evaluationText(p: Paint, result: Evaluation): string {
  const parts = [
    headLine(p, result),
    fields(
      p,
      Object.keys(result.metrics).map((name) => [name, withInterval(result, name)]),
    ),
    ...intervalLine(p, result),
  ];
  const worst = [...result.perCategory].filter((c) => c.AP >= 0).sort((a, b) => a.AP - b.AP);
  if (worst.length > 1) {
    const rows = worst.slice(0, 5).map((c) => [c.name ?? String(c.category), numberText(c.AP)]);
    parts.push(table(p, [`worst of ${plural(worst.length, "category", "categories")}`, "AP"], rows));
  }
  if (result.diff) parts.push(differenceText(p, result.diff));
  if (result.explanations) {
    const lines = result.explanations.map((e) => `${p.bold(e.about)}  ${e.text}`);
    parts.push(lines.length > 0 ? lines.join("\n") : "Nothing about these numbers is surprising.");
  } else if (result.warnings.length > 0)
    parts.push(result.warnings.map((w) => `${p.yellow("warning")} ${w.count}: ${w.message}`).join("\n"));
  return [...parts, ...problemLines(p, result)].join("\n\n");
}

function differenceText(p: Paint, { from, to, metric, values, steps }: ProtocolDifference): string {
  const rows = steps.map((s) => [s.rule, s.from, s.to, `${s.change >= 0 ? "+" : ""}${s.change.toFixed(4)}`, numberText(s.value)]);
  const head = `${metric} by ${from} ${numberText(values[0])}, by ${to} ${numberText(values[1])}`;
  return `${head}\n${table(p, ["rule", from, to, "moves", metric], rows)}`;
}
