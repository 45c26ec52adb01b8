/** WebAssembly beside native code: the same numbers, in few bytes, soon built. Skipped without a compiler or without ../shared/models. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { bundlePage, ROOT } from "../../scripts/web/bundle.ts";
import { readEngine } from "../../src/engine/read.ts";
import { Session } from "../../src/runtime/node/session.ts";
import { haveCompiler } from "../../src/runtime/testing/tiny.ts";
import { elementCount, tensor } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";
import { buildModel } from "../../src/workflow/build.ts";
import { packageFile } from "../../src/workflow/detector.ts";
import { difference } from "../../src/workflow/difference.ts";

const compiler = await haveCompiler();
const shared = (file: string): string => join(ROOT, "../shared/models", file);
const RETINAFACE = shared("retinaface-landmark/retinaface-mobilenet0.25-640.onnx");

const MODELS: readonly string[] = [
  RETINAFACE,
  shared("ultra-light/version-slim-320.onnx"),
  shared("yunet/yunet_n_640_640.onnx"),
  packageFile("@mediapipe/face_detection", "face_detection_full_range.tflite") ?? "face_detection_full_range.tflite",
].filter((path) => existsSync(path));

/**
 * The logistic function is known to 1.2e-7, whatever its size (src/ops/arith.ts): two evaluations, with and without fma, may differ
 * by twice that, which for scores near 0 is more than 1e-5 of them.
 */
const LOGISTIC_ERROR = 2.4e-7;

describe.skipIf(!compiler || MODELS.length === 0)("WebAssembly equals native code", () => {
  test.each(MODELS)("%s: within 1e-5", { timeout: 180_000 }, async (path) => {
    const { engine } = await buildModel(path, { targets: ["native", "wasm"] });
    const [native, wasm] = [await Session.open(engine, { native: "allow" }), await Session.open(engine)];
    expect([native.info.target.slice(0, 3), wasm.info.target.slice(0, 5)]).toEqual(["so:", "wasm:"]);
    const shapes = must(native.manifest.profiles[0], "profile").inputs;
    const feeds = Object.fromEntries(
      native.manifest.inputs.map((v, i) => {
        const dims = must(shapes[i], "dims");
        return [
          v.name,
          tensor(
            v.type,
            dims,
            Float32Array.from({ length: elementCount(dims) }, (_, k) => Math.sin(k * 0.37)),
          ),
        ];
      }),
    );
    const [wanted, got] = [native.runSync(feeds), wasm.runSync(feeds)];
    for (const name of native.outputNames) {
      const { relativeError, maxAbs } = difference(must(got[name], name), must(wanted[name], name));
      expect(maxAbs <= LOGISTIC_ERROR ? 0 : relativeError, name).toBeLessThanOrEqual(1e-5);
    }
    await Promise.all([native.close(), wasm.close()]);
  });
});

test.skipIf(!existsSync(RETINAFACE))(
  "retinaface at 640: built within 5 s, code and runtime within 150 kB",
  { timeout: 60_000 },
  async () => {
    const before = process.cpuUsage();
    const { engine } = await buildModel(RETINAFACE, { targets: ["wasm"] });
    const { user, system } = process.cpuUsage(before);
    // Processor time: others may compute on the machine meanwhile.
    expect((user + system) / 1e6).toBeLessThanOrEqual(5);
    const { manifest, sections } = readEngine(engine);
    const code = manifest.targets.reduce((n, t) => n + gzipSync(must(sections.get(t.section), t.section)).length, 0);
    const runtime = [...(await bundlePage({ "web.js": "src/web.ts" })).values()].reduce((n, bytes) => n + gzipSync(bytes).length, 0);
    expect(code + runtime).toBeLessThanOrEqual(150_000);
  },
);
