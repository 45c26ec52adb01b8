/** Runs an engine file once on what it is fed. */
import { join } from "node:path";
import type { Manifest } from "../engine/format.ts";
import { readEngineFile } from "../runtime/node/file.ts";
import { Session } from "../runtime/node/session.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { isStrings, type AnyTensor } from "../text/tensor.ts";
import { fromBFloat16, fromFloat16 } from "../tensor/half.ts";
import { HoneError, must } from "../util/errors.ts";
import { parseRecipe } from "../vision/recipes.ts";
import { given, type JobOptions } from "./events.ts";
import { makeFeeds, type FeedInput, type FeedOptions } from "./feeds.ts";
import { writeNpy } from "./npy.ts";
import { takeStrings } from "./string-feeds.ts";
import { writeOutputs } from "./output-file.ts";
import { loadRecipe, signatureOfProfile } from "./recipe.ts";
import type { Recipe } from "../engine/recipe.ts";

export interface RunFileOptions extends JobOptions, Omit<FeedOptions, "signal" | "images"> {
  readonly image?: string | undefined;
  /** Which profile random feeds and images are for; the first by default. */
  readonly profile?: number;
  readonly recipe?: string | undefined;
  /** Folder for outputs as .npy files; strings as .json. */
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
  /** The first of an output of strings, which has no numbers to tell. */
  readonly strings?: readonly string[];
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
  const { others, strings } = await takeStrings(manifest.host, options.arrays ?? [], signal);
  // What JavaScript makes for the kernels is not fed.
  const fed = inputs.filter((v) => manifest.host?.inputs.some((own) => own.name === v.name) ?? true);
  const sets = await makeFeeds(fed, recipe, {
    ...options,
    arrays: others,
    ...given("images", options.image === undefined ? undefined : [options.image]),
  });
  const { label, feeds } = must(sets[0], "feeds");
  const session = await Session.open(path, { signal, contexts: 1 });
  try {
    const began = performance.now();
    const results = await session.run<AnyTensor>({ ...feeds, ...strings }, { signal });
    const milliseconds = performance.now() - began;
    const files = fileNames(session.outputNames);
    const { outputFolder } = options;
    const outputs = session.outputNames.map((name, i): OutputSummary => {
      const t = must(results[name], name);
      const ending = isStrings(t) ? "json" : "npy";
      const file = outputFolder === undefined ? {} : { file: join(outputFolder, `${files[i] ?? name}.${ending}`) };
      const told = isStrings(t) ? { ...NO_NUMBERS, strings: t.data.slice(0, SHOWN) } : statistics(t);
      return { name, type: t.type, dims: t.dims, ...told, ...file };
    });
    await writeOutputs(
      outputs.flatMap(({ name, file }) => (file === undefined ? [] : [{ path: file, bytes: written(must(results[name], name)) }])),
    );
    const texts = Object.keys(strings);
    const what = [...(texts.length > 0 ? [`strings for ${texts.join(", ")}`] : []), ...(fed.length > 0 ? [label] : [])].join("; ");
    return { engine: path, target: session.info.target, feeds: what === "" ? "nothing" : what, milliseconds, outputs };
  } finally {
    await session.close();
  }
}

const NO_NUMBERS = { min: 0, max: 0, mean: 0, notFinite: 0 };
/** Strings of an output that are told. */
const SHOWN = 8;

/** Strings as lists in lists, for --input of another model. */
function written(t: AnyTensor): Uint8Array {
  if (!isStrings(t)) return writeNpy(t);
  const nested = t.dims.slice(1).reduceRight<readonly unknown[]>((list, d) => {
    const groups = d === 0 ? 0 : list.length / d;
    return Array.from({ length: groups }, (_, i) => list.slice(i * d, (i + 1) * d));
  }, t.data);
  return new TextEncoder().encode(`${JSON.stringify(t.dims.length === 0 ? t.data[0] : nested)}\n`);
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
