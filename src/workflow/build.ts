/** From a model file to an engine file. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { buildEngine, type BuildTarget, type EngineBuild } from "../compiler/node/build.ts";
import type { RewriteFor } from "../compiler/compile.ts";
import { WEIGHTS_SECTION, type Precision } from "../engine/format.ts";
import type { Recipe } from "../engine/recipe.ts";
import type { Graph } from "../ir/graph.ts";
import { printGraph } from "../ir/print.ts";
import { funcText } from "../loop/print.ts";
import { photoDims, photoInput } from "../passes/photo-input.ts";
import { PIPELINE } from "../passes/pipeline.ts";
import { HoneError, locate, must } from "../util/errors.ts";
import { given, type JobOptions } from "./events.ts";
import { baseName, importFile, readModelFile, type ModelFile } from "./model-file.ts";
import { writeOutput } from "./output-file.ts";
import { writeWhole } from "../util/node/cache.ts";
import { makeFolder } from "../util/node/folder.ts";
import { unwritable } from "../util/node/unwritable.ts";
import { chooseRecipe, signatureOf } from "./recipe.ts";
import { bindProfile, parseProfiles } from "./shapes.ts";

export type Emit = "c" | "i" | "s" | "o" | "so";
export type Dump = "graph" | "pass" | "loop" | "source" | "asm";

export interface BuildModelOptions extends JobOptions {
  /** Values of --shape. */
  readonly shapes?: readonly string[];
  readonly schedule?: "auto" | "naive";
  /** Native code, WebAssembly or both; by default native code where there is a C compiler. */
  readonly targets?: readonly BuildTarget[] | undefined;
  /** Of those that `hone targets` lists. */
  readonly machine?: string | undefined;
  /** Name of a bundled recipe, or a file. */
  readonly recipe?: string | undefined;
  /** An engine that takes photos as they are decoded: uint8 of [1, H, W, 3], red first. Needs a recipe that says how the model wants them. */
  readonly photoInput?: boolean | undefined;
  /** An engine with one more output, which tells how long each kernel took. */
  readonly timings?: boolean | undefined;
  /** Applied to the optimised graph of each profile. */
  readonly rewrite?: RewriteFor | undefined;
  /** What `rewrite` makes of the graph, for the engine's manifest. */
  readonly precision?: Precision | undefined;
}

export interface BuildFileOptions extends BuildModelOptions {
  /** Path of the engine. */
  readonly output: string;
  /** The stage to end at; at "so" the engine is made too. */
  readonly emit?: Emit | undefined;
  /** Folder for the files of the stages. */
  readonly keep?: string | undefined;
  readonly dump?: readonly Dump[];
  /** Folder for dumps. */
  readonly dumpFolder?: string;
  readonly stopAfter?: string | undefined;
  /** Long work that decides how the graph is rewritten; done when it is known that the output can be written. */
  readonly rewriteBy?: (() => Promise<RewriteFor>) | undefined;
}

/** An engine in memory, and what is told about it. */
export interface BuiltModel {
  readonly model: ModelFile;
  readonly graph: Graph;
  readonly build: EngineBuild;
  readonly recipe?: Recipe;
  readonly recipeWhy: string;
  readonly seconds: number;
}

export interface Prepared {
  readonly model: ModelFile;
  readonly graph: Graph;
  readonly profiles: ReturnType<typeof parseProfiles>;
  readonly recipe?: Recipe;
  readonly recipeWhy: string;
}

/** Everything that can be wrong with the command is found here, before the long work. */
export async function prepare(path: string, options: BuildModelOptions): Promise<Prepared> {
  const profiles = parseProfiles(options.shapes ?? []);
  options.onEvent?.({ kind: "stage", stage: "import" });
  const model = await readModelFile(path, options.signal);
  const graph = { ...importFile(model, profiles), name: baseName(path) };
  const bound = (profiles.length > 0 ? profiles : [{}]).map((p) => bindProfile(graph, p, path));
  const { recipe, why } = await chooseRecipe(signatureOf(must(bound[0], "a profile")), options.recipe, options.signal);
  const prepared = { model, graph, profiles, recipeWhy: why, ...given("recipe", recipe) };
  return options.photoInput === true ? takePhotos(prepared) : prepared;
}

/** What the recipe does to the pixels becomes part of the graph; the recipe that is left only resizes. Throws `usage` without a recipe. */
function takePhotos(prepared: Prepared): Prepared {
  const { graph, profiles, recipe, recipeWhy } = prepared;
  if (!recipe)
    throw new HoneError("usage", `--photo-input needs a recipe, which says how the model wants its pixels: ${recipeWhy}`, {
      hint: "Give one with --recipe NAME|FILE, or leave --photo-input away.",
    });
  const { preprocess, signature } = recipe;
  const { layout } = preprocess;
  const moved = <T extends { readonly shape: readonly (number | null)[] }>(v: T): T => ({ ...v, shape: photoDims(v.shape, layout) });
  return {
    ...prepared,
    graph: photoInput(graph, preprocess),
    profiles: profiles.map((p) => Object.fromEntries(Object.entries(p).map(([name, dims]) => [name, photoDims(dims, layout)]))),
    recipe: {
      ...recipe,
      preprocess: { resize: preprocess.resize, channels: "RGB", layout: "NHWC", dtype: "uint8", mean: [0, 0, 0], std: [1, 1, 1] },
      signature: { ...signature, inputs: signature.inputs.map(moved) },
    },
  };
}

function compile(prepared: Prepared, options: BuildModelOptions, more: Partial<Parameters<typeof buildEngine>[1]>): Promise<EngineBuild> {
  const { model, graph, profiles, recipe } = prepared;
  return buildEngine(graph, {
    ...given("rewrite", options.rewrite),
    ...given("precision", options.precision),
    modelHash: model.sha256,
    format: model.format,
    profiles,
    schedule: options.schedule ?? "auto",
    ...given("machine", options.machine),
    ...given("targets", options.targets),
    ...given("timings", options.timings),
    ...given("recipe", recipe),
    ...given("licence", recipe?.licence),
    ...given("onEvent", options.onEvent),
    ...given("signal", options.signal),
    ...more,
  }).catch((error: unknown) => {
    throw locate(error, { file: model.path });
  });
}

/** Builds an engine in memory. Throws what reading, importing, binding and compiling throw. */
export async function buildModel(path: string, options: BuildModelOptions = {}): Promise<BuiltModel & { readonly engine: Uint8Array }> {
  const began = performance.now();
  const prepared = await prepare(path, options);
  const build = await compile(prepared, options, {});
  const { model, graph, recipe, recipeWhy } = prepared;
  const seconds = (performance.now() - began) / 1000;
  return { model, graph, build, seconds, recipeWhy, engine: must(build.engine, "the engine"), ...given("recipe", recipe) };
}

export interface BuiltFile extends BuiltModel {
  /** Absent when the build stopped before the engine. */
  readonly engine?: { readonly path: string; readonly bytes: number };
  /** Files that were kept or dumped. */
  readonly files: readonly string[];
}

/** Builds an engine file and whatever else was asked for. Throws also `file.unwritable`, before the long work where it can. */
export async function buildFile(path: string, options: BuildFileOptions): Promise<BuiltFile> {
  const began = performance.now();
  const prepared = await prepare(path, options);
  const emit = options.emit ?? "so";
  const dumps = new Dumps(options.dump ?? [], options.dumpFolder ?? `${options.output}.dump`);
  await dumps.open();
  dumps.graph("pass", "imported", prepared.graph);
  const run = async (write?: (bytes: Uint8Array) => Promise<void>): Promise<BuiltFile> => {
    const rewrite = await options.rewriteBy?.();
    const build = await compile(prepared, options, {
      emit,
      ...given("rewrite", rewrite ?? options.rewrite),
      onGraph: (pass, graph) => dumps.graph("pass", pass, graph),
    });
    await dumps.built(build);
    const kept = options.keep === undefined ? [] : await keepStages(build, options.keep, options.emit);
    if (build.engine !== undefined) await write?.(build.engine);
    const { model, graph, recipe, recipeWhy } = prepared;
    return {
      model,
      graph,
      build,
      recipeWhy,
      ...given("recipe", recipe),
      ...given("engine", build.engine && { path: options.output, bytes: build.engine.length }),
      files: [...kept, ...dumps.files],
      seconds: (performance.now() - began) / 1000,
    };
  };
  return emit === "so" ? writeOutput(options.output, run) : run();
}

/** The graph of the first profile after the named pass, as text. Throws `usage` when there is no such pass. */
export async function graphAfter(path: string, pass: string, options: BuildModelOptions): Promise<string> {
  if (pass !== "import" && !PIPELINE.some((p) => p.name === pass)) {
    throw new HoneError("usage", `there is no pass ${pass}`, { hint: `The passes are import, ${PIPELINE.map((p) => p.name).join(", ")}.` });
  }
  const { model, graph, profiles } = await prepare(path, options);
  let at = bindProfile(graph, profiles[0] ?? {}, path);
  try {
    for (const step of pass === "import" ? [] : PIPELINE) {
      at = step.run(at);
      if (step.name === pass) break;
    }
  } catch (error) {
    throw locate(error, { file: model.path });
  }
  return printGraph(at);
}

/** Copies the files of the stages into a folder: all, or those of one stage, with the header and, for C and libraries, the weights. */
async function keepStages(build: EngineBuild, folder: string, only: Emit | undefined): Promise<string[]> {
  const wanted = only === undefined || only === "so" ? build.artifacts : build.outputs;
  const files: string[] = [];
  try {
    await makeFolder(folder);
    for (const { name, stage, path } of wanted) {
      const file = join(folder, `${name}.${stage}`);
      await writeWhole(file, await readFile(path), 0o666);
      files.push(file);
    }
    const beside: readonly (readonly [string, string | Uint8Array])[] = [
      ...(build.header ? [[build.header.name, build.header.text] as const] : []),
      ...build.modules.flatMap(({ machine, sections, text }) => [
        [`engine.${machine.name}.wasm`, must(sections[0], "the module").bytes] as const,
        [`engine.${machine.name}.wat`, text()] as const,
      ]),
      [`${WEIGHTS_SECTION}.bin`, build.compiled.weights],
    ];
    for (const [name, content] of beside) {
      await writeWhole(join(folder, name), content, 0o666);
      files.push(join(folder, name));
    }
  } catch (cause) {
    throw new HoneError("file.unwritable", `the stages cannot be kept: ${cause instanceof Error ? cause.message : String(cause)}`, {
      at: { file: folder },
      hint: "Choose another folder with --keep FOLDER.",
      cause,
    });
  }
  return files;
}

/** Text files of the steps between, for debugging. */
class Dumps {
  readonly files: string[] = [];
  readonly #kinds: ReadonlySet<Dump>;
  readonly #folder: string;
  readonly #texts: (readonly [string, string])[] = [];

  constructor(kinds: readonly Dump[], folder: string) {
    this.#kinds = new Set(kinds);
    this.#folder = folder;
  }

  async open(): Promise<void> {
    if (this.#kinds.size === 0) return;
    try {
      await makeFolder(this.#folder);
    } catch (cause) {
      throw new HoneError("file.unwritable", "the folder for dumps cannot be made", { at: { file: this.#folder }, cause });
    }
  }

  graph(kind: "graph" | "pass", name: string, graph: Graph): void {
    if (this.#kinds.has(kind)) this.#texts.push([`${String(this.#texts.length).padStart(2, "0")}-${name}.ir`, printGraph(graph)]);
  }

  async built({ compiled, artifacts, modules }: EngineBuild): Promise<void> {
    if (this.#kinds.has("graph")) {
      this.#texts.push(["graph.ir", printGraph(compiled.graph)]);
      compiled.programs.forEach((p, i) => this.#texts.push([`profile-${i}.ir`, printGraph(p.graph)]));
    }
    if (this.#kinds.has("loop")) {
      compiled.programs.forEach((p, i) => this.#texts.push([`profile-${i}.loop`, p.calls.map((c) => funcText(c.func)).join("\n")]));
    }
    if (this.#kinds.has("source")) modules.forEach((m) => this.#texts.push([`engine.${m.machine.name}.wat`, m.text()]));
    const stages = [...(this.#kinds.has("source") ? ["c"] : []), ...(this.#kinds.has("asm") ? ["s"] : [])];
    const copies = artifacts.filter((a) => stages.includes(a.stage));
    try {
      for (const [name, text] of this.#texts) await this.#write(name, text);
      for (const { name, stage, path } of copies) await this.#write(`${name}.${stage}`, await readFile(path));
    } catch (cause) {
      throw unwritable(cause, this.#folder, "Make room for the dumps, or ask for fewer.");
    }
  }

  async #write(name: string, content: string | Uint8Array): Promise<void> {
    const file = join(this.#folder, name);
    await writeWhole(file, content, 0o666);
    this.files.push(file);
  }
}
