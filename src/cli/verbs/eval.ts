import { HoneError } from "../../util/errors.ts";
import { BACKENDS } from "../../workflow/eval-backends.ts";
import { evaluateFiles, PROTOCOLS, type Evaluation } from "../../workflow/eval.ts";
import { TEXT_FORMATS } from "../../workflow/eval-files.ts";
import { evaluateModels } from "../../workflow/eval-models.ts";
import { runName, writeCharts, writeReport, writeRunsReport } from "../../workflow/eval-report.ts";
import { choice, choices, flag, list, number, text, type Values } from "../options.ts";
import { defineVerb, type Job, type Outcome, type Verb } from "../verb.ts";
import { evaluationText, filesJson, runsJson, runsText } from "./eval-text.ts";

const OPTIONS = {
  detections: text("--detections <path>", "instead of a model: COCO results JSON, CSV, dlib XML, or a folder of texts"),
  images: text("--images <folder>", "the photos: what models are run on, YOLO's sizes, the report's misses"),
  annotations: list(
    "--annotations <path>",
    "COCO or LVIS JSON, CSV, dlib XML, WIDER FACE text; or a folder of VOC XML, WIDER FACE .mat, YOLO or other texts; repeat to join files",
  ),
  anyClass: flag("--any-class", "every object and every detection counts as one class"),
  backend: choices("--backend <names>", "what runs the models; onnxruntime is the independent column (default hone)", BACKENDS),
  recipe: text("--recipe <name|file>", "what the models mean (default: the engine's, or the one bundled recipe that fits)"),
  shape: list("--shape <input=dims>", "dims of an input of a model, such as input=1x3x640x640"),
  minScore: number("--min-score <number>", "the least score that is scored", 0.02, { min: 0, max: 1 }),
  protocol: choice("--protocol <name>", "whose rules (default: coco for models, else those the annotations come from)", PROTOCOLS),
  format: choice("--format <name>", "what the numbers in a folder of texts are (default: judged by them)", TEXT_FORMATS),
  iou: number("--iou <share>", "IoU from which a detection matches, of voc, voc07 and openimages", 0.5, { min: 0, max: 1 }),
  rounds: number("--rounds <number>", "resamples of the 95% intervals, fewer for large sets; 0 for none", 1000, {
    min: 0,
    max: 1e6,
    integer: true,
  }),
  diff: list("--diff <protocol>", "give it twice: compare two of coco, coco50, voc, voc07 (or wider, wider-float) rule by rule"),
  explain: flag("--explain", "explain every surprising number"),
  report: text("--report <file>", "write a page with curves, confusion, errors and the worst misses"),
  charts: text("--charts <folder>", "write the pictures of that page as .svg and .png"),
};

export const evaluate: Verb = defineVerb({
  summary: "Score detectors, or their detections, against ground truth.",
  arguments: [{ name: "[model...]", about: "ONNX or TFLite models, which are built, or engines" }],
  examples: [
    ["eval model.onnx --images photos/ --annotations labels/ --any-class", "build, run on photos, score"],
    ["eval a.hone b.onnx --images photos/ --annotations val.json --report page.html", "two detectors side by side"],
    ["eval model.onnx --images photos/ --annotations val.json --backend hone,onnxruntime", "with ONNX Runtime as the judge"],
    ["eval --detections results.json --annotations instances_val.json", "COCO's twelve numbers"],
    ["eval --detections found/ --annotations truth/ --protocol voc07 --iou 0.3", "Pascal VOC's eleven points"],
    ["eval --detections results.json --annotations val.json --diff coco --diff voc", "which rule moves the number, and how far"],
    ["eval --detections results.json --annotations val.json --explain --report page.html", "why, and pictures"],
  ],
  options: OPTIONS,
  run: (job, models, values): Promise<Outcome> => {
    if (models.length > 0) return evalModels(job, models, values);
    return evalFiles(job, values);
  },
});

type EvalValues = Values<typeof OPTIONS>;

async function evalModels({ signal, onEvent }: Job, models: readonly string[], values: EvalValues): Promise<Outcome> {
  const { images, annotations, report, charts } = values;
  if (images === undefined || annotations.length === 0 || values.detections !== undefined || values.diff.length > 0) {
    throw new HoneError("usage", "to score models, eval needs --images and --annotations, and neither --detections nor --diff", {
      hint: "hone eval MODEL --images DIR --annotations FILE|DIR",
    });
  }
  const runs = await evaluateModels({
    ...{ models, images, annotations, signal, onEvent },
    ...{ anyClass: values.anyClass, backends: values.backend.length > 0 ? values.backend : ["hone"], recipe: values.recipe },
    ...{ shapes: values.shape, minScore: values.minScore, protocol: values.protocol, format: values.format },
    ...{ iouThreshold: values.iou, rounds: values.rounds, explain: values.explain },
  });
  if (report !== undefined) await writeRunsReport(report, runs, images);
  if (charts !== undefined) {
    for (const run of runs) await writeCharts(charts, run, runs.length > 1 ? `${runName(run).replaceAll(/[^\w.]+/g, "-")}-` : "");
  }
  return { json: runsJson(runs, report), text: (p) => runsText(p, runs) };
}

async function evalFiles({ signal }: Job, values: EvalValues): Promise<Outcome> {
  const { detections, annotations, images } = values;
  if (detections === undefined || annotations.length === 0) {
    throw new HoneError("usage", "eval needs a model and --images, or --detections; and --annotations", {
      hint: "hone eval MODEL --images DIR --annotations FILE|DIR, or hone eval --detections FILE --annotations FILE",
    });
  }
  if (values.diff.length === 1 && !values.diff[0]?.includes(",")) {
    throw new HoneError("usage", "--diff needs two protocols", { hint: `hone eval … --diff ${values.diff[0] ?? "coco"} --diff voc` });
  }
  const result: Evaluation = await evaluateFiles({
    ...{ detections, annotations, images, signal, anyClass: values.anyClass, rounds: values.rounds },
    ...{ protocol: values.protocol, format: values.format, iouThreshold: values.iou, explain: values.explain, diff: values.diff },
  });
  if (values.report !== undefined) await writeReport(values.report, result, images);
  if (values.charts !== undefined) await writeCharts(values.charts, result);
  return { json: filesJson(detections, result, values.report), text: (p) => evaluationText(p, result) };
}
