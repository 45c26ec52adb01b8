/** What is benched: an engine, or a model that is built first; with the model's graph where it is known. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Manifest } from "../engine/format.ts";
import { detectFormat } from "../formats/index.ts";
import { cleanOnnx, hasExternalData } from "../formats/onnx/clean.ts";
import { readOnnx } from "../formats/onnx/read.ts";
import { writeOnnx } from "../formats/onnx/write.ts";
import { readEngineFile } from "../runtime/node/file.ts";
import { HoneError, must } from "../util/errors.ts";
import { unwritable } from "../util/node/unwritable.ts";
import { buildModel, type BuildModelOptions } from "./build.ts";
import type { FeedInput } from "./feeds.ts";
import { countMacs } from "./macs.ts";
import { baseName, importFile, readBounded, readModelFile, type ModelFile } from "./model-file.ts";
import { bindProfile } from "./shapes.ts";

const TEMPORARY_HINT = "Make room in the temporary folder, or name another with TMPDIR.";

/** A folder for the files of one bench. */
export class Workspace {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<Workspace> {
    try {
      return new Workspace(await mkdtemp(join(tmpdir(), "hone-bench-")));
    } catch (cause) {
      throw unwritable(cause, tmpdir(), TEMPORARY_HINT);
    }
  }

  async write(name: string, bytes: Uint8Array): Promise<string> {
    const path = join(this.folder, name);
    try {
      await writeFile(path, bytes);
      return path;
    } catch (cause) {
      throw unwritable(cause, path, TEMPORARY_HINT);
    }
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

export interface Subject {
  /** As it was named. */
  readonly name: string;
  /** The engine as a file. */
  readonly engine: string;
  readonly manifest: Manifest;
  readonly profile: number;
  readonly inputs: readonly FeedInput[];
  readonly model?: ModelFile;
  /** Multiply-accumulates of one run, when the model is at hand. */
  readonly macs: number | undefined;
  /** Seconds of the build; absent for an engine that was there. */
  readonly buildSeconds?: number;
  /** Doubts about what was given. */
  readonly warnings: readonly string[];
}

export interface SubjectOptions extends BuildModelOptions {
  /** The model that an engine was built from. */
  readonly model?: string | undefined;
  /** Which of the engine's shapes. */
  readonly profile?: number;
}

const MAX_FILE_BYTES = 2 ** 32 - 1;

/** Throws what reading, importing and building throw, and `usage` for a profile that is not there. */
export async function openSubject(path: string, workspace: Workspace, options: SubjectOptions): Promise<Subject> {
  if (detectFormat(await readBounded(path, MAX_FILE_BYTES, options.signal)) === "hone") return await engineSubject(path, options);
  if (options.model !== undefined) {
    throw new HoneError("usage", "--model tells what an engine was built from, and this is a model", { at: { file: path } });
  }
  const built = await buildModel(path, options);
  const engine = await workspace.write(`${baseName(path)}.hone`, built.engine);
  const subject = await engineSubject(engine, { ...options, model: path });
  return { ...subject, name: path, buildSeconds: built.seconds };
}

async function engineSubject(path: string, options: SubjectOptions): Promise<Subject> {
  const { manifest } = await readEngineFile(path, options.signal);
  const profile = options.profile ?? 0;
  const shapes = manifest.profiles[profile];
  if (shapes === undefined) {
    throw new HoneError("usage", `the engine has ${manifest.profiles.length} profiles, there is none of number ${profile}`, {
      at: { file: path },
    });
  }
  const inputs = manifest.inputs.map((v, i): FeedInput => ({ name: v.name, type: v.type, dims: must(shapes.inputs[i], "a shape") }));
  const engine = { name: path, engine: path, manifest, profile, inputs };
  if (options.model === undefined) return { ...engine, macs: undefined, warnings: [] };
  const model = await readModelFile(options.model, options.signal);
  const same = model.sha256 === manifest.model.sha256;
  const warnings = same ? [] : [`the engine was built from another file than ${options.model}: its hash differs`];
  return { ...engine, model, macs: countMacs(bindProfile(importFile(model, [shapesOf(inputs)]), shapesOf(inputs), model.path)), warnings };
}

const shapesOf = (inputs: readonly FeedInput[]): Record<string, readonly number[]> =>
  Object.fromEntries(inputs.map((v) => [v.name, v.dims]));

/** The cleaned export of an ONNX model as a file; undefined where there is nothing to clean or weights lie in other files. */
export async function writeCleaned({ model, inputs }: Subject, workspace: Workspace): Promise<string | undefined> {
  if (model?.format !== "onnx") return undefined;
  const onnx = readOnnx(model.bytes, { file: model.path });
  if (onnx.graph === undefined || hasExternalData(onnx.graph)) return undefined;
  return await workspace.write("cleaned.onnx", writeOnnx(cleanOnnx(onnx, shapesOf(inputs))));
}
