/** Ranges by a method, or by whichever method makes the outputs best on photos that the ranges were not taken from. */
import { sharedRanges } from "../quant/ranges.ts";
import { CALIBRATORS, type CalibratorName } from "../quant/calibrators/index.ts";
import type { Observations, Observed } from "../quant/observations.ts";
import type { Plan } from "../quant/plan.ts";
import { scaleFor, type Range } from "../quant/scale.ts";
import { scaleFeeds, simulated } from "../quant/simulate.ts";
import type { BuildModelOptions, Prepared } from "./build.ts";
import { errorOf, type Judge } from "./judge.ts";
import { Taps } from "./taps.ts";

/** A calibrator; `best`, the one of two that is best for the whole model; or `auto`, the best for each value. */
export type Method = CalibratorName | "best" | "auto";

/**
 * What `best` tries: the methods whose range is of all photos, and which do not throw away the rare large values. Percentiles and entropy do,
 * which can please the mean error while boxes that a detector finds move; the moving average is mostly the range of the first photo, beyond
 * which others go by chance (docs/calibration.md).
 */
const CAREFUL: readonly CalibratorName[] = ["minmax", "mse"];

const NAMES = Object.keys(CALIBRATORS).filter((name): name is CalibratorName => Object.hasOwn(CALIBRATORS, name));

export const METHODS: readonly Method[] = ["best", "auto", ...NAMES];

export interface ChosenRanges {
  readonly ranges: ReadonlyMap<string, Range>;
  /** What chose each value's range, where the method leaves that open. */
  readonly chosen: ReadonlyMap<string, CalibratorName>;
}

type Observation = ReadonlyMap<string, Observed>;

/** An error must get smaller by this part for a value's range to be changed: less is chance. */
const GAIN = 0.002;

/** Every method's range of every value. */
class Choices {
  readonly #ranges: ReadonlyMap<CalibratorName, ReadonlyMap<string, Range>>;

  constructor(observed: Observation) {
    this.#ranges = new Map(NAMES.map((name) => [name, new Map([...observed].map(([value, o]) => [value, CALIBRATORS[name](o)]))]));
  }

  /** The ranges when each value's is chosen by a method of its own. */
  ranges(by: ReadonlyMap<string, CalibratorName>): ReadonlyMap<string, Range> {
    return new Map([...by].map(([value, name]) => [value, this.#ranges.get(name)?.get(value) ?? { min: 0, max: 0 }]));
  }
}

class Search {
  readonly #plan: Plan;
  readonly #choices: Choices;
  readonly #error: (ranges: ReadonlyMap<string, Range>) => Promise<number>;
  by: ReadonlyMap<string, CalibratorName> = new Map();
  error: number = Infinity;

  constructor(plan: Plan, choices: Choices, error: (ranges: ReadonlyMap<string, Range>) => Promise<number>) {
    this.#plan = plan;
    this.#choices = choices;
    this.#error = error;
  }

  /** Takes another choice if it is better by a part. */
  async try(by: ReadonlyMap<string, CalibratorName>, gain: number): Promise<void> {
    const error = await this.#error(this.#choices.ranges(by));
    if (error < this.error * (1 - gain)) [this.error, this.by] = [error, by];
  }

  /** One method for all values. */
  async whole(names: readonly CalibratorName[]): Promise<void> {
    for (const name of names) await this.try(new Map(this.#plan.observed.map((v) => [v.name, name])), 0);
  }

  /** Of each scale, one after the other, the method that gives the least error with the other scales as they are. */
  async each(told: (done: number, total: number) => void): Promise<void> {
    const { observed, scaleOf } = this.#plan;
    const roots = [...new Set(observed.map((v) => scaleOf.get(v)))];
    for (const [i, root] of roots.entries()) {
      const members = observed.filter((v) => scaleOf.get(v) === root);
      const tried = new Set([this.#scaleText(this.by, members[0]?.name)]);
      for (const name of NAMES) {
        const by = new Map([...this.by, ...members.map((v) => [v.name, name] as const)]);
        const text = this.#scaleText(by, members[0]?.name);
        if (tried.has(text)) continue;
        tried.add(text);
        await this.try(by, GAIN);
      }
      told(i + 1, roots.length);
    }
  }

  /** The scale of a value to a percent: what differs by less is not tried. */
  #scaleText(by: ReadonlyMap<string, CalibratorName>, value: string | undefined): string {
    const root = this.#plan.observed.find((v) => v.name === value);
    const of = root && this.#plan.scaleOf.get(root);
    const range = of && sharedRanges(this.#plan, this.#choices.ranges(by)).get(of);
    const { scale, zeroPoint } = scaleFor(range ?? { min: 0, max: 0 });
    return `${Math.round(Math.log(scale) * 100)}:${zeroPoint}`;
  }
}

/** Chooses the range of every value that was observed. Throws what building throws. */
export async function chooseRanges(
  method: Method,
  plan: Plan,
  observations: Observations,
  judge: Judge,
  prepared: Prepared,
  options: BuildModelOptions,
): Promise<ChosenRanges> {
  const observed = observations.all();
  if (method !== "best" && method !== "auto") {
    const choose = CALIBRATORS[method];
    return { ranges: new Map([...observed].map(([name, o]) => [name, choose(o)])), chosen: new Map() };
  }
  const choices = new Choices(observed);
  const taps = await Taps.open(simulated(plan), prepared, options);
  try {
    const search = new Search(plan, choices, async (ranges) => {
      const scales = scaleFeeds(plan, ranges);
      return errorOf(await judge.judgeRuns((feeds) => taps.run({ ...feeds, ...scales }, options.signal)));
    });
    options.onEvent?.({ kind: "step", text: "trying methods" });
    await search.whole(method === "auto" ? NAMES : CAREFUL);
    if (method === "auto") await search.each((done, total) => options.onEvent?.({ kind: "progress", done, total }));
    return { ranges: choices.ranges(search.by), chosen: search.by };
  } finally {
    await taps.close();
  }
}
