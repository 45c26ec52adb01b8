/** A whole evaluation on real photos: small enough for every run; the rest is `npm run accuracy`. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { evaluateModels } from "../../src/workflow/eval-models.ts";

const shared = join(import.meta.dirname, "../../../shared");
const faces = join(shared, "data/dlib-faces/faces");

test.skipIf(!existsSync(faces))("YuNet finds dlib's 43 faces, and ONNX Runtime gives the same numbers to three decimals", async () => {
  const [own, peer] = await evaluateModels({
    models: [join(shared, "models/yunet/yunet_n_640_640.onnx")],
    images: faces,
    annotations: [join(faces, "training.xml"), join(faces, "testing.xml")],
    backends: ["hone", "onnxruntime"],
  });
  expect([own?.images, own?.truths, own?.problems]).toEqual([9, 43, []]);
  expect(own?.metrics["AP50"]).toBeGreaterThanOrEqual(0.99);
  for (const [name, value] of Object.entries(own?.metrics ?? {})) expect(value).toBeCloseTo(peer?.metrics[name] ?? NaN, 3);
});
