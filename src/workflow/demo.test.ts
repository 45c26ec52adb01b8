import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readEngineFile } from "../runtime/node/file.ts";
import { runDemo, type Demo } from "./demo.ts";
import { packageFile } from "./detector.ts";

const photos = ["sample1.jpg", "sample3.jpg"].flatMap((name) => packageFile("@vladmandic/face-api", `demo/${name}`) ?? []);
const ready = photos.length === 2 && packageFile("@mediapipe/face_detection", "face_detection_full_range.tflite") !== undefined;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hone-demo-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test.skipIf(!ready)(
  "the demo measures fp32 and int8, each as every kind of code that can be built here",
  { timeout: 240_000 },
  async () => {
    const demo: Demo = await runDemo({ photos, folder });
    const kinds = demo.target.startsWith("wasm") ? ["WebAssembly"] : ["native code", "WebAssembly"];
    expect(demo.rows.map((r) => `${r.precision} ${r.code}`)).toEqual(kinds.flatMap((kind) => [`fp32 ${kind}`, `int8 ${kind}`]));
    expect(demo).toMatchObject({ calibratedWith: 1, heldOut: true, faces: 6 });
    for (const [i, row] of demo.rows.entries()) {
      const { manifest } = await readEngineFile(row.engine);
      expect(manifest.precision).toBe(row.precision);
      expect(row.latencyMs).toBeGreaterThan(0);
      expect(row.AP50).toBeGreaterThan(0.9);
      const beside = demo.rows[i - 1];
      if (row.precision === "int8" && beside) expect(row.bytes).toBeLessThan(beside.bytes / 2);
    }
  },
);
