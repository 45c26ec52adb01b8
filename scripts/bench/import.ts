/**
 * npm run bench:import [-- MODEL.onnx]: how long reading and importing a model takes, and how much memory beyond what the
 * process had, as a multiple of the file's size. Without a model it writes one of 100 MB, half of it in a data file beside it.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { externalize } from "../../src/formats/onnx/external.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "../../src/formats/onnx/write.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { importFile, readModelFile } from "../../src/workflow/model-file.ts";

const WIDTH = 1600;
const LAYERS = 10;

/** Ten layers of 1600 × 1600 weights. */
function example(): ReturnType<typeof onnxModel> {
  const layers = Array.from({ length: LAYERS }, (_, i) => i);
  const weights = new Float32Array(WIDTH * WIDTH).map((_, i) => ((i * 37) % 101) / 5000 - 0.01);
  const graph = onnxGraph({
    input: [onnxValueInfo("x0", "float32", [1, WIDTH])],
    output: [onnxValueInfo(`x${LAYERS}`, "float32", [1, WIDTH])],
    initializer: layers.map((i) =>
      onnxTensor(
        `w${i}`,
        tensor(
          "float32",
          [WIDTH, WIDTH],
          weights.map((w) => w + i),
        ),
      ),
    ),
    node: layers.map((i) => onnxNode("MatMul", [`x${i}`, `w${i}`], [`x${i + 1}`])),
  });
  return onnxModel({ graph });
}

async function measure(path: string): Promise<void> {
  const before = peakBytes();
  const began = performance.now();
  const cpu = process.cpuUsage();
  const model = await readModelFile(path);
  const graph = importFile(model);
  const { user, system } = process.cpuUsage(cpu);
  const peak = peakBytes() - before;
  const seconds = (performance.now() - began) / 1000;
  process.stdout.write(`${JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, bytes: peak, nodes: graph.nodes.length })}\n`);
}

/** The most memory that the process ever had (Linux). */
const peakBytes = (): number => 1024 * Number(/VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? NaN);

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly bytes: number;
  readonly nodes: number;
}

function child(path: string): Measured {
  const tsx = join(dirname(fileURLToPath(import.meta.url)), "../../node_modules/tsx/dist/cli.mjs");
  return JSON.parse(
    execFileSync(process.execPath, [tsx, fileURLToPath(import.meta.url), "--measure", path], { encoding: "utf8" }),
  ) as Measured;
}

function report(path: string, bytes: number): void {
  const runs = Array.from({ length: 3 }, () => child(path));
  const best = runs.reduce((a, b) => (a.cpuSeconds < b.cpuSeconds ? a : b));
  const least = Math.min(...runs.map((r) => r.bytes));
  process.stdout.write(
    `${path}: ${(bytes / 1e6).toFixed(1)} MB, ${best.nodes} nodes: ${best.seconds.toFixed(2)} s (${best.cpuSeconds.toFixed(2)} s of processor time), ${(least / bytes).toFixed(2)} × its size in memory\n`,
  );
}

const [first, second] = process.argv.slice(2).filter((a) => a !== "--");
if (first === "--measure" && second !== undefined) await measure(second);
else if (first !== undefined) report(first, statSync(first).size);
else {
  const folder = mkdtempSync(join(tmpdir(), "hone-import-"));
  try {
    const model = example();
    const inside = writeOnnx(model);
    writeFileSync(join(folder, "inside.onnx"), inside);
    report(join(folder, "inside.onnx"), inside.length);
    const { model: small, data } = externalize(model, "beside.data");
    writeFileSync(join(folder, "beside.onnx"), writeOnnx(small));
    writeFileSync(join(folder, "beside.data"), data);
    report(join(folder, "beside.onnx"), data.length);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
