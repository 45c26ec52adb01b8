/** ONNX models against ONNX Runtime on real photos; runs where the shared models and onnxruntime-node are. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findCompiler } from "../../src/toolchain/compiler.ts";
import { compareModel } from "../../src/workflow/compare.ts";
import { have, SHARED } from "./seeded.ts";

const compiler = await findCompiler().catch(() => undefined);
const peer = await import("onnxruntime-node").catch(() => undefined);
if (!peer) process.stderr.write("skipped: onnxruntime-node is not installed\n");

const PHOTOS = ["nasa-crew-7.jpg", "grace-hopper-1.png", "nasa-astronaut-1.png"].map((name) =>
  join(SHARED, "data/public-domain-faces", name),
);
const TWO_SIZES = ["input=1x3x320x416", "input=1x3x480x640"];

const MODELS: readonly { readonly model: string; readonly shapes?: readonly string[] }[] = [
  { model: "samplenet/samplenet.onnx" },
  { model: "retinaface-landmark/retinaface-mobilenet0.25-640.onnx" },
  { model: "retinaface-landmark/retinaface-slim-640.onnx" },
  { model: "retinaface-landmark/retinaface-rfb-640.onnx" },
  { model: "retinaface-landmark/retinaface-mobilenet0.25-dynamic.onnx", shapes: TWO_SIZES },
  { model: "yunet/yunet_n_640_640.onnx" },
  { model: "yunet/yunet_n_dynamic.onnx", shapes: TWO_SIZES },
];

for (const { model, shapes = [] } of MODELS) {
  const path = join(SHARED, "models", model);
  test.skipIf(!compiler || !peer || !have(path) || !existsSync(PHOTOS[0] ?? ""))(
    `${model} equals ONNX Runtime`,
    { timeout: 300_000 },
    async () => {
      const result = await compareModel(path, { against: "onnxruntime", images: PHOTOS, shapes, tolerance: 1e-4 });
      expect(result.cases).toHaveLength(PHOTOS.length * Math.max(1, shapes.length));
      expect(result.outputs.length).toBeGreaterThan(0);
      for (const o of result.outputs) expect(o.relativeError, o.name).toBeLessThanOrEqual(1e-4);
    },
  );
}
