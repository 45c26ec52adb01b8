/** The smallest part of a model on which two ways to compute it do not agree. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OnnxModel, OnnxNode } from "../formats/onnx/ast.ts";
import { cleanOnnx } from "../formats/onnx/clean.ts";
import { Extractor } from "../formats/onnx/extract.ts";
import { readOnnx } from "../formats/onnx/read.ts";
import { traceOnnx } from "../formats/onnx/trace.ts";
import { writeOnnx } from "../formats/onnx/write.ts";
import { staticShape } from "../tensor/dim.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import { prepare, type Prepared } from "./build.ts";
import { withoutFiles } from "./convert.ts";
import { difference, INCOMPARABLE, type Difference } from "./difference.ts";
import { given, type JobOptions } from "./events.ts";
import { makeFeeds, type FeedOptions, type TensorFeeds } from "./feeds.ts";
import { baseName } from "./model-file.ts";
import { writeNpy } from "./npy.ts";
import { OutputFile, writeOutputs } from "./output-file.ts";
import type { Peer } from "./peer.ts";
import { bindProfile } from "./shapes.ts";
import { refuseStrings } from "./string-feeds.ts";
import { openSide, SIDE_NAMES, type SideName } from "./sides.ts";
import { smallestSubset } from "./smallest.ts";

/** One of the two: its name, and how a model file is opened. */
export interface Side {
  readonly name: string;
  readonly open: (path: string) => Promise<Peer>;
}

export interface ReduceOptions extends JobOptions, Omit<FeedOptions, "signal"> {
  /** The one in question, and the one that is believed: its values are what the parts are fed. Names are opened by {@link openSide}. */
  readonly between: readonly [SideName | Side, SideName | Side];
  /** Path of the small model; its inputs lie beside it. */
  readonly output: string;
  /** The most relative error of any output. */
  readonly tolerance: number;
  /** Values of --shape, one profile. */
  readonly shapes?: readonly string[];
}

/** How the two stand on one model. */
export type Verdict =
  | { readonly kind: "agree" | "differ"; readonly output: string; readonly relativeError: number; readonly maxAbs: number }
  /** One fails, the other does not. */
  | { readonly kind: "fails"; readonly side: string; readonly code: string; readonly message: string }
  /** Neither can compute it. */
  | { readonly kind: "neither"; readonly message: string };

export interface Reduced {
  readonly model: string;
  readonly between: readonly [string, string];
  readonly tolerance: number;
  /** On the whole model. */
  readonly whole: Verdict;
  /** On the small model; null when the two agree on the whole. */
  readonly part: Verdict | null;
  readonly nodes: { readonly before: number; readonly after: number };
  /** Names and operators of what is left. */
  readonly left: readonly { readonly name: string; readonly op: string }[];
  /** How many models were tried. */
  readonly tried: number;
  /** The small model, then its inputs. */
  readonly files: readonly string[];
  /** Values of `hone compare --input` for these. */
  readonly arrays: readonly string[];
}

/** "native,onnxruntime" as two names. Throws `usage`. */
export function parseBetween(text: string): readonly [SideName, SideName] {
  const names = text.split(",").map((word) => SIDE_NAMES.find((n) => n === word.trim()));
  const [a, b] = names;
  if (a !== undefined && b !== undefined && a !== b && names.length === 2) return [a, b];
  throw new HoneError("usage", `--between takes two names, got "${text}"`, {
    hint: `Use two of ${SIDE_NAMES.join(", ")} with a comma between: the one in question, then the one to believe.`,
  });
}

/** Throws `usage` for what is no ONNX model, and whatever keeps both sides from computing the whole. */
export async function reduceModel(path: string, options: ReduceOptions): Promise<Reduced> {
  const prepared = await prepare(path, { shapes: options.shapes ?? [], ...given("signal", options.signal) });
  if (prepared.model.format !== "onnx") {
    throw new HoneError("usage", "only ONNX models can be reduced", {
      at: { file: path },
      hint: "hone compare tells which output differs.",
    });
  }
  if (prepared.profiles.length > 1)
    throw new HoneError("usage", "a model is reduced for one set of shapes", { hint: "Give each input one --shape." });
  const output = await OutputFile.reserve(options.output);
  const folder = await mkdtemp(join(tmpdir(), "hone-reduce-"));
  try {
    const job = await Reduction.begin(prepared, folder, options);
    return await job.run(output);
  } finally {
    await output.discard();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What is no finding, whichever side says it. */
const STOPS = new Set(["aborted", "dependency.missing", "toolchain.missing", "usage"]);

function failure(side: string, error: unknown): Failure {
  if (error instanceof HoneError && STOPS.has(error.code)) throw error;
  const code = error instanceof HoneError ? error.code : "internal";
  return { kind: "fails", side, code, message: error instanceof Error ? error.message : String(error) };
}

const same = (a: Verdict, b: Verdict): boolean =>
  a.kind === b.kind && (a.kind !== "fails" || (b.kind === "fails" && a.side === b.side && a.code === b.code));

function verdictText(v: Verdict): string {
  if (v.kind === "agree" || v.kind === "differ")
    return `${v.kind === "agree" ? "they agree" : "they differ"} (${v.relativeError.toExponential(1)})`;
  return v.kind === "fails" ? `${v.side} fails: ${v.code}` : "neither computes it";
}

class Reduction {
  readonly #path: string;
  readonly #options: ReduceOptions;
  readonly #sides: readonly [Side, Side];
  readonly #folder: string;
  readonly #extractor: Extractor;
  readonly #feeds: TensorFeeds;
  #values: ReadonlyMap<string, Tensor> = new Map();
  #tried = 0;

  private constructor(path: string, options: ReduceOptions, folder: string, extractor: Extractor, feeds: TensorFeeds) {
    this.#path = path;
    this.#options = options;
    this.#folder = folder;
    this.#extractor = extractor;
    this.#feeds = feeds;
    const side = (s: SideName | Side): Side =>
      typeof s === "string" ? { name: s, open: (file) => openSide(s, file, given("signal", options.signal)) } : s;
    this.#sides = [side(options.between[0]), side(options.between[1])];
  }

  static async begin({ model: file, graph, profiles, recipe }: Prepared, folder: string, options: ReduceOptions): Promise<Reduction> {
    refuseStrings(graph.host, "reduce compares kernels alone", file.path);
    const bound = bindProfile(graph, profiles[0] ?? {}, file.path);
    const inputs = bound.inputs.map((v) => ({ name: v.name, type: v.dtype, dims: staticShape(v.shape, v.name) }));
    const [first] = await makeFeeds(inputs, recipe, options);
    const shapes = Object.fromEntries(inputs.map((v) => [v.name, v.dims]));
    const model = withoutFiles(cleanOnnx(readOnnx(file.bytes, { file: file.path }), shapes), file);
    const extractor = new Extractor(model, traceOnnx(model, { file: file.path, shapes }));
    return new Reduction(file.path, options, folder, extractor, first?.feeds ?? {});
  }

  async run(output: OutputFile): Promise<Reduced> {
    const { units } = this.#extractor;
    const all = new Set(units.flat());
    this.#values = new Map(Object.entries(this.#feeds));
    const whole = await this.#hold(all);
    const found = {
      model: this.#path,
      between: [this.#sides[0].name, this.#sides[1].name],
      tolerance: this.#options.tolerance,
      whole,
    } as const;
    if (whole.kind === "neither")
      throw new HoneError("model.unsupported", `neither side computes the model: ${whole.message}`, { at: { file: this.#path } });
    if (whole.kind === "agree") {
      return { ...found, part: null, nodes: { before: all.size, after: all.size }, left: [], tried: this.#tried, files: [], arrays: [] };
    }
    this.#values = await this.#valuesInside(all);
    const left = await smallestSubset(units, async (subset) => same(await this.#hold(new Set(subset.flat())), whole));
    const nodes = new Set(left.flat());
    const part = await this.#hold(nodes);
    const written = await this.#write(this.#extractor.extract(nodes), output);
    const kept = [...nodes].map((n) => ({ name: n.name === "" ? (n.output[0] ?? "") : n.name, op: n.opType }));
    return { ...found, part, nodes: { before: all.size, after: nodes.size }, left: kept, tried: this.#tried, ...written };
  }

  /** Every value of the model, as the second side computes it; where it cannot, the first does. */
  async #valuesInside(all: ReadonlySet<OnnxNode>): Promise<ReadonlyMap<string, Tensor>> {
    const path = await this.#save(this.#extractor.extract(all, true));
    const failures: unknown[] = [];
    for (const side of [this.#sides[1], this.#sides[0]]) {
      try {
        return new Map([...Object.entries(this.#feeds), ...Object.entries(await runOnce(side, path, this.#feeds))]);
      } catch (error) {
        failures.push(failure(side.name, error));
        this.#options.onEvent?.({ kind: "step", text: `${side.name} does not give the values inside` });
      }
    }
    throw new HoneError(
      "model.unsupported",
      `neither side gives the values inside the model: ${failures.map((f) => JSON.stringify(f)).join(", ")}`,
      {
        at: { file: this.#path },
      },
    );
  }

  async #save(model: OnnxModel): Promise<string> {
    const path = join(this.#folder, `${++this.#tried}.onnx`);
    await writeFile(path, writeOnnx(model));
    return path;
  }

  /** How the two stand on the model of these nodes. */
  async #hold(nodes: ReadonlySet<OnnxNode>): Promise<Verdict> {
    if (this.#options.signal?.aborted) throw new HoneError("aborted", "the reduction was aborted");
    const model = this.#extractor.extract(nodes);
    const feeds = feedsOf(model, this.#values);
    if (!feeds || model.graph?.output.length === 0) return { kind: "neither", message: "a value inside is not known" };
    const path = await this.#save(model);
    const results = await this.#both(path, feeds);
    await rm(path);
    const verdict = "kind" in results ? results : this.#judge(results.ours, results.theirs);
    this.#options.onEvent?.({ kind: "step", text: `${nodes.size} nodes: ${verdictText(verdict)}` });
    return verdict;
  }

  async #both(path: string, feeds: TensorFeeds): Promise<{ readonly ours: TensorFeeds; readonly theirs: TensorFeeds } | Verdict> {
    const [first, second] = this.#sides;
    const [ours, theirs] = [await attempt(first, path, feeds), await attempt(second, path, feeds)];
    if (isFailure(ours)) return isFailure(theirs) ? { kind: "neither", message: `${ours.message}; ${theirs.message}` } : ours;
    return isFailure(theirs) ? theirs : { ours, theirs };
  }

  #judge(a: TensorFeeds, b: TensorFeeds): Verdict {
    let worst: Difference & { readonly output: string } = { output: "", relativeError: -1, maxAbs: 0, cosine: 1 };
    for (const [output, want] of Object.entries(b)) {
      const got = a[output];
      const d = got ? difference(got, want) : INCOMPARABLE;
      if (d.relativeError > worst.relativeError) worst = { ...d, output };
    }
    const { output, relativeError, maxAbs } = worst;
    return {
      kind: relativeError > this.#options.tolerance ? "differ" : "agree",
      output,
      relativeError: Math.max(0, relativeError),
      maxAbs,
    };
  }

  async #write(model: OnnxModel, output: OutputFile): Promise<{ readonly files: readonly string[]; readonly arrays: readonly string[] }> {
    const stem = join(output.path, "..", baseName(output.path));
    const arrays = Object.entries(feedsOf(model, this.#values) ?? {}).map(([name, t], i) => ({
      name,
      path: `${stem}.input${i}.npy`,
      bytes: writeNpy(t),
    }));
    await writeOutputs(arrays);
    await output.commit(writeOnnx(model));
    return { files: [output.path, ...arrays.map((a) => a.path)], arrays: arrays.map((a) => `${a.name}=${a.path}`) };
  }
}

type Failure = Extract<Verdict, { kind: "fails" }>;

const isFailure = (x: TensorFeeds | Failure): x is Failure => x.kind === "fails";

const attempt = (side: Side, path: string, feeds: TensorFeeds): Promise<TensorFeeds | Failure> =>
  runOnce(side, path, feeds).catch((error: unknown) => failure(side.name, error));

function feedsOf({ graph }: OnnxModel, values: ReadonlyMap<string, Tensor>): TensorFeeds | undefined {
  const entries = (graph?.input ?? []).map(({ name }) => [name, values.get(name)] as const);
  return entries.every((e): e is readonly [string, Tensor] => e[1] !== undefined) ? Object.fromEntries(entries) : undefined;
}

async function runOnce(side: Side, path: string, feeds: TensorFeeds): Promise<TensorFeeds> {
  const peer = await side.open(path);
  try {
    return await peer.run(feeds);
  } finally {
    await peer.close();
  }
}
