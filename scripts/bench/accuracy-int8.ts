/**
 * npm run accuracy:int8 [-- METHOD …]: what int8 costs detectors. Each is calibrated on coco128 and judged, against itself in fp32, on photos that had no
 * part in it: facemask-photos, or for FastestDet the other half of coco128. Each by three choices of layers: those that are faster in int8 on this
 * machine and on one with vpdpbusd (integer kernels give the same on both), and all. Ends with 3 when AP50 or AP drops by more than half a point by
 * either of the first two, which are what builds choose.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { buildFile } from "../../src/workflow/build.ts";
import { DEFAULT_METHOD } from "../../src/workflow/calibrate.ts";
import { METHODS, type Method } from "../../src/workflow/choose-ranges.ts";
import { evaluateModels } from "../../src/workflow/eval-models.ts";
import { int8From, tableFor } from "../../src/workflow/int8.ts";
import { findPhotos } from "../../src/workflow/photos.ts";
import { readEngine } from "../../src/engine/read.ts";

const MOST_DROP = 0.005;
const shared = resolve(fileURLToPath(new URL("../..", import.meta.url)), "../shared");
const coco = join(shared, "data/coco128/images");
if (!existsSync(coco)) {
  process.stderr.write(`the photos and models are not there: ${shared}\n`);
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), "hone-int8-accuracy-"));
process.on("exit", () => {
  rmSync(folder, { recursive: true, force: true });
});

/** Links to every other photo by the order of their hashes. */
async function half(name: string, rest: number): Promise<string> {
  const path = join(folder, name);
  mkdirSync(path);
  const { files } = await findPhotos([coco], undefined);
  for (const [i, file] of files.entries()) if (i % 2 === rest) symlinkSync(file.path, join(path, basename(file.path)));
  return path;
}

const faces = {
  calib: coco,
  images: join(shared, "data/facemask-photos/images"),
  annotations: join(shared, "data/facemask-photos/annotations"),
  anyClass: true,
};
const objects = {
  calib: await half("taken", 0),
  images: await half("judging", 1),
  annotations: join(shared, "data/coco128/annotations/instances_train2017.json"),
  anyClass: false,
};
const CASES = [
  ["yunet/yunet_n_640_640.onnx", faces],
  ["retinaface-landmark/retinaface-mobilenet0.25-640.onnx", faces],
  ["ultra-light/version-RFB-320.onnx", faces],
  ["fastestdet/FastestDet.onnx", objects],
] as const;

const isMethod = (name: string): name is Method => METHODS.some((m) => m === name);
const methods = process.argv.slice(2).filter(isMethod);
const points = (x: number): string => (100 * x).toFixed(2);
const drops: number[] = [];
/** The layers that a build chooses for a machine; every layer that can be int8. */
const PLANS = ["here", "avx512vnni", "all"] as const;

process.stdout.write(
  `| model | method | layers | int8 | photos | AP50 fp32 | int8 | drop | AP fp32 | int8 | drop | weights |\n|${"---|".repeat(12)}\n`,
);
const weights = (path: string): number => readEngine(readFileSync(path)).sections.get("weights")?.length ?? 0;
for (const [name, set] of CASES) {
  const model = join(shared, "models", name);
  const float = join(folder, "float.hone");
  await buildFile(model, { output: float });
  const judged = { ...set, annotations: [set.annotations], rounds: 0 };
  const [a] = await evaluateModels({ ...judged, models: [float] });
  for (const method of methods.length > 0 ? methods : [DEFAULT_METHOD]) {
    const source = await tableFor(model, { calib: set.calib, method });
    for (const plan of PLANS) {
      const { rewrite, layers } = int8From(source, set.calib, plan === "all" ? "all" : "faster");
      const int8 = join(folder, "int8.hone");
      await buildFile(model, {
        output: int8,
        precision: "int8",
        rewrite: (graph, here) => rewrite(graph, plan === "avx512vnni" ? plan : here),
      });
      const [b] = await evaluateModels({ ...judged, models: [int8] });
      const cells = ["AP50", "AP"].flatMap((metric) => {
        const [x = 0, y = 0] = [a?.metrics[metric], b?.metrics[metric]];
        if (plan !== "all") drops.push(x - y);
        return [points(x), points(y), points(x - y)];
      });
      const ratio = weights(int8) / weights(float);
      process.stdout.write(`| ${[basename(name), method, plan, layers().int8, a?.images, ...cells, ratio.toFixed(3)].join(" | ")} |\n`);
    }
  }
}
process.exitCode = drops.some((d) => d > MOST_DROP) ? 3 : 0;
