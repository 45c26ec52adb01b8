/** What runs a detector under evaluation: hone, or ONNX Runtime on the same tensors. */
import type { FileHandle } from "node:fs/promises";
import { ENGINE_MAGIC } from "../engine/format.ts";
import type { Recipe } from "../engine/recipe.ts";
import { FORMAT_NAMES } from "../formats/index.ts";
import { openToRead } from "../runtime/node/file.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { HoneError, must } from "../util/errors.ts";
import { inputSize } from "../vision/bind.ts";
import type { Size } from "../vision/decoders/decoder.ts";
import { buildModel, type BuildModelOptions } from "./build.ts";
import { openDetector } from "./face.ts";
import { importFile, readError, readModelFile } from "./model-file.ts";
import { openOnnxRuntime } from "./peer.ts";
import { requireRecipe, signatureOf } from "./recipe.ts";
import { bindProfile, parseProfiles } from "./shapes.ts";

export const BACKENDS = ["hone", "onnxruntime"] as const;
export type Backend = (typeof BACKENDS)[number];

/** A detector that is open. */
export interface Runner {
  readonly backend: Backend;
  readonly target: string;
  readonly recipe: Recipe;
  /** Name of its one input, and the sizes that it may have. */
  readonly input: string;
  readonly sizes: readonly Size[];
  run(feeds: Readonly<Record<string, Tensor>>, signal: AbortSignal | undefined): Promise<Readonly<Record<string, Tensor>>>;
  close(): Promise<void>;
}

/** Whether a file is an engine, by its first bytes. Throws `file.not-found`, `file.unreadable`. */
async function isEngine(path: string): Promise<boolean> {
  let file: FileHandle | undefined;
  try {
    file = await openToRead(path);
    if (!(await file.stat()).isFile()) throw new HoneError("file.unreadable", "not a regular file", { at: { file: path } });
    const { buffer, bytesRead } = await file.read(new Uint8Array(4), 0, 4, 0);
    return bytesRead === 4 && new TextDecoder().decode(buffer) === ENGINE_MAGIC;
  } catch (error) {
    throw readError(error, path);
  } finally {
    await file?.close();
  }
}

/**
 * Opens a model, which is built first, or an engine.
 * Throws what building and opening throw, `recipe.*` when no recipe says how to read it, `usage` for an engine on another backend.
 */
export async function openRunner(path: string, backend: Backend, options: BuildModelOptions): Promise<Runner> {
  const engine = await isEngine(path);
  if (backend === "onnxruntime") {
    if (!engine) return await onnxRuntimeRunner(path, options);
    throw new HoneError("usage", "ONNX Runtime runs models, and this is an engine", {
      at: { file: path },
      hint: "Name the .onnx file that it was built from.",
    });
  }
  if (engine) return await honeRunner(path, path, options);
  const built = await buildModel(path, options);
  if (built.recipe === undefined) await requireRecipe(signatureOf(built.build.compiled.graph), options.recipe, path, options.signal);
  return await honeRunner(built.engine, path, options);
}

/** Opens an engine: a file, or bytes of what was made from `path`. Throws what opening throws. */
export async function honeRunner(source: string | Uint8Array, path: string, options: BuildModelOptions): Promise<Runner> {
  const asked = typeof source === "string" ? options.recipe : undefined;
  const { session, recipe } = await openDetector(source, asked, options.signal, path);
  const sizes = session.manifest.profiles.flatMap((p) => inputSize(recipe, p.inputs[0] ?? []) ?? []);
  return {
    backend: "hone",
    target: session.info.target,
    recipe,
    input: must(session.inputNames[0], "an input"),
    sizes,
    run: (feeds, signal) => session.run(feeds, { signal }),
    close: () => session.close(),
  };
}

async function onnxRuntimeRunner(path: string, options: BuildModelOptions): Promise<Runner> {
  const model = await readModelFile(path, options.signal);
  if (model.format !== "onnx") {
    throw new HoneError("usage", `ONNX Runtime reads only ONNX, and this is ${FORMAT_NAMES[model.format]}`, { at: { file: path } });
  }
  const graph = importFile(model);
  const profiles = parseProfiles(options.shapes ?? []);
  const signatures = (profiles.length > 0 ? profiles : [{}]).map((p) => signatureOf(bindProfile(graph, p, path)));
  const first = must(signatures[0], "a profile");
  const recipe = await requireRecipe(first, options.recipe, path, options.signal);
  const peer = await openOnnxRuntime(path);
  return {
    backend: "onnxruntime",
    target: "onnxruntime",
    recipe,
    input: must(first.inputs[0], "an input").name,
    sizes: signatures.flatMap((s) => inputSize(recipe, s.inputs[0]?.dims ?? []) ?? []),
    run: (feeds) => peer.run(feeds),
    close: () => peer.close(),
  };
}
