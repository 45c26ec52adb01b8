import { HoneError } from "../../util/errors.ts";
import { METHODS } from "../../workflow/calibrate-file.ts";
import { convertInt8 } from "../../workflow/convert-int8.ts";
import { convertFile, NEWEST_OPSET, OLDEST_OPSET, type Converted } from "../../workflow/convert.ts";
import { baseName } from "../../workflow/model-file.ts";
import { choice, list, optionalNumber, text } from "../options.ts";
import { bytesText, fields, type Paint } from "../text.ts";
import { int8Json, int8Rows } from "./build.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const convert: Verb = defineVerb({
  summary: "Write a model as ONNX anew: simpler, its answers the same; or in int8, between QuantizeLinear and DequantizeLinear.",
  arguments: [{ name: "<model>", about: "an ONNX file; for int8 also a TFLite file" }],
  examples: [
    ["convert model.onnx -o simple.onnx", "what can be known before is computed"],
    ["convert dynamic.onnx -o fixed.onnx --shape input=1x3x640x640", "for one size"],
    ["convert vad.onnx -o vad16.onnx --set sr=16000", "with an input made constant"],
    ["convert old.onnx -o new.onnx --opset 21", "in the words of another operator set, newer or older"],
    ["convert model.onnx --precision int8 --calib photos -o model8.onnx", "int8 for other tools, with the ranges of hone's engine"],
  ],
  options: {
    output: text("-o, --output <file>", "the new model (default: the model's name with .simple.onnx)"),
    shape: list("--shape <input=dims>", "dims of an input; repeat for more inputs"),
    set: list("--set <input=value>", "make an input a constant: a number for all elements, or one for each with commas"),
    opset: optionalNumber(
      "--opset <version>",
      `ONNX's operator set to write, ${OLDEST_OPSET} to ${NEWEST_OPSET} (default: the model's own)`,
      {
        min: OLDEST_OPSET,
        max: NEWEST_OPSET,
        integer: true,
      },
    ),
    precision: choice("--precision <name>", "int8: layers between pairs of QuantizeLinear and DequantizeLinear", ["int8"]),
    calib: text("--calib <folder|table>", "for int8: photos, or a table that `hone calibrate` made"),
    method: choice("--method <name>", "how ranges are chosen from the photos (default: best)", METHODS),
    recipe: text("--recipe <name|file>", "for int8: what the model means, and so how photos are fed"),
  },
  run: async ({ signal, onEvent }, [model = ""], values): Promise<Outcome> => {
    const { precision, calib, method, recipe, shape, opset } = values;
    if (precision === "int8" && calib !== undefined) {
      if (values.set.length > 0) throw new HoneError("usage", "--set and --precision int8 do not go together", { hint: "Convert twice." });
      const output = values.output ?? `${baseName(model)}.int8.onnx`;
      const { int8, ...made } = await convertInt8(model, { output, calib, method, recipe, opset, shapes: shape, signal, onEvent });
      const json = { ...made, precision, int8: int8Json(int8) };
      return { json, text: (p) => `${convertText(made, p)}\n${fields(p, int8Rows(int8))}` };
    }
    if (precision === "int8" || calib !== undefined || method !== undefined || recipe !== undefined) {
      throw new HoneError("usage", "int8 needs --precision int8 and --calib", { hint: "Give --precision int8 --calib FOLDER." });
    }
    const output = values.output ?? `${baseName(model)}.simple.onnx`;
    const converted = await convertFile(model, { output, shapes: values.shape, set: values.set, opset, signal, onEvent });
    return { json: { ...converted }, text: (p) => convertText(converted, p) };
  },
});

const opsetText = ({ opset, opsetBefore }: Converted): string =>
  opset === opsetBefore ? String(opset ?? "unknown") : `${opsetBefore ?? "unknown"} -> ${opset ?? "unknown"}`;

const convertText = (c: Converted, p: Paint): string =>
  fields(p, [
    ["model", c.input],
    ["written", `${c.files.join("\n")}\n${bytesText(c.bytes)}`],
    ["operator set", opsetText(c)],
    ["nodes", `${c.nodes.before} -> ${c.nodes.after}`],
    ...(c.doubt === null ? [] : [["doubt", p.yellow(c.doubt)] as const]),
  ]);
