import { CALIBRATION_METHODS, DEFAULT_METHOD, TABLE_FORMATS, calibrateFile, type CalibratedFile } from "../../workflow/calibrate-file.ts";
import { choice, list, text } from "../options.ts";
import { fields, plural, secondsText, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";
import { HoneError } from "../../util/errors.ts";
import { baseName } from "../../workflow/model-file.ts";

export const calibrate: Verb = defineVerb({
  summary: "Observe a model's values on photos and choose the ranges that int8 needs.",
  arguments: [{ name: "<model>", about: "an ONNX or TFLite file" }],
  examples: [
    ["calibrate model.onnx --images photos -o model.table.json", "a hundred photos like those it will see are enough"],
    ["build model.onnx --precision int8 --calib model.table.json", "then build with the table"],
    ["calibrate model.onnx --images photos --method entropy-ncnn", "as ncnn would choose the ranges"],
    ["calibrate model.onnx --images photos --format tensorrt -o model.cache", "for TensorRT"],
  ],
  options: {
    images: text("--images <folder>", "photos; in any order, the table is the same to the byte"),
    output: text("-o, --output <file>", "the table (default: the model's name with .table.json)"),
    method: choice("--method <name>", "how ranges are chosen (default: minmax)", CALIBRATION_METHODS),
    format: choice("--format <name>", "write the table of another tool instead of hone's", TABLE_FORMATS),
    shape: list("--shape <input=dims>", "dims of an input, such as input=1x3x640x640"),
    recipe: text("--recipe <name|file>", "what the model means, and so how photos are fed (default: the one that fits)"),
  },
  run: async ({ signal, onEvent }, [model = ""], values): Promise<Outcome> => {
    if (values.images === undefined) throw new HoneError("usage", "calibrate needs photos", { hint: "Give --images FOLDER." });
    const made = await calibrateFile(model, {
      signal,
      onEvent,
      images: values.images,
      output: values.output ?? `${baseName(model)}.table.json`,
      method: values.method ?? DEFAULT_METHOD,
      format: values.format,
      shapes: values.shape,
      recipe: values.recipe,
    });
    return { json: json(made), text: (p) => calibrateText(made, p) };
  },
});

function json({ path, calibration }: CalibratedFile): Record<string, unknown> {
  const { table, photos, skipped, seconds } = calibration;
  return {
    table: path,
    model: table.model,
    method: table.method,
    photos,
    skipped: skipped.map((s) => ({ file: s.at?.file ?? null, why: s.message })),
    values: table.ranges.size,
    seconds: Number(seconds.toFixed(3)),
  };
}

function calibrateText({ path, calibration }: CalibratedFile, p: Paint): string {
  const { table, photos, skipped, seconds } = calibration;
  const left = skipped.map((s) => `\n${p.dim(`skipped ${s.at?.file ?? ""}: ${s.message}`)}`);
  const rows: (readonly [string, string])[] = [
    ["table", path],
    ["method", table.method],
    ["photos", `${photos}${skipped.length > 0 ? `, ${skipped.length} skipped` : ""}`],
    ["ranges", plural(table.ranges.size, "value")],
    ["took", secondsText(seconds)],
  ];
  return `${fields(p, rows)}${left.join("")}`;
}
