/** TFLite models against what LiteRT computes on a seeded input (scripts/oracles/litert.py). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Session } from "../../src/runtime.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { buildModel } from "../../src/workflow/build.ts";
import { difference } from "../../src/workflow/difference.ts";
import { have, packagePath, seeded, SHARED } from "./seeded.ts";

interface Oracle {
  readonly models: Readonly<
    Record<string, { readonly outputs: readonly { readonly name: string; readonly dims: readonly number[]; readonly file: string }[] }>
  >;
}

const FIXTURES = join(import.meta.dirname, "../fixtures/litert");
const oracle = JSON.parse(readFileSync(join(FIXTURES, "index.json"), "utf8")) as Oracle;

const MODELS = [
  packagePath("@mediapipe/face_detection", "face_detection_short_range.tflite"),
  packagePath("@mediapipe/face_detection", "face_detection_full_range.tflite"),
  join(SHARED, "models/facemesh-int8/face_landmark.tflite"),
  join(SHARED, "models/facemesh-int8/face_detection_front.tflite"),
];

function expected(file: string, dims: readonly number[]): ReturnType<typeof tensor> {
  const bytes = readFileSync(join(FIXTURES, file));
  return tensor("float32", dims, new Float32Array(new Uint8Array(bytes).buffer));
}

for (const path of MODELS) {
  const stem = path.replace(/^.*\//, "").replace(/\.tflite$/, "");
  test.skipIf(!have(path))(`${stem} equals LiteRT`, { timeout: 120_000 }, async () => {
    const { engine } = await buildModel(path, {});
    const session = await Session.open(engine, { native: "allow" });
    const [input] = session.inputMetadata;
    const dims = (input?.shape ?? []).map(Number);
    const outputs = await session.run({ [input?.name ?? ""]: tensor("float32", dims, seeded(dims.reduce((n, d) => n * d, 1))) });
    await session.close();
    for (const { name, dims: shape, file } of oracle.models[stem]?.outputs ?? []) {
      const ours = outputs[name];
      expect(ours, name).toBeDefined();
      if (ours) expect(difference(ours, expected(file, shape)).relativeError, name).toBeLessThanOrEqual(1e-4);
    }
    expect.assertions(2 * (oracle.models[stem]?.outputs.length ?? NaN));
  });
}
