/**
 * Runs the written networks in ONNX Runtime with every intermediate value as an output, and fails where one is not finite, is a denormal,
 * or has a variance outside of 0.1–10: npx tsx scripts/models/check.ts FOLDER [NAME...]. With --hone, hone's output is held to it too.
 */
import { readFile } from "node:fs/promises";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { OnnxModel } from "../../src/formats/onnx/ast.ts";
import { readOnnx } from "../../src/formats/onnx/read.ts";
import { onnxValueInfo, writeOnnx } from "../../src/formats/onnx/write.ts";
import { compareModel } from "../../src/workflow/compare.ts";
import { ARCHITECTURES } from "./architectures.ts";
import { randomNumbers } from "./moments.ts";
import { ensureModel } from "./write.ts";

const SMALLEST_NORMAL = 2 ** -126;
const ANY_FLOATS = { denotation: "", tensorType: { elemType: 1 } };

interface Range {
  readonly least: { readonly name: string; readonly variance: number };
  readonly most: { readonly name: string; readonly variance: number };
  readonly notFinite: number;
  readonly denormals: number;
}

function everyValueAnOutput(model: OnnxModel): OnnxModel {
  if (model.graph === undefined) throw new Error("the model holds no graph");
  const output = model.graph.node.flatMap((n) => n.output.map((name) => ({ ...onnxValueInfo(name, "float32", []), type: ANY_FLOATS })));
  return { ...model, graph: { ...model.graph, output } };
}

async function rangeOf(path: string): Promise<Range> {
  const model = readOnnx(new Uint8Array(await readFile(path)), { file: path });
  const session = await InferenceSession.create(writeOnnx(everyValueAnOutput(model)), { intraOpNumThreads: 1 });
  const random = randomNumbers(7);
  const data = Float32Array.from({ length: 3 * 224 * 224 }, () => (random() - 0.5) * Math.sqrt(12));
  const values = await session.run({ input: new Tensor("float32", data, [1, 3, 224, 224]) });
  let range: Range = { least: { name: "", variance: Infinity }, most: { name: "", variance: 0 }, notFinite: 0, denormals: 0 };
  for (const [name, { data: found }] of Object.entries(values)) {
    if (found instanceof Float32Array) range = widen(range, name, found);
  }
  await session.release();
  return range;
}

function widen(range: Range, name: string, data: Float32Array): Range {
  let [sum, squares, notFinite, denormals] = [0, 0, 0, 0];
  for (const x of data) {
    sum += x;
    squares += x * x;
    if (!Number.isFinite(x)) notFinite++;
    if (x !== 0 && Math.abs(x) < SMALLEST_NORMAL) denormals++;
  }
  const variance = squares / data.length - (sum / data.length) ** 2;
  // Gates lie between 0 and 1 and vary little by their nature.
  const one = { name, variance: name.startsWith("hardsigmoid") ? Math.max(0.1, variance) : variance };
  return {
    least: variance < range.least.variance ? one : range.least,
    most: variance > range.most.variance ? one : range.most,
    notFinite: range.notFinite + notFinite,
    denormals: range.denormals + denormals,
  };
}

const [folder = "out/models", ...rest] = process.argv.slice(2).filter((a) => !a.startsWith("--"));
for (const name of rest.length > 0 ? rest : Object.keys(ARCHITECTURES)) {
  const path = await ensureModel(name, folder);
  const { least, most, notFinite, denormals } = await rangeOf(path);
  const error = process.argv.includes("--hone") ? (await compareModel(path, { against: "onnxruntime", tolerance: 1e-4 })).worst : 0;
  const good = least.variance >= 0.1 && most.variance <= 10 && notFinite === 0 && denormals === 0 && error <= 1e-4;
  process.stdout.write(
    `${good ? "ok    " : "FAILED"} ${name.padEnd(20)} variance ${least.variance.toPrecision(3)} (${least.name}) to ${most.variance.toPrecision(3)} (${most.name}), ` +
      `${notFinite} not finite, ${denormals} denormals${process.argv.includes("--hone") ? `, hone differs by ${error.toExponential(1)}` : ""}\n`,
  );
  if (!good) process.exitCode = 1;
}
