/** Faces in a photo, with whichever engine has a recipe for them. */
import type { Image } from "../data/image.ts";
import { loadImage } from "../data/node/decode.ts";
import { encodeImage, formatOf } from "../data/node/encode.ts";
import type { Recipe } from "../engine/recipe.ts";
import { Session } from "../runtime/node/session.ts";
import { HoneError } from "../util/errors.ts";
import { inputSize } from "../vision/bind.ts";
import type { Size } from "../vision/decoders/decoder.ts";
import { drawFaces } from "../vision/draw.ts";
import type { DecodeOptions } from "../vision/detect.ts";
import { detectFaces, type Face } from "../vision/face.ts";
import { detectorEngine } from "./detector.ts";
import { given, type JobOptions } from "./events.ts";
import { writeOutput } from "./output-file.ts";
import { requireRecipe, signatureOfProfile } from "./recipe.ts";
import { recipeOf } from "./run.ts";

export interface FaceOptions extends JobOptions, DecodeOptions {
  /** Default: the detector of the optional peer. */
  readonly engine?: string | undefined;
  readonly recipe?: string | undefined;
  /** Where to draw. */
  readonly output?: string | undefined;
}

export interface FoundFaces {
  readonly file: string;
  readonly image: { readonly width: number; readonly height: number };
  readonly faces: readonly Face[];
  readonly engine: string;
  readonly recipe: string;
  /** From pixels to faces: preprocessing, model and decoding. */
  readonly milliseconds: number;
  readonly output?: string;
}

/** An engine that is open, and what it means. */
export interface Detector {
  readonly session: Session;
  readonly recipe: Recipe;
  readonly engine: string;
}

/** Opens an engine: its path, or its bytes and what they are called. Throws `recipe.unknown` when it has none and no bundled one fits. */
export async function openDetector(
  source: string | Uint8Array,
  asked?: string,
  signal?: AbortSignal,
  engine: string = typeof source === "string" ? source : "engine",
): Promise<Detector> {
  const session = await Session.open(source, { native: "allow", signal, contexts: 1 });
  try {
    const own = asked === undefined ? recipeOf(session.manifest, engine) : undefined;
    const recipe = own ?? (await requireRecipe(signatureOfProfile(session.manifest, 0), asked, engine, signal));
    return { session, recipe, engine };
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** The size of the profile that suits a photo. */
export function sizeFor({ session, recipe }: Detector, image: Size): Size | undefined {
  return nearestSize(
    session.manifest.profiles.flatMap((p) => inputSize(recipe, p.inputs[0] ?? []) ?? []),
    image,
  );
}

/** The size that suits a photo: the nearest in shape, and of equal ones the largest. */
export function nearestSize(sizes: readonly Size[], image: Size): Size | undefined {
  const bend = (s: Size): number => Math.abs(Math.log((s.width / s.height) * (image.height / image.width)));
  return sizes.toSorted((a, b) => Math.round((bend(a) - bend(b)) * 1000) || b.width * b.height - a.width * a.height)[0];
}

export async function findFaces(detector: Detector, image: Image, options: FaceOptions = {}): Promise<Face[]> {
  return detectFaces(detector.session, detector.recipe, image, {
    ...given("size", sizeFor(detector, image)),
    ...given("minScore", options.minScore),
    ...given("iou", options.iou),
    ...given("signal", options.signal),
  });
}

/** Finds the faces of a photo, and draws them when an output is named. */
export async function faceFile(photo: string, options: FaceOptions = {}): Promise<FoundFaces> {
  const { output, signal } = options;
  if (output === undefined) return (await detect(photo, options)).found;
  const format = formatOf(output);
  return writeOutput(output, async (write) => {
    const { found, image } = await detect(photo, options);
    const bytes = await encodeImage(drawFaces(image, found.faces), format);
    if (signal?.aborted) throw new HoneError("aborted", "drawing was aborted");
    await write(bytes);
    return { ...found, output };
  });
}

async function detect(photo: string, options: FaceOptions): Promise<{ found: FoundFaces; image: Image }> {
  const image = await loadImage(photo, given("signal", options.signal));
  const engine = options.engine ?? (await detectorEngine(options));
  const detector = await openDetector(engine, options.recipe, options.signal);
  try {
    options.onEvent?.({ kind: "step", text: "looking for faces" });
    const began = performance.now();
    const faces = await findFaces(detector, image, options);
    const milliseconds = performance.now() - began;
    const { width, height } = image;
    return { image, found: { file: photo, image: { width, height }, faces, engine, recipe: detector.recipe.name, milliseconds } };
  } finally {
    await detector.session.close();
  }
}
