/**
 * An int8 engine that loses no more than so many points: the layers whose int8 harms most stay in float32, as many as one half of labelled
 * photos asks for, and the other half says whether that holds for photos that had no say in it.
 */
import type { RewriteFor } from "../compiler/compile.ts";
import { HoneError } from "../util/errors.ts";
import type { BuildModelOptions } from "./build.ts";
import { halves, type Half } from "./halves.ts";
import { int8From, tableFor, type Int8, type Int8Options, type TableSource } from "./int8.ts";
import { dropOf, labelScore, type Labelled, type LabelScore } from "./label-score.ts";
import { harmOf } from "./sensitivity.ts";

export interface MaxDrop extends Labelled {
  /** The most that the worse of AP and AP50 may lose, in points of a hundred. */
  readonly points: number;
}

export interface HalfDrop {
  readonly fp32: LabelScore;
  readonly int8: LabelScore;
  /** In points, of the worse of AP and AP50; negative for a gain. */
  readonly drop: number;
}

export interface AssignedInt8 {
  readonly int8: Int8;
  readonly points: number;
  /** Layers that stay in float32 for it, the most harmful first. */
  readonly float: readonly string[];
  /** The photos that chose them. */
  readonly chosen: HalfDrop;
  /** The photos that judge. */
  readonly judged: HalfDrop;
}

const WHY = "int8 there would cost more accuracy than --max-drop allows";

class Assignment {
  readonly #model: string;
  readonly #source: TableSource;
  readonly #options: Int8Options;
  readonly #max: MaxDrop;

  constructor(model: string, source: TableSource, options: Int8Options, max: MaxDrop) {
    this.#model = model;
    this.#source = source;
    this.#options = options;
    this.#max = max;
  }

  /** The rewriting with some layers in float32 besides those that the table leaves there. */
  with(float: readonly string[]): Int8 {
    const { table } = this.#source;
    const all = new Map([...(table.float ?? []), ...float.map((name) => [name, WHY] as const)]);
    return int8From({ ...this.#source, table: { ...table, float: all } }, this.#options.calib, this.#options.layers);
  }

  /** What the engine of the given layers in float32 loses on a half. */
  async drop(fp32: LabelScore, half: Half, float: readonly string[]): Promise<HalfDrop> {
    const { machine } = this.#options;
    const { rewrite } = this.with(float);
    // On this machine, with the layers of the one that is built for: integer kernels give the same everywhere.
    const forMachine: RewriteFor = (graph, here) => rewrite(graph, machine ?? here);
    const int8 = await this.score(half, { ...this.#options, precision: "int8", rewrite: forMachine });
    return { fp32, int8, drop: dropOf(fp32, int8) };
  }

  score(half: Half, options: BuildModelOptions): Promise<LabelScore> {
    return labelScore(this.#model, this.#max, half, options);
  }
}

/**
 * The fewest of the layers, from the first on, that bring the drop on a half to no more than the points. More layers in float32 are taken to
 * be no worse, so that the number is found by halving.
 */
async function fewest(
  layers: readonly string[],
  points: number,
  dropWith: (float: readonly string[]) => Promise<HalfDrop>,
): Promise<number> {
  if ((await dropWith([])).drop <= points) return 0;
  let [low, high] = [1, layers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((await dropWith(layers.slice(0, middle))).drop <= points) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Calibrates, or reads the table, and assigns precisions. Throws what those, building and evaluating throw; a missed gate is in the result. */
export async function int8Within(model: string, options: Int8Options, max: MaxDrop): Promise<AssignedInt8> {
  const [decide, judge] = await halves(max.images, options.signal);
  if (decide.size === 0 || judge.size === 0)
    throw new HoneError("usage", "--max-drop needs at least two photos: one half assigns precisions, the other judges", {
      at: { file: max.images },
    });
  const source = await tableFor(model, options);
  const assignment = new Assignment(model, source, options, max);
  const fp32 = await assignment.score(decide, options);
  const none = await assignment.drop(fp32, decide, []);
  const layers = none.drop <= max.points ? [] : await harmOf(model, source.table, { ...options, images: max.images }, decide);
  const count = await fewest(layers, max.points, (float) =>
    float.length === 0 ? Promise.resolve(none) : assignment.drop(fp32, decide, float),
  );
  const float = layers.slice(0, count);
  const chosen = count === 0 ? none : await assignment.drop(fp32, decide, float);
  const judged = await assignment.drop(await assignment.score(judge, options), judge, float);
  return { int8: assignment.with(float), points: max.points, float, chosen, judged };
}

/** The gate of the half that judges; undefined when it holds. */
export function dropGate({ points, judged: { drop, fp32 } }: AssignedInt8, model: string): HoneError | undefined {
  if (drop <= points) return undefined;
  return new HoneError(
    "gate.accuracy",
    `int8 loses ${drop.toFixed(2)} points on the ${fp32.images} photos that judge, more than the ${points} of --max-drop`,
    {
      at: { file: model },
      hint: "More labelled photos, or more photos for --calib, or a smaller --max-drop, which leaves more layers in float32, may help.",
    },
  );
}
