/** Tensors for a model's inputs: from an image, from .npy files, or seeded random numbers. */
import type { Image } from "../data/image.ts";
import { fitImage } from "../data/letterbox.ts";
import { preprocess, toTensor } from "../data/normalize.ts";
import { loadImage } from "../data/node/decode.ts";
import type { Preprocess, Recipe } from "../engine/recipe.ts";
import { DTYPES, type DType } from "../tensor/dtype.ts";
import { toFloat16, toBFloat16 } from "../tensor/half.ts";
import { tensor, zeros, type Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import { inputSize } from "../vision/bind.ts";
import { given } from "./events.ts";
import { readBounded } from "./model-file.ts";
import { readNpy } from "./npy.ts";

export interface FeedInput {
  readonly name: string;
  readonly type: DType;
  readonly dims: readonly number[];
}

export type TensorFeeds = Readonly<Record<string, Tensor>>;

/** mulberry32 (T. Ettinger): the same numbers on every machine. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One tensor for each input: floats uniform in [-1, 1), integers 0 or 1 (8 bits: their whole range). With a recipe, a picture of noise. */
export function randomFeeds(inputs: readonly FeedInput[], recipe: Recipe | undefined, seed: number): TensorFeeds {
  const next = randomNumbers(seed);
  const [only] = inputs;
  const size = recipe && only && inputs.length === 1 ? inputSize(recipe, only.dims) : undefined;
  if (recipe && only && size) {
    const data = Uint8Array.from({ length: size.width * size.height * 3 }, () => next() * 256);
    return { [only.name]: toTensor({ ...size, channels: 3, data }, recipe.preprocess) };
  }
  return Object.fromEntries(inputs.map((input) => [input.name, randomTensor(input, next)]));
}

function randomTensor({ type, dims }: FeedInput, next: () => number): Tensor {
  const t = zeros(type, dims);
  const { data } = t;
  for (let i = 0; i < data.length; i++) {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(Math.floor(next() * 2));
    else data[i] = encodeRandom(type, next());
  }
  return t;
}

function encodeRandom(type: DType, x: number): number {
  if (type === "float16") return toFloat16(x * 2 - 1);
  if (type === "bfloat16") return toBFloat16(x * 2 - 1);
  if (DTYPES[type].class === "float") return x * 2 - 1;
  return type === "uint8" ? x * 256 : type === "int8" ? x * 256 - 128 : x * 2;
}

/**
 * An image for a model with one input: through the recipe, or without one stretched to the input and scaled to 0–1 (uint8 as it is).
 * Throws `usage` when the model has other inputs or one that is no picture.
 */
export function imageFeeds(image: Image, inputs: readonly FeedInput[], recipe: Recipe | undefined): TensorFeeds {
  const [input, ...others] = inputs;
  if (!input || others.length > 0) {
    throw new HoneError("usage", `--image feeds models with one input; this one has ${inputs.length}`, {
      hint: "Give each input with --input NAME=FILE.npy, or leave --image away for random inputs.",
    });
  }
  const size = recipe && inputSize(recipe, input.dims);
  if (recipe && size) return { [input.name]: preprocess(image, size.width, size.height, recipe.preprocess).tensor };
  return { [input.name]: plainPicture(image, input) };
}

const STRETCH = { dialect: "cv2", fit: "stretch", place: "centre", fill: [0, 0, 0] } as const;

/** Where a picture's axes are in an input of four dimensions; undefined for what is no picture. */
function pictureAxes({ dims, type }: FeedInput): { planar: boolean; channels: number; height: number; width: number } | undefined {
  const [batch, a = 0, b = 0, c = 0] = dims;
  if (dims.length !== 4 || batch !== 1 || (type !== "float32" && type !== "uint8")) return undefined;
  if (a === 3 || a === 1) return { planar: true, channels: a, height: b, width: c };
  return c === 3 || c === 1 ? { planar: false, channels: c, height: a, width: b } : undefined;
}

function plainPicture(image: Image, input: FeedInput): Tensor {
  const axes = pictureAxes(input);
  if (axes === undefined) {
    throw new HoneError("usage", `the input ${input.name}, ${input.type}[${input.dims.join(",")}], takes no image without a recipe`, {
      hint: "Give --recipe NAME|FILE, or --input NAME=FILE.npy.",
    });
  }
  const type = input.type === "uint8" ? "uint8" : "float32";
  const picture = fitImage(image, axes.width, axes.height, STRETCH).image;
  const std = type === "uint8" ? 1 : 255;
  if (axes.channels === 1) return grey(picture, type, input.dims, std);
  const rule: Omit<Preprocess, "resize"> = {
    channels: "RGB",
    layout: axes.planar ? "NCHW" : "NHWC",
    dtype: type,
    mean: [0, 0, 0],
    std: [std, std, std],
  };
  return toTensor(picture, rule);
}

/** Luma of ITU-R BT.601. */
function grey({ data }: Image, type: "float32" | "uint8", dims: readonly number[], divisor: number): Tensor {
  const out = zeros(type, dims).data;
  for (let i = 0; i < out.length; i++) {
    const luma = 0.299 * (data[i * 3] ?? 0) + 0.587 * (data[i * 3 + 1] ?? 0) + 0.114 * (data[i * 3 + 2] ?? 0);
    out[i] = type === "uint8" ? Math.round(luma) : luma / divisor;
  }
  return tensor(type, dims, out);
}

export interface FeedOptions {
  readonly images?: readonly string[];
  /** Values of --input: `name=file.npy`. */
  readonly arrays?: readonly string[];
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface NamedFeeds {
  /** What was fed, for people. */
  readonly label: string;
  readonly feeds: TensorFeeds;
}

/** The feeds that were asked for, one set for each image; without images and arrays, random ones. */
export async function makeFeeds(
  inputs: readonly FeedInput[],
  recipe: Recipe | undefined,
  options: FeedOptions,
): Promise<readonly NamedFeeds[]> {
  const { images = [], arrays = [], seed = 1, signal } = options;
  if (images.length > 0 && arrays.length > 0) throw new HoneError("usage", "--image and --input are two ways to feed a model: give one");
  if (arrays.length > 0) return [{ label: "arrays", feeds: await loadArrays(arrays, inputs, signal) }];
  if (images.length === 0) return [{ label: `random, seed ${seed}`, feeds: randomFeeds(inputs, recipe, seed) }];
  const sets: NamedFeeds[] = [];
  for (const path of images) {
    const image = await loadImage(path, given("signal", signal));
    sets.push({ label: path, feeds: imageFeeds(image, inputs, recipe) });
  }
  return sets;
}

const MAX_ARRAY_BYTES = 2 ** 32 - 1;

async function loadArrays(flags: readonly string[], inputs: readonly FeedInput[], signal?: AbortSignal): Promise<TensorFeeds> {
  const feeds: Record<string, Tensor> = {};
  for (const flag of flags) {
    const cut = flag.indexOf("=");
    const [only] = inputs;
    const name = cut > 0 ? flag.slice(0, cut) : inputs.length === 1 ? (only?.name ?? "") : "";
    if (name === "") throw new HoneError("usage", `"${flag}" names no input`, { hint: "Write it as --input NAME=FILE.npy." });
    const path = flag.slice(cut + 1);
    feeds[name] = readNpy(await readBounded(path, MAX_ARRAY_BYTES, signal), path);
  }
  return feeds;
}
