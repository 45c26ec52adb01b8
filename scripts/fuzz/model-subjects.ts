/** Mutants of ONNX and TFLite models, which are imported and compiled. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { compileGraph } from "../../src/compiler/compile.ts";
import { importModel } from "../../src/formats/index.ts";
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../src/formats/onnx/ast.ts";
import { convertOpset } from "../../src/formats/onnx/opset/convert.ts";
import { readOnnx } from "../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { readTflite } from "../../src/formats/tflite/read.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { allGraphs } from "../../src/ir/regions.ts";
import { changePlace, placesOf, withOperators } from "./flatbuffer.ts";
import { SMALL_MODELS, TEXT_MODEL } from "./models.ts";
import { mutateBytes, type Random } from "./random.ts";
import { changeBody } from "./subgraphs.ts";
import { changeTree, stringsOf } from "./structure.ts";
import type { Shape } from "../../src/tensor/dim.ts";
import { zeros } from "../../src/tensor/tensor.ts";
import { HostRun, type HostProgram } from "../../src/text/program.ts";
import { stringCount, stringTensor } from "../../src/text/tensor.ts";
import { HoneError, must } from "../../src/util/errors.ts";
import { succeeds, type Subject } from "./subject.ts";

const root = join(import.meta.dirname, "../..");
const shared = join(root, "../shared");
const present = (...files: string[]): Uint8Array[] => files.filter((f) => existsSync(f)).map((f) => readFileSync(f));

/** Values beyond this are planned for but make a mutant slow, not wrong. */
const MAX_ELEMENTS = 1 << 24;
const MACHINE = { lanes: 8, registers: 16 };

function runModel(bytes: Uint8Array): string {
  const graph = importModel(bytes, { file: "mutant" });
  const symbolic = graph.inputs.filter((v) => v.shape.some((d) => typeof d !== "number"));
  const sizes = symbolic.map((v) => [v.name, v.shape.map((d) => (typeof d === "number" ? d : 32))] as const);
  const values = allGraphs(graph).flatMap((g) => [...g.inputs, ...g.nodes.flatMap((n) => n.outputs)]);
  if (values.some((v) => v.shape.reduce<number>((n, d) => n * (typeof d === "number" ? d : 1), 1) > MAX_ELEMENTS)) return "imported, large";
  if (graph.host) runHost(graph.host, graph);
  compileGraph(graph, { machine: MACHINE, ...(symbolic.length > 0 ? { profiles: [Object.fromEntries(sizes)] } : {}) });
  return "compiled";
}

/** The operators on strings, on a few words, and on zeros for what kernels give. */
function runHost(host: HostProgram, { outputs }: Graph): void {
  const numbers = (shape: Shape): readonly number[] => shape.map((d) => (typeof d === "number" ? d : 3));
  const words = (dims: readonly number[]): string[] =>
    Array.from({ length: stringCount(dims) }, (_, i) => ["one two", "", "1.5", "b"][i % 4] ?? "");
  const strings = host.inputs.filter((v) => v.type === "string").map((v) => [v.name, numbers(v.dims)] as const);
  const run = new HostRun(host, Object.fromEntries(strings.map(([name, dims]) => [name, stringTensor(dims, words(dims))])));
  run.before();
  run.after(Object.fromEntries(outputs.map((v) => [v.name, zeros(v.dtype, numbers(v.shape))])));
}

/** The files of ONNX's own suite, one node each: every operator with unusual attributes. Unpacked once, into out/. */
function suiteFiles(): string[] {
  const archive = join(shared, "conformance/onnx-backend-v1.22.0.tar.xz");
  if (!existsSync(archive)) return [];
  const folder = join(root, "out/fuzz/suite");
  if (!existsSync(folder)) {
    mkdirSync(join(root, "out/fuzz"), { recursive: true });
    const fresh = mkdtempSync(join(root, "out/fuzz/unpack-"));
    execFileSync("tar", ["xJf", archive, "-C", fresh, "--wildcards", "*node/*/model.onnx"]);
    renameSync(fresh, folder);
  }
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith("model.onnx"));
  return files.sort().map((f) => join(folder, f));
}

const DULL = new Set(["docString", "metadataProps", "producerName", "producerVersion", "modelVersion", "denotation", "overload"]);

export function onnx(): Subject {
  const trained = ["samplenet/samplenet.onnx", "yunet/yunet_n_640_640.onnx", "yunet/yunet_n_dynamic.onnx"];
  const [large, small] = [trained.map((f) => join(shared, "models", f)).filter(existsSync), suiteFiles()];
  const seedOf = (random: Random): OnnxModel => {
    // A trained model takes half a second to compile, one of a node a few milliseconds.
    const file = random.chance(0.4) ? undefined : random.pick(random.chance(0.06) ? large : small);
    return file === undefined ? random.pick([...SMALL_MODELS, TEXT_MODEL] as const) : readOnnx(readFileSync(file), { file });
  };
  return {
    mutant(random) {
      const seed = seedOf(random);
      if (random.chance(0.2)) return mutateBytes(writeOnnx(seed), random);
      const names = [...stringsOf(seed)];
      let tree: unknown = random.chance(0.15) ? changeInitializers(seed, random) : seed;
      let intact = true;
      for (let n = (tree === seed ? 1 : 0) + random.below(3); n > 0; n--) {
        const change = (part: unknown): unknown => changeTree(part, { random, names, dull: DULL });
        // Of a tree that was changed before, bodies may be anything.
        const changed = random.chance(0.3) && intact && isWhole(tree) ? changeBody(tree, random, change) : change(tree);
        if (!isWritable(changed)) continue;
        tree = changed;
        intact = false;
      }
      return writeOnnx(tree as OnnxModel);
    },
    passes: (bytes) => succeeds(() => must(readOnnx(bytes, { file: "mutant" }).graph, "a graph")),
    run: (bytes) => {
      restate(bytes);
      return runModel(bytes);
    },
  };
}

/** Says the model in the words of an older and of a newer operator set; what it refuses, it may. */
function restate(bytes: Uint8Array): void {
  for (const opset of [8, 12, 17, 28]) {
    try {
      writeOnnx(convertOpset(readOnnx(bytes, { file: "mutant" }), { file: "mutant", opset }));
    } catch (error) {
      if (!(error instanceof HoneError) || error.code === "internal") throw error;
    }
  }
}

/** Weights that no training gives: not finite, huge, denormal, or for integers far out of range; in one of them, at a few places. */
function changeInitializers(model: OnnxModel, random: Random): OnnxModel {
  const initializers = model.graph?.initializer ?? [];
  const chosen = random.below(Math.max(1, initializers.length));
  const changed = initializers.map((t, i) => (i === chosen ? withHostileWeights(t, random) : t));
  return model.graph === undefined ? model : { ...model, graph: { ...model.graph, initializer: changed } };
}

const HOSTILE_WORDS = [0x7fc00000, 0x7f800000, -0x800000, 1, 0x7f7fffff, -1, 0x7fffffff, -0x80000000] as const;

function withHostileWeights(t: OnnxTensor, random: Random): OnnxTensor {
  const rawData = Uint8Array.from(t.rawData ?? []);
  const view = new DataView(rawData.buffer);
  for (let n = 1 + random.below(8); n > 0 && rawData.length >= 4; n--) {
    view.setInt32(4 * random.below(rawData.length >> 2), random.pick(HOSTILE_WORDS), true);
  }
  return rawData.length >= 4 ? { ...t, rawData } : t;
}

/** Whether the parts that have bodies are still there. */
function isWhole(tree: unknown): tree is OnnxModel {
  const { graph, functions } = tree as Partial<OnnxModel>;
  return Array.isArray(functions) && Array.isArray(graph?.node) && graph.node.every((n: Partial<OnnxNode>) => Array.isArray(n.attribute));
}

/** Whether a changed tree still has the types that the writer needs; a string among the dims is no file. */
function isWritable(tree: unknown): boolean {
  try {
    writeOnnx(tree as OnnxModel);
    return true;
  } catch {
    return false;
  }
}

/** Models of a few neighbouring operators each. */
function piecesOf(seed: Uint8Array): Uint8Array[] {
  const operators = readTflite(seed, { file: "seed" }).subgraphs[0]?.operators.length ?? 0;
  const starts = Array.from({ length: Math.ceil(operators / PIECE) }, (_, i) => i * PIECE);
  return starts
    .flatMap((start) => withOperators(seed, start, PIECE + 2) ?? [])
    .filter((p) => succeeds(() => importModel(p, { file: "piece" })));
}

const PIECE = 5;

export function tflite(): Subject {
  const npm = join(root, "node_modules/@mediapipe/face_detection");
  const seeds = present(
    join(npm, "face_detection_short_range.tflite"),
    join(npm, "face_detection_full_range.tflite"),
    join(shared, "models/facemesh-int8/face_landmark.tflite"),
    join(shared, "models/facemesh-int8/face_detection_front.tflite"),
  );
  const pieces = seeds.flatMap(piecesOf);
  const places = new Map([...seeds, ...pieces].map((seed) => [seed, placesOf(seed)]));
  return {
    mutant(random) {
      // A whole model takes a second to compile, a piece of it a few milliseconds.
      const seed = random.pick(random.chance(0.03) ? seeds : pieces) ?? new Uint8Array();
      if (random.chance(0.25)) return mutateBytes(seed, random);
      const bytes = Uint8Array.from(seed);
      for (let n = 1 + random.below(3); n > 0; n--) changePlace(bytes, places.get(seed) ?? [], random);
      return bytes;
    },
    passes: (bytes) => succeeds(() => readTflite(bytes, { file: "mutant" })),
    run: runModel,
  };
}
