import type { Graph } from "../ir/graph.ts";
import { HoneError } from "../util/errors.ts";
import { detectFormat, FORMAT_NAMES } from "./detect.ts";
import { importOnnx } from "./onnx/import.ts";
import type { ResolveExternal } from "./onnx/external.ts";
import { readOnnx } from "./onnx/read.ts";
import type { InputShapes } from "../tensor/solve.ts";
import { importTflite } from "./tflite/import.ts";
import { readTflite } from "./tflite/read.ts";

export interface ImportModelOptions {
  /** The name of the file, for errors. */
  readonly file: string;
  /** Hands over a data file that lies beside the model, by its location relative to it; `undefined` when it is not there. */
  readonly resolveExternal?: ResolveExternal;
  /** Numbers for the symbols in the inputs' shapes, by the name of an input. */
  readonly shapes?: InputShapes;
}

/**
 * Reads a model of whichever format it is, told from its content, into a graph.
 * Throws `model.format` for what hone does not read, `model.damaged`, and `model.unsupported` with all of the model's problems.
 */
export function importModel(bytes: Uint8Array, options: ImportModelOptions): Graph {
  switch (requireFormat(bytes, options.file)) {
    case "onnx":
      return importOnnx(readOnnx(bytes, options), options);
    case "tflite":
      return importTflite(readTflite(bytes, options), options);
  }
}

/** The model's format when hone reads it. Throws `model.format`, which says what the file is and what could be done. */
export function requireFormat(bytes: Uint8Array, file: string): "onnx" | "tflite" {
  const format = detectFormat(bytes);
  if (format === "onnx" || format === "tflite") return format;
  const what = format === undefined ? (bytes.length === 0 ? "is empty" : "is of no format that hone knows") : `is ${FORMAT_NAMES[format]}`;
  const hint =
    format === "hone"
      ? "It is built already: run it, for example with hone run."
      : (downloadHint(bytes) ?? "hone reads ONNX and TFLite models. Export or convert the model to ONNX.");
  throw new HoneError(
    "model.format",
    `the file ${what}${format === undefined || format === "hone" ? "" : ", which hone does not read yet"}`,
    { at: { file }, hint },
  );
}

/** What comes in place of a model when a download went wrong. */
function downloadHint(bytes: Uint8Array): string | undefined {
  const start = new TextDecoder().decode(bytes.subarray(0, 64)).trimStart().toLowerCase();
  if (start.startsWith("version https://git-lfs")) return "It is a pointer of Git LFS, not the model: get that with `git lfs pull`.";
  return /^<(!doctype html|html)/.test(start) ? "It is a web page, not a model: download the file itself." : undefined;
}

export { detectFormat, FORMAT_NAMES, type ModelFormat } from "./detect.ts";
export type { ResolveExternal } from "./onnx/external.ts";
export type { InputShapes } from "../tensor/solve.ts";
