import { convertFile, type Converted } from "../../workflow/convert.ts";
import { baseName } from "../../workflow/model-file.ts";
import { list, text } from "../options.ts";
import { bytesText, fields, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const convert: Verb = defineVerb({
  summary: "Write an ONNX model anew: constants computed, branches decided, shapes inferred, leftovers gone; the answers stay.",
  arguments: [{ name: "<model>", about: "an ONNX file" }],
  examples: [
    ["convert model.onnx -o simple.onnx", "what can be known before is computed"],
    ["convert dynamic.onnx -o fixed.onnx --shape input=1x3x640x640", "for one size"],
    ["convert vad.onnx -o vad16.onnx --set sr=16000", "with an input made constant"],
  ],
  options: {
    output: text("-o, --output <file>", "the new model (default: the model's name with .simple.onnx)"),
    shape: list("--shape <input=dims>", "dims of an input; repeat for more inputs"),
    set: list("--set <input=value>", "make an input a constant: a number for all elements, or one for each with commas"),
  },
  run: async ({ signal, onEvent }, [model = ""], values): Promise<Outcome> => {
    const output = values.output ?? `${baseName(model)}.simple.onnx`;
    const converted = await convertFile(model, { output, shapes: values.shape, set: values.set, signal, onEvent });
    return { json: { ...converted }, text: (p) => convertText(converted, p) };
  },
});

const convertText = (c: Converted, p: Paint): string =>
  fields(p, [
    ["model", c.input],
    ["written", `${c.files.join("\n")}\n${bytesText(c.bytes)}`],
    ["operator set", c.opset === null ? "unknown" : String(c.opset)],
    ["nodes", `${c.nodes.before} -> ${c.nodes.after}`],
  ]);
