import { compareModel, gate, type Comparison } from "../../workflow/compare.ts";
import { choice, list, number, text } from "../options.ts";
import { fields, smallText, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";
import { given } from "../../workflow/events.ts";

export const compare: Verb = defineVerb({
  summary: "Build a model and hold its outputs against another implementation's on the same inputs.",
  arguments: [{ name: "<model>", about: "an ONNX or TFLite file" }],
  examples: [
    ["compare model.onnx --against onnxruntime", "on seeded random inputs"],
    ["compare model.onnx --image photo.jpg", "on a photo, through the recipe that fits"],
    ["compare text.onnx --input words=words.json", "on strings: a JSON list of texts"],
    ["compare model.tflite --against naive", "against hone's own textbook loops"],
  ],
  options: {
    against: choice("--against <name>", "the other side (default: onnxruntime for ONNX, naive for TFLite)", ["onnxruntime", "naive"]),
    image: list("--image <file>", "a photo: through the recipe, or stretched to the input and scaled to 0–1; repeatable"),
    input: list("--input <name=file>", "a .npy file for an input, .json for strings; repeat for more inputs"),
    tolerance: number("--tolerance <number>", "the most ‖a−b‖/‖b‖ of any output; beyond it the exit code is 3", 1e-4, { min: 0 }),
    shape: list("--shape <input=dims>", "dims of an input; repeat for inputs and for profiles"),
    recipe: text("--recipe <name|file>", "instead of the one that fits"),
    schedule: choice("--schedule <name>", "of hone's side", ["auto", "naive"]),
    machine: text("--machine <name>", "CPU to build for, of those that `hone targets` lists (default: this one)"),
    seed: number("--seed <number>", "of the random numbers", 1, { min: 0, max: 2 ** 32 - 1, integer: true }),
  },
  run: async ({ signal, onEvent }, [model = ""], values): Promise<Outcome> => {
    const comparison = await compareModel(model, {
      signal,
      onEvent,
      against: values.against,
      images: values.image,
      arrays: values.input,
      tolerance: values.tolerance,
      shapes: values.shape,
      recipe: values.recipe,
      schedule: values.schedule ?? "auto",
      machine: values.machine,
      seed: values.seed,
    });
    return { json: { ...comparison }, text: (p) => compareText(comparison, p), ...given("failure", gate(comparison)) };
  },
});

const number1 = (x: number): string => (x === Number.MAX_VALUE ? "∞" : smallText(x));

function compareText(c: Comparison, p: Paint): string {
  const head = fields(p, [
    ["model", c.model],
    ["against", c.against],
    ["target", c.target],
    ["recipe", `${c.recipe ?? "none"}: ${c.recipeWhy}`],
    ["fed", c.cases.map((one) => `${one.feeds}, ${one.profile}`).join("\n")],
  ]);
  const rows = c.outputs.map((o) => {
    const good = o.relativeError <= c.tolerance;
    return [o.name, number1(o.relativeError), number1(o.maxAbs), o.cosine.toFixed(9), good ? "ok" : "BEYOND"];
  });
  const verdict =
    c.worst <= c.tolerance ? p.green(`worst ${smallText(c.worst)}, within ${c.tolerance}`) : p.red(`worst ${number1(c.worst)}`);
  return `${head}\n\n${table(p, ["output", "relative error", "max abs", "cosine", ""], rows)}\n\n${verdict}`;
}
