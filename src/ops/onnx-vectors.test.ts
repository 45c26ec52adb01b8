/** ONNX's own node test vectors through the interpreter: the oracle that the reference itself is judged by. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OnnxModel } from "../formats/onnx/ast.ts";
import { importOnnx } from "../formats/onnx/import.ts";
import { readOnnx, readOnnxTensor } from "../formats/onnx/read.ts";
import { tensorOf } from "../formats/onnx/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import { fromBFloat16, fromFloat16 } from "../tensor/half.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import { sized } from "../tensor/sized.ts";
import { evaluateGraph } from "./evaluate.ts";

const archive = join(import.meta.dirname, "../../../shared/conformance/onnx-backend-v1.22.0.tar.xz");
if (!existsSync(archive)) process.stderr.write(`skipped: ${archive} is not there\n`);

let folder = "";

const tensorFile = (file: string): Tensor | undefined => {
  const proto = readOnnxTensor(readFileSync(file), { file });
  return proto.dataType === 0 ? undefined : tensorOf(proto, { file });
};

/** The model with all its inputs but the first fixed to the given tensors, which mappers may need to know. */
function withConstants(model: OnnxModel, protos: ReadonlyMap<string, ReturnType<typeof readOnnxTensor>>): OnnxModel | undefined {
  const { graph } = model;
  if (!graph) return undefined;
  const fixed = graph.input.slice(1).flatMap(({ name }) => {
    const proto = protos.get(name);
    return proto ? [{ ...proto, name }] : [];
  });
  return { ...model, graph: { ...graph, initializer: [...graph.initializer, ...fixed] } };
}

function imported(model: OnnxModel, protos: ReadonlyMap<string, ReturnType<typeof readOnnxTensor>>): Graph {
  try {
    return importOnnx(model, { file: "model.onnx" });
  } catch (error) {
    const fixed = withConstants(model, protos);
    if (!(error instanceof HoneError) || !fixed) throw error;
    return importOnnx(fixed, { file: "model.onnx" });
  }
}

function elements(t: Tensor): number[] {
  const decode = t.type === "float16" ? fromFloat16 : t.type === "bfloat16" ? fromBFloat16 : Number;
  return Array.from(t.data as ArrayLike<number | bigint>, (x) => (typeof x === "bigint" ? Number(x) : decode(x)));
}

/** Cases that are judged otherwise, with the reason; one that needs no exception any more fails. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  test_averagepool_2d_ceil_last_window_starts_on_pad: "its expected values have four digits only",
  test_gridsample_bicubic: "its expected values have four digits only",
  test_roialign_aligned_false: "its expected values have four digits only",
  test_roialign_aligned_true: "its expected values have four digits only",
  test_resize_downsample_scales_cubic_align_corners:
    "onnxruntime and PyTorch align corners by the whole output size, ONNX by scale times size",
  test_resize_downsample_scales_linear_align_corners: "as the cubic one",
};

const TOLERANCE: Partial<Record<Tensor["type"], number>> = { float16: 2e-3, bfloat16: 2e-2, float32: 2e-5, float64: 1e-7 };

function differs(got: Tensor | undefined, want: Tensor): string | undefined {
  if (!got) return "an output is missing";
  if (got.type !== want.type || got.dims.join() !== want.dims.join())
    return `${got.type}[${got.dims.join()}] instead of ${want.type}[${want.dims.join()}]`;
  const [a, b] = [elements(got), elements(want)];
  const scale = TOLERANCE[want.type] ?? 0;
  const at = a.findIndex((x, i) => {
    const y = b[i] ?? 0;
    return !Object.is(x, y) && x !== y && !(Math.abs(x - y) <= scale * (1 + Math.abs(y)));
  });
  return at < 0 ? undefined : `element ${at} is ${String(a[at])} instead of ${String(b[at])}`;
}

/** What is wrong with one case; undefined when it passes. Throws `model.unsupported` when hone lacks the op. */
function judge(name: string): string | undefined {
  const at = join(folder, "node", name);
  const file = join(at, "model.onnx");
  const model = readOnnx(readFileSync(file), { file });
  const data = join(at, "test_data_set_0");
  const initialized = new Set(model.graph?.initializer.map((t) => t.name));
  const inputs = (model.graph?.input ?? []).filter((v) => !initialized.has(v.name));
  const tensors = [...inputs, ...(model.graph?.output ?? [])].every((v) => v.type?.tensorType);
  if (!tensors) throw new HoneError("model.unsupported", "sequences are judged by npm run conformance:onnx");
  const protos = new Map(
    inputs.flatMap(({ name: input }, i) => {
      const pb = join(data, `input_${i}.pb`);
      return existsSync(pb) ? [[input, readOnnxTensor(readFileSync(pb), { file: pb })] as const] : [];
    }),
  );
  const graph = imported(model, protos);
  const feeds = Object.fromEntries([...protos].map(([input, proto]) => [input, tensorOf(proto, { file: name })]));
  const results = sized(evaluateGraph(graph, feeds));
  for (const [i, { name: output }] of (model.graph?.output ?? []).entries()) {
    const want = tensorFile(join(data, `output_${i}.pb`));
    const wrong = want && differs(results[output], want);
    if (wrong) return `${output}: ${wrong}`;
  }
  return undefined;
}

describe.skipIf(!existsSync(archive))("ONNX node test vectors", () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "hone-onnx-"));
    execFileSync("tar", ["xJf", archive, "-C", folder]);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }), 120_000);

  test("every case whose op hone has is right", { timeout: 120_000 }, () => {
    const failures: string[] = [];
    const unsupported: string[] = [];
    let passed = 0;
    for (const name of readdirSync(join(folder, "node")).sort()) {
      try {
        const wrong = judge(name);
        if (wrong === undefined && name in EXCEPTIONS) failures.push(`${name} needs no exception`);
        else if (wrong === undefined) passed++;
        else if (!(name in EXCEPTIONS)) failures.push(`${name}: ${wrong}`);
      } catch (error) {
        if (error instanceof HoneError && error.code === "model.unsupported") unsupported.push(`${name}: ${error.describe()}`);
        else failures.push(`${name}: ${error instanceof HoneError ? error.describe() : String(error)}`);
      }
    }
    process.stdout.write(`ONNX node vectors: ${passed} passed, ${failures.length} failed, ${unsupported.length} unsupported\n`);
    if (process.env.HONE_LIST) process.stdout.write(`${unsupported.join("\n")}\n`);
    expect(failures).toEqual([]);
    expect(passed).toBeGreaterThan(1500);
  });
});
