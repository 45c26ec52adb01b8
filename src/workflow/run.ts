/** Runs an engine file once on what it is fed. */
import { join } from "node:path";
import type { Manifest } from "../engine/format.ts";
import { readEngineFile } from "../runtime/node/file.ts";
import { Session } from "../runtime/node/session.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { fromBFloat16, fromFloat16 } from "../tensor/half.ts";
import { HoneError, must } from "../util/errors.ts";
import { parseRecipe } from "../vision/recipes.ts";
import { given, type JobOptions } from "./events.ts";
import { makeFeeds, type FeedInput, type FeedOptions } from "./feeds.ts";
import { writeNpy } from "./npy.ts";
import { writeOutputs } from "./output-file.ts";
import { loadRecipe, signatureOfProfile } from "./recipe.ts";
import type { Recipe } from "../engine/recipe.ts";

export interface RunFileOptions extends JobOptions, Omit<FeedOptions, "signal" | "images"> {
  readonly image?: string | undefined;
  /** Which profile random feeds and images are for; the first by default. */
  readonly profile?: number;
  readonly recipe?: string | undefined;
  /** Folder for outputs as .npy files. */
  readonly outputFolder?: string | undefined;
}

export interface OutputSummary {
  readonly name: string;
  readonly type: string;
  readonly dims: readonly number[];
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Elements that are not finite numbers. */
  readonly notFinite: number;
  readonly file?: string;
}

export interface RunResult {
  readonly engine: string;
  readonly target: string;
  readonly feeds: string;
  /** Of the one run. */
  readonly milliseconds: number;
  readonly outputs: readonly OutputSummary[];
}

/** The recipe that an engine carries, if any. Throws `recipe.invalid` when it is none. */
export const recipeOf = (manifest: Manifest, file: string): Recipe | undefined =>
  manifest.recipe === undefined ? undefined : parseRecipe(manifest.recipe, file);

export async function runFile(path: string, options: RunFileOptions): Promise<RunResult> {
  const { signal } = options;
  const { manifest } = await readEngineFile(path, signal);
  const recipe = options.recipe === undefined ? recipeOf(manifest, path) : await loadRecipe(options.recipe, signal);
  const index = options.profile ?? 0;
  if (manifest.profiles[index] === undefined) {
    throw new HoneError("usage", `the engine has ${manifest.profiles.length} profiles, there is none of number ${index}`, {
      at: { file: path },
    });
  }
  const inputs = signatureOfProfile(manifest, index).inputs.map((v, i): FeedInput => ({
    name: v.name,
    type: must(manifest.inputs[i], "input").type,
    dims: v.dims.map(Number),
  }));
  const sets = await makeFeeds(inputs, recipe, {
    ...options,
    ...given("images", options.image === undefined ? undefined : [options.image]),
  });
  const { label, feeds } = must(sets[0], "feeds");
  const session = await Session.open(path, { signal, contexts: 1 });
  try {
    const began = performance.now();
    const results = await session.run(feeds, { signal });
    const milliseconds = performance.now() - began;
    const files = fileNames(session.outputNames);
    const { outputFolder } = options;
    const outputs = session.outputNames.map((name, i): OutputSummary => {
      const t = must(results[name], name);
      const file = outputFolder === undefined ? {} : { file: join(outputFolder, `${files[i] ?? name}.npy`) };
      return { name, type: t.type, dims: t.dims, ...statistics(t), ...file };
    });
    await writeOutputs(
      outputs.flatMap(({ name, file }) => (file === undefined ? [] : [{ path: file, bytes: writeNpy(must(results[name], name)) }])),
    );
    return { engine: path, target: session.info.target, feeds: label, milliseconds, outputs };
  } finally {
    await session.close();
  }
}

/** Names that any file system takes, all different. */
function fileNames(outputs: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return outputs.map((name, i) => {
    const plain = name.replace(/[^\w.-]+/g, "_").slice(0, 200);
    const free = taken.has(plain.toLowerCase()) ? `${plain}.${i}` : plain;
    taken.add(free.toLowerCase());
    return free;
  });
}

function statistics({ type, data }: Tensor): Pick<OutputSummary, "min" | "max" | "mean" | "notFinite"> {
  const decode = type === "float16" ? fromFloat16 : type === "bfloat16" ? fromBFloat16 : (x: number): number => x;
  let [min, max, sum, finite] = [Infinity, -Infinity, 0, 0];
  for (const raw of data) {
    const x = decode(Number(raw));
    if (!Number.isFinite(x)) continue;
    finite++;
    sum += x;
    if (x < min) min = x;
    if (x > max) max = x;
  }
  const none = finite === 0;
  return { min: none ? 0 : min, max: none ? 0 : max, mean: none ? 0 : sum / finite, notFinite: data.length - finite };
}
