import { HoneError } from "../../util/errors.ts";
import { evaluateFiles, PROTOCOLS, type Evaluation, type ProtocolDifference } from "../../workflow/eval.ts";
import { TEXT_FORMATS } from "../../workflow/eval-files.ts";
import { writeCharts, writeReport } from "../../workflow/eval-report.ts";
import { choice, flag, list, number, text } from "../options.ts";
import { fields, plural, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const evaluate: Verb = defineVerb({
  summary: "Score detections against ground truth.",
  arguments: [],
  examples: [
    ["eval --detections results.json --annotations instances_val.json", "COCO's twelve numbers"],
    ["eval --detections found/ --annotations truth/ --protocol voc07 --iou 0.3", "Pascal VOC's eleven points"],
    ["eval --detections results.json --annotations val.json --diff coco --diff voc", "which rule moves the number, and how far"],
    ["eval --detections results.json --annotations val.json --explain --report page.html", "why, and pictures"],
  ],
  options: {
    detections: text("--detections <path>", "COCO results JSON, CSV, or a folder of texts"),
    annotations: text(
      "--annotations <path>",
      "COCO or LVIS JSON, CSV, dlib XML, WIDER FACE text; or a folder of VOC XML, WIDER FACE .mat or texts",
    ),
    protocol: choice("--protocol <name>", "whose rules (default: those the annotations come from)", PROTOCOLS),
    format: choice("--format <name>", "what the numbers in a folder of texts are (default: judged by them)", TEXT_FORMATS),
    iou: number("--iou <share>", "IoU from which a detection matches, of voc, voc07 and openimages", 0.5, { min: 0, max: 1 }),
    diff: list("--diff <protocol>", "give it twice: compare two of coco, coco50, voc, voc07 (or wider, wider-float) rule by rule"),
    explain: flag("--explain", "explain every surprising number"),
    report: text("--report <file>", "write a page with curves, confusion, errors and the worst misses"),
    charts: text("--charts <folder>", "write the pictures of that page as SVG files"),
    images: text("--images <folder>", "where the images are, for the report's misses"),
  },
  run: async (_job, _args, values): Promise<Outcome> => {
    const { detections, annotations } = values;
    if (detections === undefined || annotations === undefined) {
      throw new HoneError("usage", "eval needs --detections and --annotations", { hint: "hone eval --detections FILE --annotations FILE" });
    }
    if (values.diff.length === 1 && !values.diff[0]?.includes(",")) {
      throw new HoneError("usage", "--diff needs two protocols", { hint: `hone eval … --diff ${values.diff[0] ?? "coco"} --diff voc` });
    }
    const result = await evaluateFiles({
      ...{ detections, annotations },
      ...{ protocol: values.protocol, format: values.format, iouThreshold: values.iou, explain: values.explain, diff: values.diff },
    });
    if (values.report !== undefined) await writeReport(values.report, result, values.images);
    if (values.charts !== undefined) await writeCharts(values.charts, result);
    return { json: toJson(detections, result, values.report), text: (p) => toText(p, result) };
  },
});

function toJson(detections: string, { task: _, ...result }: Evaluation, report: string | undefined): Record<string, unknown> {
  const { images, metrics, diff, explanations, ...rest } = result;
  return {
    runs: [{ engine: null, latencyMs: null, file: detections, images, metrics, ...rest, ...(explanations ? { explanations } : {}) }],
    ...(diff ? { diff } : {}),
    ...(report === undefined ? {} : { report }),
  };
}

const numberText = (value: number): string => (value < 0 ? "–" : value.toFixed(4));

function toText(p: Paint, result: Evaluation): string {
  const counts = `${plural(result.images, "image")}, ${plural(result.truths, "object")}, ${plural(result.detections, "detection")}`;
  const parts = [
    `${p.bold(result.protocol)}  ${counts}`,
    fields(
      p,
      Object.entries(result.metrics).map(([name, value]) => [name, numberText(value)]),
    ),
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
  if (result.problems.length > 0) {
    parts.push(
      result.problems.map((q) => `${p.yellow("not read")} ${q.at?.file === undefined ? "" : `${q.at.file}: `}${q.message}`).join("\n"),
    );
  }
  return parts.join("\n\n");
}

function differenceText(p: Paint, { from, to, metric, values, steps }: ProtocolDifference): string {
  const rows = steps.map((s) => [s.rule, s.from, s.to, `${s.change >= 0 ? "+" : ""}${s.change.toFixed(4)}`, numberText(s.value)]);
  const head = `${metric} by ${from} ${numberText(values[0])}, by ${to} ${numberText(values[1])}`;
  return `${head}\n${table(p, ["rule", from, to, "moves", metric], rows)}`;
}
