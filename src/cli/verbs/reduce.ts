import { baseName } from "../../workflow/model-file.ts";
import { parseBetween, reduceModel, type Reduced, type Verdict } from "../../workflow/reduce.ts";
import { list, number, text } from "../options.ts";
import { fields, smallText, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const reduce: Verb = defineVerb({
  summary: "Find the smallest part of an ONNX model on which two ways to compute it disagree, and write it with its inputs.",
  arguments: [{ name: "<model>", about: "an ONNX file" }],
  examples: [
    ["reduce model.onnx", "hone's native code against ONNX Runtime"],
    ["reduce model.onnx --between native,naive -o small.onnx", "a schedule against hone's own textbook loops"],
    ["reduce model.onnx --between wasm,native --image photo.jpg", "on a photo, through the recipe that fits"],
  ],
  options: {
    between: text(
      "--between <a,b>",
      "the one in question, and the one to believe: native, wasm, naive, interpret, onnxruntime (default native,onnxruntime)",
    ),
    output: text("-o, --output <file>", "the small model (default: the model's name with .small.onnx); its inputs go beside it as .npy"),
    tolerance: number("--tolerance <number>", "the most ‖a−b‖/‖b‖ of any output", 1e-4, { min: 0 }),
    image: list("--image <file>", "a photo: through the recipe, or stretched to the input and scaled to 0–1"),
    input: list("--input <name=file>", "a .npy file for an input; repeat for more inputs"),
    shape: list("--shape <input=dims>", "dims of an input; repeat for more inputs"),
    seed: number("--seed <number>", "of the random numbers", 1, { min: 0, max: 2 ** 32 - 1, integer: true }),
  },
  run: async ({ signal, onEvent }, [model = ""], values): Promise<Outcome> => {
    const reduced = await reduceModel(model, {
      between: parseBetween(values.between ?? "native,onnxruntime"),
      output: values.output ?? `${baseName(model)}.small.onnx`,
      tolerance: values.tolerance,
      images: values.image,
      arrays: values.input,
      shapes: values.shape,
      seed: values.seed,
      signal,
      onEvent,
    });
    return { json: { ...reduced }, text: (p) => reducedText(reduced, p) };
  },
});

function verdictText(v: Verdict): string {
  if (v.kind === "fails") return `${v.side} fails (${v.code}): ${v.message}`;
  if (v.kind === "neither") return v.message;
  const much = v.relativeError === Number.MAX_VALUE ? "cannot be compared" : `relative error ${smallText(v.relativeError)}`;
  return `${v.output}: ${much}, at most ${v.maxAbs === Number.MAX_VALUE ? "∞" : smallText(v.maxAbs)}`;
}

function reducedText(r: Reduced, p: Paint): string {
  const [a, b] = r.between;
  const head = fields(p, [
    ["model", r.model],
    ["between", `${a}, and ${b} which is believed`],
    ["whole", verdictText(r.whole)],
    ...(r.part ? ([["part", verdictText(r.part)]] as const) : []),
    ["nodes", `${r.nodes.before} -> ${r.nodes.after}, ${r.tried} ${r.tried === 1 ? "model" : "models"} tried`],
    ...(r.files.length > 0 ? ([["written", r.files.join("\n")]] as const) : []),
  ]);
  if (!r.part) return `${head}\n\n${p.green(`they agree within ${r.tolerance}: there is nothing to reduce`)}`;
  const rows = r.left.map((n) => [n.op, n.name]);
  const inputs = r.arrays.map((text) => ` --input ${text}`).join("");
  return `${head}\n\n${table(p, ["operator", "node"], rows)}\n\nagain: hone compare ${r.files[0] ?? ""}${inputs}`;
}
