/** The face detector that is used when none is named: MediaPipe's full-range model from npm, built once into the user's cache. */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { HONE_VERSION } from "../compiler/version.ts";
import { findCompiler } from "../toolchain/compiler.ts";
import { HoneError } from "../util/errors.ts";
import { asUnwritable } from "../util/node/unwritable.ts";
import { cacheFolder, markUsed, pruneUnused, writeWhole } from "../util/node/cache.ts";
import { Session } from "../runtime/node/session.ts";
import { buildModel } from "./build.ts";
import type { JobOptions } from "./events.ts";

const DETECTOR_PACKAGE = "@mediapipe/face_detection";
const DETECTOR_FILE = "face_detection_full_range.tflite";

/** The path of a file of an npm package: one that is installed beside hone, or in the current folder. */
export function packageFile(name: string, file: string): string | undefined {
  for (const from of [import.meta.url, pathToFileURL(join(process.cwd(), "package.json")).href]) {
    try {
      return createRequire(from).resolve(`${name}/${file}`);
    } catch {
      // Not installed there; the next place may have it.
    }
  }
  return undefined;
}

/** The path of the detector's model. Throws `dependency.missing` with the line that installs it. */
export function detectorModel(): string {
  const found = packageFile(DETECTOR_PACKAGE, DETECTOR_FILE);
  if (found !== undefined) return found;
  throw new HoneError("dependency.missing", `without --engine, faces are found with the model in the package ${DETECTOR_PACKAGE}`, {
    hint: `npm install ${DETECTOR_PACKAGE}`,
  });
}

/** The path of the detector's engine, which is built the first time. Throws what building throws. */
export async function detectorEngine(options: JobOptions = {}): Promise<string> {
  const model = detectorModel();
  const folder = await cacheFolder("engines");
  const path = join(folder, `${await keyOf(model)}.hone`);
  if (await opens(path)) {
    await markUsed(path);
    return path;
  }
  await pruneUnused(folder);
  options.onEvent?.({ kind: "step", text: "building the face detector, once" });
  const { engine } = await buildModel(model, options);
  await writeWhole(path, engine, 0o600).catch((error: unknown) => {
    throw asUnwritable(error, path, "Make room for the detector's engine, or set HONE_CACHE to a folder on another disk.");
  });
  return path;
}

/** The same model, hone and compiler give the same engine. While hone is being changed its version is the same, so its code's age counts too. */
async function keyOf(model: string): Promise<string> {
  const { mtimeMs } = await stat(fileURLToPath(import.meta.url));
  const compiler = await findCompiler().then(
    (c) => c.identity,
    () => "",
  );
  return createHash("sha256")
    .update(await readFile(model))
    .update(JSON.stringify([HONE_VERSION, mtimeMs, compiler]))
    .digest("hex");
}

/** Whether an engine is there, whole, and fit for this machine. */
async function opens(path: string): Promise<boolean> {
  try {
    await (await Session.open(path, { contexts: 1 })).close();
    return true;
  } catch {
    return false;
  }
}
