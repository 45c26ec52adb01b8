/** npm run web [-- --engine FILE.hone] [--port N]: a page on localhost that finds faces, in the browser alone. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildModel } from "../../src/workflow/build.ts";
import { detectorModel, packageFile } from "../../src/workflow/detector.ts";
import { bundlePage, ROOT, type Files } from "./bundle.ts";
import { servePage } from "./server.ts";

/** The page's files by the path that each is served under, around an engine. */
export async function pageFiles(engine: Uint8Array): Promise<Files> {
  const here = join(ROOT, "scripts/web/page");
  const sample = packageFile("@vladmandic/face-api", "demo/sample1.jpg");
  return new Map([
    ...(await bundlePage({ "app.js": "scripts/web/page/app.ts" })),
    ["index.html", await readFile(join(here, "index.html"))],
    ["style.css", await readFile(join(here, "style.css"))],
    ["icon.svg", await readFile(join(here, "icon.svg"))],
    ["engine.hone", engine],
    ...(sample === undefined ? [] : [["sample.jpg", await readFile(sample)] as const]),
  ]);
}

/** The engine that was named, or that of the face detector from npm. */
export async function faceEngine(path?: string): Promise<Uint8Array> {
  if (path !== undefined) return readFile(path);
  process.stderr.write("building the face detector as WebAssembly ...\n");
  return (await buildModel(detectorModel(), { targets: ["wasm"] })).engine;
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { engine: { type: "string" }, port: { type: "string", default: "8080" } } });
  const { url } = await servePage(await pageFiles(await faceEngine(values.engine)), { isolated: true, port: Number(values.port) });
  process.stdout.write(`Open ${url} and drop a photo. Ctrl-C ends it.\n`);
}
