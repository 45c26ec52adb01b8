/** Every shared ONNX model against ONNX Runtime; runs where the shared models and onnxruntime-node are. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { findCompiler } from "../../src/toolchain/compiler.ts";
import { compareModel, type CompareOptions } from "../../src/workflow/compare.ts";
import { writeNpy } from "../../src/workflow/npy.ts";
import { have, SHARED } from "./seeded.ts";

const compiler = await findCompiler().catch(() => undefined);
const peer = await import("onnxruntime-node").catch(() => undefined);
if (!peer) process.stderr.write("skipped: onnxruntime-node is not installed\n");

const folder = mkdtempSync(join(tmpdir(), "hone-peer-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A value of --input. */
function array(name: string, value: Tensor, label: string): string {
  const path = join(folder, `${name}-${label}.npy`);
  writeFileSync(path, writeNpy(value));
  return `${name}=${path}`;
}

const wave = (dims: readonly number[]): Tensor =>
  tensor(
    "float32",
    dims,
    Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => 0.3 * Math.sin(i * 0.21) * Math.cos(i * 0.013)),
  );

type Way = Pick<CompareOptions, "images" | "arrays" | "shapes">;

/** The rate is an input: which of two networks runs is decided while it runs. 256 samples are right for both. */
function speech(rates: readonly number[], samples: number): Readonly<Record<string, Way>> {
  const shapes = [`input=1x${samples}`, "state=2x1x128"];
  const sound = [array("input", wave([1, samples]), `${samples}`), array("state", wave([2, 1, 128]), "0")];
  const rate = (hz: number): string => array("sr", tensor("int64", [], BigInt64Array.of(BigInt(hz))), `${hz}`);
  return Object.fromEntries(rates.map((hz) => [`${hz} Hz`, { shapes, arrays: [...sound, rate(hz)] }]));
}

const PHOTOS = ["nasa-crew-7.jpg", "grace-hopper-1.png", "nasa-astronaut-1.png"].map((name) =>
  join(SHARED, "data/public-domain-faces", name),
);
const photos = (shapes: readonly string[] = []): Readonly<Record<string, Way>> => ({ photos: { images: PHOTOS, shapes } });

/** What each model is fed. A file that is not listed here fails. */
const WAYS: Readonly<Record<string, Readonly<Record<string, Way>>>> = {
  "fastestdet/FastestDet.onnx": photos(),
  "retinaface-landmark/retinaface-mobilenet0.25-640.onnx": photos(),
  "retinaface-landmark/retinaface-mobilenet0.25-dynamic.onnx": photos(["input=1x3x320x416", "input=1x3x480x640"]),
  "retinaface-landmark/retinaface-rfb-640.onnx": photos(),
  "retinaface-landmark/retinaface-rfb-dynamic.onnx": photos(["input=1x3x320x416"]),
  "retinaface-landmark/retinaface-slim-640.onnx": photos(),
  "retinaface-landmark/retinaface-slim-dynamic.onnx": photos(["input=1x3x320x416"]),
  "samplenet/samplenet.onnx": photos(),
  "silero-vad/silero_vad.onnx": speech([16000, 8000], 256),
  "silero-vad/silero_vad_16k_op15.onnx": speech([16000], 512),
  "sinet/SINet.onnx": photos(),
  "ultra-light/version-RFB-320.onnx": photos(),
  "ultra-light/version-RFB-320_without_postprocessing.onnx": photos(),
  "ultra-light/version-slim-320.onnx": photos(),
  "yunet/yunet_n_640_640.onnx": photos(),
  "yunet/yunet_n_dynamic.onnx": photos(["input=1x3x320x416", "input=1x3x480x640"]),
};

const models = have(join(SHARED, "models"))
  ? readdirSync(join(SHARED, "models"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".onnx"))
      .sort()
  : [];

test.skipIf(models.length === 0)("every ONNX file among the shared models is compared", () => {
  expect(models.filter((name) => !Object.hasOwn(WAYS, name))).toEqual([]);
});

const cases = models.flatMap((name) => Object.entries(WAYS[name] ?? {}).map(([fed, way]) => ({ name, fed, way })));

test.skipIf(!compiler || !peer || !have(PHOTOS[0] ?? "")).each(cases)(
  "$name equals ONNX Runtime on $fed",
  { timeout: 300_000 },
  async ({ name, way }) => {
    const result = await compareModel(join(SHARED, "models", name), { against: "onnxruntime", tolerance: 1e-4, ...way });
    expect(result.cases).toHaveLength(way.images ? way.images.length * Math.max(1, way.shapes?.length ?? 0) : 1);
    expect(result.outputs.length).toBeGreaterThan(0);
    for (const o of result.outputs) expect(o.relativeError, o.name).toBeLessThanOrEqual(1e-4);
  },
);
