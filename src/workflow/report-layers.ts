/** What became of a model's layers in int8: how exact they are, how long they take, and the ranges of their values. */
import { stat } from "node:fs/promises";
import { isImageName } from "../data/node/source.ts";
import type { Node, Value } from "../ir/graph.ts";
import { producersOf } from "../ir/walk.ts";
import { SIDE } from "../ops/histogram.ts";
import { pairInt8, type Pair } from "../quant/apply.ts";
import type { Ranges } from "../quant/ranges.ts";
import { CALIBRATORS } from "../quant/calibrators/index.ts";
import type { Observations, Observed } from "../quant/observations.ts";
import type { Plan } from "../quant/plan.ts";
import type { CalibrationTable } from "../quant/table.ts";
import type { ReportedLayer } from "../report/layers.ts";
import type { ReportedTensor } from "../report/tensors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { prepare, type BuildModelOptions, type Prepared } from "./build.ts";
import type { Method } from "./choose-ranges.ts";
import { given } from "./events.ts";
import { int8From, planFor, tableFor, type Int8 } from "./int8.ts";
import { observe, optimisedGraph } from "./observe.ts";
import { eachPhoto, findPhotos } from "./photos.ts";
import { Taps } from "./taps.ts";

export interface LayerOptions extends BuildModelOptions {
  readonly model: string;
  /** Photos, or a calibration table. */
  readonly calib: string;
  readonly method?: Method | undefined;
  /** Photos to hold int8 against float with, and for the histograms of a table. */
  readonly images: string | undefined;
}

/** The model by its table, and what its values were. */
export interface Int8Model {
  readonly prepared: Prepared;
  readonly plan: Plan;
  readonly ranges: Ranges;
  readonly table: CalibrationTable;
  readonly int8: Int8;
  readonly observations: Observations | undefined;
  /** Of the histograms. */
  readonly photos: number;
  /** Whether the ranges were chosen by those. */
  readonly calibrated: boolean;
}

/** More photos than these change no histogram that is looked at. */
const MOST_OBSERVED = 64;
/** As many tell how exact a layer is. */
export const MOST_PAIRED: number = 8;

/** Reads the table or makes it, and observes the values that the plan quantises. Throws what calibrating throws, and `quant.table`. */
export async function openInt8(options: LayerOptions): Promise<Int8Model> {
  const { images, ...own } = options;
  const { model, calib, signal } = own;
  const isTable = await stat(calib).then(
    (file) => file.isFile() && !isImageName(calib),
    () => false,
  );
  const source = await tableFor(model, own);
  const prepared = await prepare(model, own);
  const common = {
    prepared,
    table: source.table,
    int8: int8From(source, calib),
    ...planFor(optimisedGraph(prepared), source.table, calib),
  };
  const folder = isTable ? images : calib;
  if (folder === undefined) return { ...common, observations: undefined, photos: 0, calibrated: false };
  const photos = await findPhotos([folder], signal);
  const { observations } = await observe(common.plan, photos.files.slice(0, MOST_OBSERVED), prepared, own);
  return { ...common, observations, photos: observations.samples.length, calibrated: !isTable };
}

class Noise {
  signal = 0;
  noise = 0;

  add(float: Tensor, int8: Tensor, scale: Pair["scale"]): void {
    const [a, b] = [float.data as Float32Array, int8.data as Float32Array | Uint8Array];
    for (let i = 0; i < a.length; i++) {
      const x = a[i] ?? 0;
      const y = scale ? scale.scale * ((b[i] ?? 0) - scale.zeroPoint) : (b[i] ?? 0);
      this.signal += x * x;
      this.noise += (x - y) * (x - y);
    }
  }

  get decibels(): number {
    return this.noise === 0 ? Infinity : 10 * Math.log10(this.signal / this.noise);
  }
}

/** For each unit's result the signal-to-noise ratio of its int8 self, in decibels, all before it in int8 too. */
export async function measureNoise(
  { plan, ranges, table, prepared }: Pick<Int8Model, "plan" | "ranges" | "table" | "prepared">,
  images: string,
  options: BuildModelOptions,
): Promise<ReadonlyMap<Value, number>> {
  const { onEvent, signal } = options;
  const { graph, pairs } = pairInt8(plan, ranges, table.means);
  const files = (await findPhotos([images], signal)).files.slice(0, MOST_PAIRED);
  const float = await Taps.open({ ...plan.graph, outputs: [...new Set(pairs.map((p) => p.float))] }, prepared, options);
  try {
    const int8 = await Taps.open(graph, prepared, options);
    try {
      onEvent?.({ kind: "step", text: "holding layers against float32" });
      const noise = new Map(pairs.map((p) => [p, new Noise()]));
      await eachPhoto(files, { graph: plan.graph, recipe: prepared.recipe }, options, async (feeds) => {
        const [a, b] = [await float.run(feeds, signal), await int8.run(feeds, signal)];
        for (const [p, sum] of noise) sum.add(must(a[p.float.name], p.float.name), must(b[p.int8.name], p.int8.name), p.scale);
      });
      return new Map([...noise].map(([p, sum]) => [p.float, sum.decibels]));
    } finally {
      await int8.close();
    }
  } finally {
    await float.close();
  }
}

/** How long the kernel of an original node takes, for each engine. */
export type TimesOf = (node: string) => readonly (number | undefined)[];

const LAYERS: ReadonlySet<string> = new Set(["conv", "gemm", "matMul", "convTranspose", "einsum", "attention"]);
const originOf = (node: Node): readonly string[] => (node.origin.length > 0 ? node.origin : [node.name]);

/** The convolutions and matrix products of the model, in its order. */
export function layersOf({ plan }: Int8Model, noise: ReadonlyMap<Value, number>, times: TimesOf): readonly ReportedLayer[] {
  return plan.graph.nodes.flatMap((node): ReportedLayer[] => {
    if (!LAYERS.has(node.op)) return [];
    const unit = plan.units.get(node);
    const origin = [...originOf(node), ...(unit?.activation ? originOf(unit.activation) : [])];
    const sqnr = unit && noise.get(unit.result);
    return [
      {
        nodes: origin,
        op: node.op,
        precision: unit ? "int8" : "fp32",
        ...(unit ? {} : given("why", plan.refused.get(node) ?? "its result is read as float32 only")),
        ...given("sqnr", sqnr),
        milliseconds: times(origin[0] ?? node.name),
      },
    ];
  });
}

/** The histograms of the values that the plan quantises, in the model's order. */
export function tensorsOf(model: Int8Model, noise: ReadonlyMap<Value, number>): readonly ReportedTensor[] {
  const { plan, table, observations } = model;
  if (observations === undefined) return [];
  const all = observations.all();
  const producers = producersOf(plan.graph);
  return plan.observed.flatMap((value): ReportedTensor[] => {
    const observed = all.get(value.name);
    const chosen = table.ranges.get(value.name);
    if (observed === undefined || chosen === undefined) return [];
    const producer = producers.get(value);
    const name = producer ? (originOf(producer)[0] ?? value.name) : `input ${value.name}`;
    return [{ name, ...binsOf(observed), chosen, methods: methodsOf(observed), ...given("sqnr", noise.get(value)) }];
  });
}

const methodsOf = (observed: Observed): ReportedTensor["methods"] =>
  Object.fromEntries(Object.entries(CALIBRATORS).map(([name, choose]) => [name, choose(observed)]));

function binsOf({
  counts,
  exponent,
  zeros,
  min,
  max,
}: Observed): Pick<ReportedTensor, "from" | "width" | "counts" | "zeros" | "min" | "max"> {
  const width = 2 ** exponent;
  const total = counts.reduce((n, c) => n + c, 0) + zeros;
  return { from: -SIDE * width, width, counts, zeros: total === 0 ? 0 : zeros / total, min, max };
}
