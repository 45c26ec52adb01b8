/** The demo's detector as it can be run: float32 and int8, as native code and as WebAssembly; measured side by side. */
import { join } from "node:path";
import type { BuildTarget } from "../compiler/node/build.ts";
import type { Image } from "../data/image.ts";
import { preprocess } from "../data/normalize.ts";
import { must } from "../util/errors.ts";
import type { Face } from "../vision/face.ts";
import { buildFile, buildModel, type BuiltFile } from "./build.ts";
import { calibrateModel } from "./calibrate.ts";
import { LEAST_SCORE, scorePhotos, type MarkedPhoto } from "./demo-eval.ts";
import { given, type JobOptions } from "./events.ts";
import { findFaces, openDetector, sizeFor, type Detector } from "./face.ts";
import { int8From, type Int8 } from "./int8.ts";
import { baseName } from "./model-file.ts";

/** An engine beside the others. */
export interface DemoRow {
  readonly precision: "fp32" | "int8";
  readonly code: "native code" | "WebAssembly";
  /** Its file. */
  readonly engine: string;
  readonly bytes: number;
  /** The least of several runs of the model alone; the engines took turns. */
  readonly latencyMs: number;
  /** COCO's, against faces marked by eye; absent for photos that nobody marked. */
  readonly AP?: number;
  readonly AP50?: number;
}

export interface DemoTable {
  readonly rows: readonly DemoRow[];
  /** Of each row's latency. */
  readonly runs: number;
  /** Photos that an int8 engine was calibrated with. */
  readonly calibratedWith: number;
  /** Whether each photo was scored by an int8 engine that had been calibrated without it. */
  readonly heldOut: boolean;
}

/** A photo, its path, and its marks if somebody marked it. */
export interface DemoPicture {
  readonly path: string;
  readonly image: Image;
  readonly marks: MarkedPhoto | undefined;
}

interface Opened {
  readonly precision: DemoRow["precision"];
  readonly code: DemoRow["code"];
  readonly built: BuiltFile;
  /** What finds the faces of the pictures of even and of odd numbers. */
  readonly halves: readonly [Detector, Detector];
}

/** More photos than these are not calibrated with: the demo is to be quick. */
const MOST_CALIBRATED = 32;

/** Opens what is built and closes all of it at the end. */
class Opener {
  readonly #detectors: Detector[] = [];

  async open(source: string | Uint8Array, signal: AbortSignal | undefined): Promise<Detector> {
    const detector = await openDetector(source, undefined, signal);
    this.#detectors.push(detector);
    return detector;
  }

  async close(): Promise<void> {
    for (const { session } of this.#detectors) await session.close();
  }
}

/**
 * Builds the engines besides the first one, times and scores all of them.
 * @param first the float engine that is built: what it can run as, the others are built for
 */
export async function measureEngines(
  model: string,
  first: BuiltFile,
  pictures: readonly DemoPicture[],
  options: JobOptions & { readonly folder: string },
): Promise<DemoTable> {
  const { onEvent, signal } = options;
  const opener = new Opener();
  try {
    const native = first.build.target !== "wasm";
    const targets: readonly BuildTarget[] = native ? ["native", "wasm"] : ["wasm"];
    const opened: Opened[] = [];
    for (const target of targets) {
      const built =
        target === targets[0] ? first : await buildFile(model, { ...paths(model, options.folder, "fp32", target), onEvent, signal });
      const detector = await opener.open(must(built.engine, "the engine").path, signal);
      opened.push({ precision: "fp32", code: codeOf(target), built, halves: [detector, detector] });
    }
    const { list, ...calibrated } = await int8Engines(model, targets, pictures, opener, options);
    const all = [...opened, ...list].sort((a, b) => targets.indexOf(targetOf(a)) - targets.indexOf(targetOf(b)));
    onEvent?.({ kind: "step", text: "timing and scoring the engines" });
    const times = await timed(
      all.map((e) => e.halves[0]),
      must(pictures[0], "a photo").image,
      signal,
    );
    const rows: DemoRow[] = [];
    for (const [i, { precision, code, built, halves }] of all.entries()) {
      const { path, bytes } = must(built.engine, "the engine");
      rows.push({ precision, code, engine: path, bytes, latencyMs: times[i] ?? 0, ...(await scored(halves, pictures, signal)) });
    }
    return { rows, runs: RUNS, ...calibrated };
  } finally {
    await opener.close();
  }
}

const codeOf = (target: BuildTarget): DemoRow["code"] => (target === "native" ? "native code" : "WebAssembly");
const targetOf = ({ code }: Opened): BuildTarget => (code === "native code" ? "native" : "wasm");

function paths(model: string, folder: string, precision: string, target: BuildTarget): { output: string; targets: readonly BuildTarget[] } {
  const name = [baseName(model), ...(precision === "fp32" ? [] : [precision]), ...(target === "wasm" ? ["wasm"] : [])].join("-");
  return { output: join(folder, `${name}.hone`), targets: [target] };
}

interface Int8Engines extends Pick<DemoTable, "calibratedWith" | "heldOut"> {
  readonly list: readonly Opened[];
}

/** Two for each target where there are two photos: each calibrated with one half of them and used on the other. */
async function int8Engines(
  model: string,
  targets: readonly BuildTarget[],
  pictures: readonly DemoPicture[],
  opener: Opener,
  options: JobOptions & { readonly folder: string },
): Promise<Int8Engines> {
  const { onEvent, signal, folder } = options;
  const heldOut = pictures.length > 1;
  const calibrate = async (half: number): Promise<Int8> => {
    const images = pictures.filter((_, i) => !heldOut || i % 2 === half).map((p) => p.path);
    // Nothing is tried out, which would build an engine for each trial.
    const made = await calibrateModel(model, {
      images: images.slice(0, MOST_CALIBRATED),
      method: "minmax",
      adjust: false,
      onEvent,
      signal,
    });
    return int8From(made, "the table");
  };
  const odd = await calibrate(1);
  const even = heldOut ? await calibrate(0) : odd;
  const list: Opened[] = [];
  for (const target of targets) {
    const common = { precision: "int8", onEvent, signal } as const;
    const built = await buildFile(model, { ...common, ...paths(model, folder, "int8", target), rewrite: odd.rewrite });
    const first = await opener.open(must(built.engine, "the engine").path, signal);
    const other = heldOut
      ? await opener.open((await buildModel(model, { ...common, targets: [target], rewrite: even.rewrite })).engine, signal)
      : first;
    list.push({ precision: "int8", code: codeOf(target), built, halves: [first, other] });
  }
  return { list, calibratedWith: odd.photos, heldOut };
}

async function scored(
  halves: Opened["halves"],
  pictures: readonly DemoPicture[],
  signal: AbortSignal | undefined,
): Promise<{ readonly AP?: number; readonly AP50?: number }> {
  const marked: MarkedPhoto[] = [];
  const found: Face[][] = [];
  for (const [i, { image, marks }] of pictures.entries()) {
    if (marks === undefined) continue;
    marked.push(marks);
    found.push(await findFaces(i % 2 === 0 ? halves[0] : halves[1], image, { minScore: LEAST_SCORE, ...given("signal", signal) }));
  }
  if (marked.length === 0) return {};
  const { AP, AP50 } = scorePhotos(marked, found);
  return { AP, AP50 };
}

const RUNS = 20;
const WARM_UP = 3;

/** The least milliseconds of each detector's model; they run in turns, so that what else the machine does hits all. */
async function timed(detectors: readonly Detector[], image: Image, signal: AbortSignal | undefined): Promise<number[]> {
  const least = detectors.map(() => Infinity);
  const feeds = detectors.map((detector) => {
    const { session, recipe } = detector;
    const size = must(sizeFor(detector, image), "the input's size");
    return { [must(session.inputNames[0], "an input")]: preprocess(image, size.width, size.height, recipe.preprocess).tensor };
  });
  for (let round = 0; round < RUNS + WARM_UP; round++) {
    for (const [i, { session }] of detectors.entries()) {
      const began = performance.now();
      await session.run(must(feeds[i], "feeds"), { signal });
      if (round >= WARM_UP) least[i] = Math.min(least[i] ?? Infinity, performance.now() - began);
    }
  }
  return least;
}
