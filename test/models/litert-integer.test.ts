/** Quantised TFLite models give the bits of LiteRT's built-in reference resolver (scripts/oracles/litert-integer.py). */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  cBackend,
  interpretBackend,
  machineWith,
  scheduledBackend,
  wasmBackend,
  type Backend,
  type Case,
} from "../../scripts/conformance/backends.ts";
import { importTflite } from "../../src/formats/tflite/import.ts";
import { readTflite } from "../../src/formats/tflite/read.ts";
import { Session } from "../../src/runtime.ts";
import { haveCompiler } from "../../src/runtime/testing/tiny.ts";
import { bytesOf } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";
import { buildModel } from "../../src/workflow/build.ts";
import { have, seededInputs, SHARED } from "./seeded.ts";

interface Oracle {
  readonly cases: Readonly<
    Record<string, { readonly model: string; readonly outputs: readonly { readonly name: string; readonly data: string }[] }>
  >;
  readonly models: Readonly<Record<string, readonly { readonly name: string; readonly sha256: string }[]>>;
}

const oracle = JSON.parse(readFileSync(join(import.meta.dirname, "../fixtures/litert/integer.json"), "utf8")) as Oracle;
const hasCompiler = await haveCompiler();

function caseOf([name, { model }]: readonly [string, Oracle["cases"][string]]): Case {
  const graph = importTflite(readTflite(new Uint8Array(Buffer.from(model, "base64")), { file: name }), { file: name });
  const inputs = seededInputs(graph.inputs.map((v) => ({ dtype: v.dtype, dims: v.shape.map(Number) })));
  return { name, graph, feeds: Object.fromEntries(graph.inputs.map((v, i) => [v.name, must(inputs[i], v.name)])) };
}

const BACKENDS: readonly (readonly [string, () => Promise<Backend>])[] = [
  ["the definitions", () => Promise.resolve(interpretBackend)],
  [
    "schedules for byte products in 16 lanes, interpreted",
    () => Promise.resolve(scheduledBackend({ lanes: 16, registers: 32, dot4: true })),
  ],
  [
    "schedules for 8 lanes shared by three threads, interpreted",
    () => Promise.resolve(scheduledBackend({ lanes: 8, registers: 16 }, "auto", 3)),
  ],
  ["WebAssembly", () => Promise.resolve(wasmBackend())],
  ...(hasCompiler ? [["C", async () => cBackend({ machine: await machineWith(), schedule: "auto" })] as const] : []),
];

describe("operators on bytes", () => {
  const entries = Object.entries(oracle.cases);
  const cases = entries.map(caseOf);

  test("there is a case of every operator", () => {
    expect(cases.length).toBeGreaterThan(140);
  });

  test.for(BACKENDS)("%s: the bits of LiteRT", { timeout: 300_000 }, async ([, open]) => {
    const outcomes = await (await open())(cases);
    const failures = entries.flatMap(([name, { outputs }], i) => {
      const outcome = must(outcomes[i], name);
      if ("error" in outcome) return [`${name}: ${outcome.error instanceof Error ? outcome.error.stack : String(outcome.error)}`];
      return outputs.flatMap(({ data }, k) =>
        Buffer.from(bytesOf(must(outcome.outputs[k], name))).equals(Buffer.from(data, "base64")) ? [] : [`${name}: other bits`],
      );
    });
    expect(failures).toEqual([]);
  });
});

/** Weights around a zero point, and weights by channel. The others, and their native code, take minutes: `npm run test:litert`. */
const QUICK = ["coral/mobilenet_v1_0.25_128_quant", "mlperf-tiny/pretrainedResnet_quant"];
const OTHERS = [
  "coral/mobilenet_v2_1.0_224_quant",
  "face-parsing/bisenetv2_celebamaskhq_256x256_integer_quant",
  "face-parsing/bisenetv2_celebamaskhq_448x448_integer_quant",
  "facemesh-int8/face_detection_front_128_full_integer_quant",
  "facemesh-int8/face_landmark_192_full_integer_quant",
  "mlperf-tiny/vww_96_int8",
];
const thorough = process.env["HONE_THOROUGH"] !== undefined;
const MODELS = thorough ? [...QUICK, ...OTHERS] : QUICK;
const TARGETS = thorough ? (["native", "wasm"] as const) : (["wasm"] as const);

for (const model of MODELS) {
  const path = join(SHARED, "models", `${model}.tflite`);
  const stem = model.replace(/^.*\//, "");
  for (const target of TARGETS) {
    test.skipIf(!have(path) || (target === "native" && !hasCompiler))(
      `${stem}, ${target}: the bits of LiteRT`,
      { timeout: 300_000 },
      async () => {
        const { engine } = await buildModel(path, { targets: [target] });
        const session = await Session.open(engine, { native: target === "native" ? "allow" : "never" });
        const inputs = seededInputs(session.manifest.inputs.map(({ type, dims }) => ({ dtype: type, dims: dims.map(Number) })));
        const feeds = Object.fromEntries(session.manifest.inputs.map(({ name }, i) => [name, must(inputs[i], name)]));
        const outputs = await session.run(feeds);
        await session.close();
        const hashes = must(oracle.models[stem], stem).map(({ name }) => {
          const { data } = must(outputs[name], name);
          return {
            name,
            sha256: createHash("sha256")
              .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
              .digest("hex"),
          };
        });
        expect(hashes).toEqual(oracle.models[stem]);
      },
    );
  }
}
