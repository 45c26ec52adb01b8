import { METHODS, DEFAULT_METHOD, TABLE_FORMATS, calibrateFile, type CalibratedFile } from "../../workflow/calibrate-file.ts";
import { choice, list, text } from "../options.ts";
import { fields, plural, secondsText, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";
import { HoneError } from "../../util/errors.ts";
import { decibels, errorOf, type Verdict } from "../../workflow/judge.ts";
import { baseName } from "../../workflow/model-file.ts";

export const calibrate: Verb = defineVerb({
  summary: "Observe a model's values on photos and choose the ranges that int8 needs.",
  arguments: [{ name: "<model>", about: "an ONNX or TFLite file" }],
  examples: [
    ["calibrate model.onnx --images photos -o model.table.json", "a hundred photos like those it will see are enough"],
    ["build model.onnx --precision int8 --calib model.table.json", "then build with the table"],
    ["calibrate model.onnx --images photos --method auto", "the best method for each value: minutes instead of seconds"],
    ["calibrate model.onnx --images photos --method entropy-ncnn", "as ncnn would choose the ranges"],
    ["calibrate model.onnx --images photos --format tensorrt -o model.cache", "for TensorRT"],
  ],
  options: {
    images: text("--images <folder>", "photos; in any order, the table is the same to the byte"),
    output: text("-o, --output <file>", "the table (default: the model's name with .table.json)"),
    method: choice("--method <name>", "how ranges are chosen (default: best)", METHODS),
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
  const { table, photos, skipped, seconds, apart, trials, verdict } = calibration;
  return {
    table: path,
    model: table.model,
    method: table.method,
    chosen: tally(table.chosen),
    photos,
    heldBack: table.heldBack?.length ?? 0,
    judgedApart: apart,
    skipped: skipped.map((s) => ({ file: s.at?.file ?? null, why: s.message })),
    values: table.ranges.size,
    trials: trials.map((t) => ({ what: t.what, with: errorOf(t.with), without: errorOf(t.without), kept: t.kept })),
    judgedBy: verdict.moved === undefined ? "outputs" : "detections",
    error: errorOf(verdict),
    sqnr: finite(decibels(verdict.outputs)),
    seconds: Number(seconds.toFixed(3)),
  };
}

/** JSON has no infinity: without noise there is no ratio. */
const finite = (x: number): number | null => (Number.isFinite(x) ? Number(x.toFixed(3)) : null);

/** How many values each method chose the range of. */
function tally(chosen: ReadonlyMap<string, string> | undefined): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const by of chosen?.values() ?? []) counts[by] = (counts[by] ?? 0) + 1;
  return counts;
}

/** Of detectors by how much what they find moves, else by the outputs' signal to noise. */
const distance = ({ outputs, moved }: Verdict): string =>
  moved === undefined ? `outputs ${decibels(outputs).toFixed(1)} dB` : `detections move by ${(100 * moved).toFixed(2)}%`;

function calibrateText({ path, calibration }: CalibratedFile, p: Paint): string {
  const { table, photos, skipped, seconds, apart, trials, verdict } = calibration;
  const left = skipped.map((s) => `\n${p.dim(`skipped ${s.at?.file ?? ""}: ${s.message}`)}`);
  const chosen = Object.entries(tally(table.chosen)).map(([by, n]) => `${by} for ${n}`);
  const heldBack = table.heldBack?.length ?? 0;
  const judges = apart ? `, ${heldBack} of them held back to judge` : ", which also judge: too few to hold some back";
  const rows: (readonly [string, string])[] = [
    ["table", path],
    ["method", `${table.method}${chosen.length > 0 ? `: ${chosen.join(", ")}` : ""}`],
    ["photos", `${photos}${skipped.length > 0 ? `, ${skipped.length} skipped` : ""}${judges}`],
    ["ranges", plural(table.ranges.size, "value")],
    ...trials.map((t) => [t.what, `${t.kept ? "kept" : "left out"}: ${distance(t.with)} with it, ${distance(t.without)} without`] as const),
    ["int8", `${distance(verdict)}${verdict.moved === undefined ? "" : `; outputs ${decibels(verdict.outputs).toFixed(1)} dB`}`],
    ["took", secondsText(seconds)],
  ];
  return `${fields(p, rows)}${left.join("")}`;
}
