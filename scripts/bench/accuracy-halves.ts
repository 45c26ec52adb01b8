/**
 * npm run accuracy:halves: what weights in halves cost detectors. Each is built in fp32, fp16 and bf16 and scored on facemask-photos. Ends with 3 when
 * AP50 or AP drops by more than half a point.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { readEngine } from "../../src/engine/read.ts";
import { buildFile } from "../../src/workflow/build.ts";
import { evaluateModels } from "../../src/workflow/eval-models.ts";
import { halfBuild } from "../../src/workflow/half-weights.ts";

const MOST_DROP = 0.005;
const MODELS = [
  "yunet/yunet_n_640_640.onnx",
  "retinaface-landmark/retinaface-mobilenet0.25-640.onnx",
  "ultra-light/version-RFB-320.onnx",
] as const;
const METRICS = ["AP50", "AP"] as const;

const shared = resolve(fileURLToPath(new URL("../..", import.meta.url)), "../shared");
const photos = join(shared, "data/facemask-photos");
if (!existsSync(photos)) {
  process.stderr.write(`the photos and models are not there: ${shared}\n`);
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), "hone-halves-accuracy-"));
process.on("exit", () => {
  rmSync(folder, { recursive: true, force: true });
});

interface Scored {
  readonly values: readonly number[];
  readonly photos: number;
  readonly weights: number;
}

async function scored(model: string, precision: "fp32" | "fp16" | "bf16"): Promise<Scored> {
  const output = join(folder, "engine.hone");
  const rewrite = precision === "fp32" ? undefined : halfBuild(precision).rewrite;
  await buildFile(model, { output, precision, rewrite });
  const [run] = await evaluateModels({
    models: [output],
    images: join(photos, "images"),
    annotations: [join(photos, "annotations")],
    anyClass: true,
    rounds: 0,
  });
  const weights = readEngine(readFileSync(output)).sections.get("weights")?.length ?? 0;
  return { values: METRICS.map((m) => run?.metrics[m] ?? NaN), photos: run?.images ?? 0, weights };
}

const points = (x: number): string => (100 * x).toFixed(2);
let missed = false;
process.stdout.write(`| model | photos | AP50 fp32 | fp16 | bf16 | AP fp32 | fp16 | bf16 | weights fp16 | bf16 |\n|${"---|".repeat(10)}\n`);
for (const name of MODELS) {
  const model = join(shared, "models", name);
  const float = await scored(model, "fp32");
  const halves = [await scored(model, "fp16"), await scored(model, "bf16")];
  // Not to be compared with what is no number: that is a miss.
  missed ||= !halves.every(({ values }) => values.every((v, i) => (float.values[i] ?? NaN) - v <= MOST_DROP));
  const cells = METRICS.flatMap((_, i) => [float, ...halves].map(({ values }) => points(values[i] ?? NaN)));
  const ratios = halves.map(({ weights }) => (weights / float.weights).toFixed(3));
  process.stdout.write(`| ${[basename(name), float.photos, ...cells, ...ratios].join(" | ")} |\n`);
}
process.exitCode = missed ? 3 : 0;
