/**
 * npm run bench:int8 [-- --write] [--seconds N] [NAME…]: int8 engines, calibrated on eight photos, beside ONNX Runtime's fp32 in turns with it, and
 * beside hone's own fp32. One thread, batch 1. --write renews docs/int8-performance.md. Exit code 3 when a floor is not met.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readEngine } from "../../src/engine/read.ts";
import { bench } from "../../src/workflow/bench.ts";
import { buildFile } from "../../src/workflow/build.ts";
import { int8From, tableFor } from "../../src/workflow/int8.ts";
import { findPhotos } from "../../src/workflow/photos.ts";
import { ensureModel } from "../models/write.ts";

/** Models, the ratio to ONNX Runtime's fp32 that is asked of a machine with vpdpbusd where one is, and the file under shared/models. */
const CASES: readonly (readonly [name: string, floor: number | undefined, file?: string])[] = [
  ["resnet50-v1.5", 3.3],
  ["vgg16", 3.3],
  ["resnet18", undefined],
  ["mobilenet-v2", 1.8],
  ["retinaface-mobilenet0.25-640", 2, "retinaface-landmark/retinaface-mobilenet0.25-640.onnx"],
  ["yunet_n-640", 1.6, "yunet/yunet_n_640_640.onnx"],
  ["ultra-light-rfb-320", undefined, "ultra-light/version-RFB-320.onnx"],
  ["fastestdet", undefined, "fastestdet/FastestDet.onnx"],
];
const PHOTOS = 8;

const root = fileURLToPath(new URL("../../", import.meta.url));
const shared = join(root, "../shared");
const folder = mkdtempSync(join(tmpdir(), "hone-int8-peers-"));
process.on("exit", () => {
  rmSync(folder, { recursive: true, force: true });
});
const { files } = await findPhotos([join(shared, "data/coco128/images")], undefined);
for (const { path } of files.slice(0, PHOTOS)) symlinkSync(path, join(folder, basename(path)));

const words = process.argv.slice(2).filter((a, i, all) => !a.startsWith("--") && all[i - 1] !== "--seconds");
const at = process.argv.indexOf("--seconds");
const seconds = at < 0 ? 2 : Number(process.argv[at + 1]);
const rows: string[] = [];
let target = "";
for (const [name, floor, file] of CASES.filter(([n]) => words.length === 0 || words.some((w) => n.includes(w)))) {
  const model = file === undefined ? await ensureModel(name, join(root, "out/models")) : join(shared, "models", file);
  if (!existsSync(model)) {
    process.stderr.write(`${name}: left out, ${model} is not there\n`);
    continue;
  }
  const [engine, plain] = [join(folder, `${name}-int8.hone`), join(folder, `${name}.hone`)];
  const { rewrite, layers } = int8From(await tableFor(model, { calib: folder, method: "minmax" }), model);
  await buildFile(model, { output: engine, rewrite, precision: "int8" });
  await buildFile(model, { output: plain });
  const { int8, float } = layers();
  const int8Result = await bench(engine, { model, against: "onnxruntime", threads: 1, seconds, footprint: false });
  const floats = await bench(plain, { threads: 1, seconds, footprint: false });
  target = int8Result.target;
  const { against, latencyMs, cpuMs } = int8Result;
  const asked = target.includes("vnni") && floor !== undefined ? String(floor) : "–";
  const weights = (path: string): number => readEngine(readFileSync(path)).sections.get("weights")?.length ?? 0;
  const cells = [
    name,
    latencyMs.min.toFixed(2),
    against?.latencyMs.min.toFixed(2) ?? "–",
    against?.ratio.toFixed(2) ?? "–",
    against?.cpuRatio.toFixed(2) ?? "–",
    asked,
    floats.latencyMs.min.toFixed(2),
    (floats.latencyMs.min / latencyMs.min).toFixed(2),
    (floats.cpuMs / cpuMs).toFixed(2),
    `${float.length} of ${int8 + float.length}`,
    (weights(engine) / weights(plain)).toFixed(3),
  ];
  rows.push(`| ${cells.join(" | ")} |`);
  process.stderr.write(`${rows.at(-1) ?? ""}\n`);
  if (asked !== "–" && (against?.ratio ?? 0) < Number(asked)) process.exitCode = 3;
}

const page = `# int8 performance

Written by \`npm run bench:int8 -- --write\`; edit scripts/bench/int8-peers.ts.

int8 engines against onnxruntime-node in fp32 (the faster of the file as shipped and cleaned), in turns with it, and against hone's own fp32; one thread, batch 1, least times, on ${(cpus()[0]?.model ?? "unknown").trim()}, code for ${target.replace(/^so:/, "")}. Ranges are those of ${PHOTOS} photos of coco128; resnet, vgg and mobilenet have seeded random weights, so their answers mean nothing and their times do. "By CPU" is of least CPU times, which other work on the machine does not touch. The floors are asked of machines that multiply four bytes at once (vpdpbusd) only. "Layers in float" are convolutions and matrix products that the rates say int8 would slow down, or that are never int8; "weights" is the bytes of the engine's weights over fp32's.

| model | int8 ms | onnxruntime fp32 ms | ratio | by CPU | floor | hone fp32 ms | ratio | by CPU | layers in float | weights |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
${rows.join("\n")}
`;
if (process.argv.includes("--write")) writeFileSync(join(root, "docs/int8-performance.md"), page);
else process.stdout.write(page);
