/** A named pipe in place of a file is an error at once: nobody may ever write into it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadImage } from "../data/node/decode.ts";
import { listImages } from "../data/node/source.ts";
import { readEngineFile } from "../runtime/node/file.ts";
import { openRunner } from "./eval-backends.ts";
import { loadGroundTruths } from "./eval-files.ts";
import { readModelFile } from "./model-file.ts";
import { findPhotos } from "./photos.ts";

const folder = mkdtempSync(join(tmpdir(), "hone-pipes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const pipe = join(folder, "pipe.jpg");
const posix = process.platform !== "win32";
if (posix) execFileSync("mkfifo", [pipe]);

test.skipIf(!posix).each<readonly [string, () => Promise<unknown>]>([
  ["a model", () => readModelFile(pipe)],
  ["an engine", () => readEngineFile(pipe)],
  ["a photo", () => loadImage(pipe)],
  ["annotations", () => loadGroundTruths([pipe], {})],
  ["a detector to evaluate", () => openRunner(pipe, "hone", {})],
])("as %s", async (_, read) => {
  await expect(read()).rejects.toMatchObject({ code: "file.unreadable", at: { file: pipe } });
});

test.skipIf(!posix)("among photos it is none of them, and as the only photo it is left out by name", async () => {
  expect(await listImages(folder)).toEqual([]);
  expect(await findPhotos([pipe], undefined)).toMatchObject({ files: [], skipped: [{ at: { file: pipe } }] });
});
