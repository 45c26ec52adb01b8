/** The photos that a model is calibrated and judged with. */
import { createHash } from "node:crypto";
import { loadImage } from "../data/node/decode.ts";
import { listImages } from "../data/node/source.ts";
import type { Recipe } from "../engine/recipe.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { staticShape } from "../tensor/dim.ts";
import { HoneError, type Problem } from "../util/errors.ts";
import { given, type JobOptions } from "./events.ts";
import { imageFeeds, type TensorFeeds } from "./feeds.ts";
import { readBounded } from "./model-file.ts";

/** Photos in the order of their content's hash; each content once. */
export interface Photos {
  readonly files: readonly { readonly path: string; readonly hash: string }[];
  /** By the hash, the paths of further copies of a photo. */
  readonly copies: ReadonlyMap<string, readonly string[]>;
  readonly skipped: readonly Problem[];
}

/** No image that is decoded has more. */
const MAX_PHOTO_BYTES = 1_000_000_000;

/** Finds photos by their paths and those of their folders. Throws what listing throws. */
export async function findPhotos(images: readonly string[], signal: AbortSignal | undefined): Promise<Photos> {
  const lists = await Promise.all(images.map((path) => listImages(path, { recursive: true, ...given("signal", signal) })));
  const paths = lists.flat();
  const byHash = new Map<string, string>();
  const copies = new Map<string, readonly string[]>();
  const skipped: Problem[] = [];
  for (const path of paths) {
    if (signal?.aborted === true) throw new HoneError("aborted", "calibration was aborted");
    try {
      const hash = createHash("sha256")
        .update(await readBounded(path, MAX_PHOTO_BYTES, signal))
        .digest("hex");
      if (byHash.has(hash)) copies.set(hash, [...(copies.get(hash) ?? []), path]);
      else byHash.set(hash, path);
    } catch (error) {
      skipped.push({ message: error instanceof Error ? error.message : String(error), at: { file: path } });
    }
  }
  return { files: [...byHash].sort(([a], [b]) => (a < b ? -1 : 1)).map(([hash, path]) => ({ path, hash })), copies, skipped };
}

/** From so many photos on some are held back. */
const ENOUGH = 16;

export interface Split {
  /** Those that ranges are taken from. */
  readonly taken: Photos["files"];
  /** Those that judge what is tried. Of few photos all do both. */
  readonly judges: Photos["files"];
  readonly apart: boolean;
}

/** Holds back an eighth of the photos: those whose hash begins with a byte below 32, so that it is always the same ones. */
export function holdBack(files: Photos["files"]): Split {
  const isHeld = ({ hash }: Photos["files"][number]): boolean => Number.parseInt(hash.slice(0, 2), 16) < 32;
  const judges = files.filter(isHeld);
  const taken = files.filter((f) => !isHeld(f));
  const apart = files.length >= ENOUGH && judges.length > 0 && taken.length > 0;
  return apart ? { taken, judges, apart } : { taken: files, judges: files, apart };
}

const feedInputs = (graph: Graph): { name: string; type: Value["dtype"]; dims: readonly number[] }[] =>
  graph.inputs.map((v) => ({ name: v.name, type: v.dtype, dims: staticShape(v.shape, `the input ${v.name}`) }));

/** What a photo feeds into the model. Throws what loading throws. */
async function photoFeeds(path: string, graph: Graph, recipe: Recipe | undefined, signal?: AbortSignal): Promise<TensorFeeds> {
  return imageFeeds(await loadImage(path, given("signal", signal)), feedInputs(graph), recipe);
}

/** Something that runs on a model's feeds. */
interface Runner {
  readonly graph: Graph;
  readonly recipe: Recipe | undefined;
}

/** Hands what each photo feeds to `use`, one at a time, in their order. Gives the photos that could not be decoded. */
export async function eachPhoto(
  files: Photos["files"],
  { graph, recipe }: Runner,
  { onEvent, signal }: JobOptions,
  use: (feeds: TensorFeeds, photo: Photos["files"][number]) => Promise<void>,
): Promise<Problem[]> {
  const skipped: Problem[] = [];
  for (const [i, photo] of files.entries()) {
    const feeds = await photoFeeds(photo.path, graph, recipe, signal).catch((error: unknown) => {
      if (error instanceof HoneError && error.code.startsWith("image.")) return error;
      throw error;
    });
    if (feeds instanceof HoneError) skipped.push({ message: feeds.message, at: { file: photo.path } });
    else await use(feeds, photo);
    onEvent?.({ kind: "progress", done: i + 1, total: files.length });
  }
  return skipped;
}
