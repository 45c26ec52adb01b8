import { HoneError } from "../../util/errors.ts";
import { METHODS } from "../../workflow/calibrate-file.ts";
import { PROTOCOLS } from "../../workflow/eval.ts";
import { TEXT_FORMATS } from "../../workflow/eval-files.ts";
import { writeEnginesReport, type WrittenReport } from "../../workflow/report.ts";
import { choice, flag, list, number, text } from "../options.ts";
import { bytesText, fields, msText, plural, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const report: Verb = defineVerb({
  summary: "Hold engines of one model against each other on one offline page: accuracy, size, speed, layers, ranges.",
  arguments: [{ name: "<engine...>", about: "engines; the last is held against the first" }],
  examples: [
    ["report fp32.hone int8.hone -o report.html --images photos --annotations labels.json", "what int8 costs and gains"],
    [
      "report fp32.hone int8.hone -o report.html --images photos --annotations labels --model model.onnx --calib table.json",
      "also every layer: exactness, time, and the histogram of its values",
    ],
  ],
  options: {
    output: text("-o, --output <file>", "the page (default: report.html)"),
    images: text("--images <folder>", "photos to score and time the engines on"),
    annotations: list("--annotations <path>", "what is in the photos, in any form that `hone eval` reads; repeat to join files"),
    anyClass: flag("--any-class", "every object and every detection counts as one class"),
    model: text("--model <file>", "the model that the engines were built from, for a look at its layers"),
    calib: text("--calib <folder|table>", "what the int8 engine was calibrated with"),
    method: choice("--method <name>", "how ranges were chosen from photos (default: best)", METHODS),
    recipe: text("--recipe <name|file>", "what the model means (default: the engine's)"),
    minScore: number("--min-score <number>", "the least score that is scored", 0.02, { min: 0, max: 1 }),
    protocol: choice("--protocol <name>", "whose rules (default: coco)", PROTOCOLS),
    format: choice("--format <name>", "what the numbers in a folder of texts are (default: judged by them)", TEXT_FORMATS),
    rounds: number("--rounds <number>", "resamples of the 95% intervals; 0 for none", 1000, { min: 0, max: 1e6, integer: true }),
  },
  run: async ({ signal, onEvent }, engines, values): Promise<Outcome> => {
    if (engines.length === 0) throw new HoneError("usage", "report needs engines", { hint: "hone report A.hone B.hone -o report.html" });
    const written = await writeEnginesReport({
      ...{ engines, signal, onEvent, output: values.output ?? "report.html", images: values.images, annotations: values.annotations },
      ...{ anyClass: values.anyClass, model: values.model, calib: values.calib, method: values.method, recipe: values.recipe },
      ...{ minScore: values.minScore, protocol: values.protocol, format: values.format, rounds: values.rounds },
    });
    return { json: reportJson(written), text: (p) => reportText(written, p) };
  },
});

function reportJson({ output, page }: WrittenReport): Record<string, unknown> {
  return {
    output,
    engines: page.engines.map(({ score, ...engine }) => ({
      ...engine,
      metrics: score?.metrics ?? null,
      intervals: score?.intervals ?? null,
    })),
    differences: page.differences,
    layers: page.layers,
    notes: page.notes,
  };
}

function reportText({ output, page }: WrittenReport, p: Paint): string {
  const rows = page.engines.map((e) => [
    e.name,
    e.precision,
    bytesText(e.bytes),
    msText(e.latencyMs.min),
    ...["AP", "AP50"].map((m) => ((e.score?.metrics[m] ?? -1) < 0 ? "–" : (e.score?.metrics[m] ?? 0).toFixed(4))),
  ]);
  const engines = table(p, ["engine", "precision", "size", "latency", "AP", "AP50"], rows);
  const changes = page.differences.map((d): readonly [string, string] => [
    d.metric,
    `${d.points.toFixed(2)} points [${d.low.toFixed(2)}, ${d.high.toFixed(2)}]`,
  ]);
  const int8 = page.layers.filter((l) => l.precision === "int8").length;
  const more: (readonly [string, string])[] = [
    ...changes,
    ...(page.layers.length > 0 ? [["layers", `${plural(int8, "layer")} of ${page.layers.length} in int8`] as const] : []),
    ["page", output],
  ];
  return `${engines}\n\n${fields(p, more)}`;
}
