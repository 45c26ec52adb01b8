/** Judges int8 graphs by how far what they find, or their outputs are, from the float graph's, on photos that chose nothing. */
import type { Candidate } from "../geometry/nms.ts";
import type { Graph } from "../ir/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Problem } from "../util/errors.ts";
import type { BuildModelOptions, Prepared } from "./build.ts";
import { inputSize } from "../vision/bind.ts";
import { candidatesReader } from "../vision/detect.ts";
import type { TensorFeeds } from "./feeds.ts";
import { Moved } from "./moved.ts";
import { eachPhoto, type Photos } from "./photos.ts";
import { Taps } from "./taps.ts";

/** No more photos than this judge: every trial runs on all of them. */
const MOST = 16;

interface Sample {
  readonly feeds: TensorFeeds;
  /** The float graph's outputs that are float32, by name. */
  readonly outputs: ReadonlyMap<string, Float32Array>;
  /** What it finds before suppression; of a model that is no detector nothing. */
  readonly candidates: readonly Candidate[] | undefined;
}

/** How far a graph is from the float graph. */
export interface Verdict {
  /** The mean of the outputs' relative squared errors. */
  readonly outputs: number;
  /** Of detectors, how far candidates move ({@link Moved}). */
  readonly moved?: number;
}

/** What one graph is called better than another by. */
export const errorOf = ({ outputs, moved }: Verdict): number => moved ?? outputs;

type Outputs = Readonly<Record<string, Tensor>>;

/** ‖a - b‖² / ‖a‖² over several pairs of the same kind. */
export class RelativeError {
  #signal = 0;
  #noise = 0;

  add(want: Float32Array, got: ArrayLike<number>): void {
    let [signal, noise] = [0, 0];
    for (let i = 0; i < want.length; i++) {
      const a = want[i] as number;
      const d = a - (got[i] as number);
      signal += a * a;
      noise += d * d;
    }
    this.#signal += signal;
    this.#noise += noise;
  }

  get value(): number {
    if (this.#noise === 0) return 0;
    return Number.isNaN(this.#noise) ? Infinity : this.#noise / this.#signal;
  }
}

/** Signal to quantisation noise in decibels; of no noise Infinity. */
export const decibels = (error: number): number => -10 * Math.log10(error);

export class Judge {
  readonly #samples: readonly Sample[];
  readonly #read: CandidatesReader | undefined;
  readonly #prepared: Prepared;
  readonly #options: BuildModelOptions;
  readonly skipped: readonly Problem[];

  private constructor(
    samples: readonly Sample[],
    read: CandidatesReader | undefined,
    skipped: readonly Problem[],
    prepared: Prepared,
    options: BuildModelOptions,
  ) {
    this.#samples = samples;
    this.#read = read;
    this.skipped = skipped;
    this.#prepared = prepared;
    this.#options = options;
  }

  /** Runs the float graph on the first of the photos, by their hashes. Throws what building throws. */
  static async open(graph: Graph, files: Photos["files"], prepared: Prepared, options: BuildModelOptions): Promise<Judge> {
    const samples: Sample[] = [];
    const read = readerFor(graph, prepared);
    const taps = await Taps.open(graph, prepared, options);
    try {
      options.onEvent?.({ kind: "step", text: "running the float model on photos to judge with" });
      const skipped = await eachPhoto(files.slice(0, MOST), { graph, recipe: prepared.recipe }, options, async (feeds) => {
        const found = await taps.run(feeds, options.signal);
        const floats = Object.entries(found).flatMap(([name, t]) =>
          t.data instanceof Float32Array ? [[name, t.data.slice()] as const] : [],
        );
        samples.push({ feeds, outputs: new Map(floats), candidates: read?.(found) });
      });
      return new Judge(samples, read, skipped, prepared, options);
    } finally {
      await taps.close();
    }
  }

  get photos(): number {
    return this.#samples.length;
  }

  /** Judges a graph with the float graph's inputs and outputs. */
  async judge(graph: Graph): Promise<Verdict> {
    const taps = await Taps.open(graph, this.#prepared, this.#options);
    try {
      return await this.judgeRuns((feeds) => taps.run(feeds, this.#options.signal));
    } finally {
      await taps.close();
    }
  }

  /** As {@link judge}, of anything that gives outputs by name. */
  async judgeRuns(run: (feeds: TensorFeeds) => Promise<Outputs>): Promise<Verdict> {
    const errors = new Map<string, RelativeError>();
    const moved = new Moved();
    for (const { feeds, outputs, candidates } of this.#samples) {
      const found = await run(feeds);
      for (const [name, want] of outputs) {
        const error = errors.get(name) ?? new RelativeError();
        errors.set(name, error);
        error.add(want, found[name]?.data as Float32Array);
      }
      if (candidates && this.#read) moved.add(candidates, this.#read(found));
    }
    const mean = [...errors.values()].reduce((sum, e) => sum + e.value, 0) / Math.max(1, errors.size);
    return this.#read ? { outputs: mean, moved: moved.value } : { outputs: mean };
  }
}

type CandidatesReader = (outputs: Outputs) => readonly Candidate[];

/** Reads the candidates of a detector whose recipe is known, one for each place that it looks at. */
function readerFor(graph: Graph, { recipe }: Prepared): CandidatesReader | undefined {
  const size = recipe && inputSize(recipe, graph.inputs[0]?.shape.map(Number) ?? []);
  return recipe && size && candidatesReader(recipe, size);
}
