import { HoneError } from "../../util/errors.ts";
import { METHODS } from "../../workflow/calibrate-file.ts";
import { sensitivity as measure, type Sensitivity } from "../../workflow/sensitivity.ts";
import { choice, list, text } from "../options.ts";
import { plural, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const sensitivity: Verb = defineVerb({
  summary: "Say how much int8 costs each layer of a model, and what each costs the outputs.",
  arguments: [{ name: "<model>", about: "an ONNX or TFLite file" }],
  examples: [
    ["sensitivity model.onnx --calib photos", "calibrate, then look at every layer"],
    ["sensitivity model.onnx --calib model.table.json --images photos --json", "with a table that was made before"],
  ],
  options: {
    calib: text("--calib <folder|table>", "photos, or a table that `hone calibrate` made"),
    images: text("--images <folder>", "photos to run (default: those of --calib)"),
    method: choice("--method <name>", "how ranges are chosen from photos (default: best)", METHODS),
    shape: list("--shape <input=dims>", "dims of an input, such as input=1x3x640x640"),
    recipe: text("--recipe <name|file>", "what the model means, and so how photos are fed (default: the one that fits)"),
  },
  run: async ({ signal, onEvent }, [model = ""], values): Promise<Outcome> => {
    const { calib, method } = values;
    if (calib === undefined) throw new HoneError("usage", "sensitivity needs photos or a table", { hint: "Give --calib FOLDER|TABLE." });
    const images = values.images ?? calib;
    const found = await measure(model, { signal, onEvent, calib, images, method, shapes: values.shape, recipe: values.recipe });
    return { json: { model, ...json(found) }, text: (p) => sensitivityText(found, p) };
  },
});

/** JSON has no infinity: null where there is no noise. */
const decibels = (x: number): number | null => (Number.isFinite(x) ? Number(x.toFixed(2)) : null);

function json({ layers, photos, all, table: { method } }: Sensitivity): Record<string, unknown> {
  return {
    method,
    photos,
    outputsSqnr: decibels(all),
    layers: layers.map(({ layer, sqnr, alone }) => ({ layer, sqnr: decibels(sqnr), outputsSqnr: decibels(alone) })),
  };
}

function sensitivityText({ layers, photos, all }: Sensitivity, p: Paint): string {
  const db = (x: number): string => (Number.isFinite(x) ? `${x.toFixed(1)} dB` : "exact");
  const rows = layers.map(({ layer, sqnr, alone }) => [layer, db(alone), db(sqnr)]);
  const head = ["layer", "outputs, this alone in int8", "its result, all in int8"];
  return `${table(p, head, rows)}\n\nAll in int8, the outputs have ${db(all)} of signal to noise, on ${plural(photos, "photo")}.`;
}
