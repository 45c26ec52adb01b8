import { HoneError } from "../../util/errors.ts";
import { METHODS } from "../../workflow/calibrate-file.ts";
import { given } from "../../workflow/events.ts";
import { sensitivity as measure, type Sensitivity } from "../../workflow/sensitivity.ts";
import { LABELLED, labelledOf } from "../labelled.ts";
import { choice, list, text } from "../options.ts";
import { plural, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const sensitivity: Verb = defineVerb({
  summary: "Say how much int8 costs each layer of a model, and what each costs the outputs.",
  arguments: [{ name: "<model>", about: "an ONNX or TFLite file" }],
  examples: [
    ["sensitivity model.onnx --calib photos", "calibrate, then look at every layer"],
    ["sensitivity model.onnx --calib model.table.json --images photos --json", "with a table that was made before"],
    ["sensitivity model.onnx --calib photos --eval-images val --annotations val.json", "also what each layer costs AP"],
  ],
  options: {
    calib: text("--calib <folder|table>", "photos, or a table that `hone calibrate` made"),
    images: text("--images <folder>", "photos to run (default: those of --calib)"),
    method: choice("--method <name>", "how ranges are chosen from photos (default: best)", METHODS),
    shape: list("--shape <input=dims>", "dims of an input, such as input=1x3x640x640"),
    ...LABELLED,
    recipe: text("--recipe <name|file>", "what the model means, and so how photos are fed (default: the one that fits)"),
  },
  run: async ({ signal, onEvent }, [model = ""], values): Promise<Outcome> => {
    const { calib, method } = values;
    if (calib === undefined) throw new HoneError("usage", "sensitivity needs photos or a table", { hint: "Give --calib FOLDER|TABLE." });
    const images = values.images ?? calib;
    const labelled = labelledOf(values);
    const found = await measure(model, { signal, onEvent, calib, images, method, labelled, shapes: values.shape, recipe: values.recipe });
    return { json: { model, ...json(found) }, text: (p) => sensitivityText(found, p) };
  },
});

/** JSON has no infinity: null where there is no noise. */
const decibels = (x: number): number | null => (Number.isFinite(x) ? Number(x.toFixed(2)) : null);

function json({ layers, photos, all, scores, table: { method } }: Sensitivity): Record<string, unknown> {
  return {
    method,
    photos,
    outputsSqnr: decibels(all),
    ...given("scores", scores),
    layers: layers.map(({ layer, sqnr, alone, moved, score }) => ({
      layer,
      sqnr: decibels(sqnr),
      outputsSqnr: decibels(alone),
      ...given("moved", moved),
      ...given("score", score),
    })),
  };
}

const percent = (share: number): string => (100 * share).toFixed(2);

function sensitivityText({ layers, photos, all, scores }: Sensitivity, p: Paint): string {
  const db = (x: number): string => (Number.isFinite(x) ? `${x.toFixed(1)} dB` : "exact");
  const detector = layers.some((l) => l.moved !== undefined);
  const rows = layers.map(({ layer, sqnr, alone, moved, score }) => [
    layer,
    ...(score ? [percent(score.AP), percent(score.AP50)] : []),
    ...(moved === undefined ? [] : [`${percent(moved)}%`]),
    db(alone),
    db(sqnr),
  ]);
  const head = [
    "layer",
    ...(scores ? ["AP, this alone in int8", "AP50"] : []),
    ...(detector ? ["detections move"] : []),
    scores ? "outputs" : "outputs, this alone in int8",
    "its result, all in int8",
  ];
  const lost = scores
    ? `\nBy labels: AP ${percent(scores.fp32.AP)} in float32, ${percent(scores.int8.AP)} in int8; AP50 ${percent(scores.fp32.AP50)} and ${percent(scores.int8.AP50)}.`
    : "";
  return `${table(p, head, rows)}\n\nAll in int8, the outputs have ${db(all)} of signal to noise, on ${plural(photos, "photo")}.${lost}`;
}
