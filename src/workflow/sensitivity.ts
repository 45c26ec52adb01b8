/** How much each layer of a model suffers from int8, and makes the outputs suffer. */
import type { Graph, Node } from "../ir/graph.ts";
import { applyInt8 } from "../quant/apply.ts";
import type { Unit } from "../quant/plan.ts";
import type { CalibrationTable } from "../quant/table.ts";
import { must } from "../util/errors.ts";
import { prepare, type BuildModelOptions, type Prepared } from "./build.ts";
import { planFor, tableFor, type Int8Options } from "./int8.ts";
import { decibels, Judge } from "./judge.ts";
import { optimisedGraph } from "./observe.ts";
import { findPhotos, type Photos } from "./photos.ts";
import { measureNoise, MOST_PAIRED } from "./report-layers.ts";

export interface LayerSensitivity {
  /** Names of the original model's nodes. */
  readonly layer: string;
  /** Of the optimised graph. */
  readonly node: string;
  /** Signal to noise, in decibels, of what the layer gives when the whole model is in int8. */
  readonly sqnr: number;
  /** Of the model's outputs when this layer alone is in int8. */
  readonly alone: number;
}

export interface SensitivityOptions extends Int8Options {
  /** Photos to run; the first of them by their hashes are. */
  readonly images: string;
}

export interface Sensitivity {
  readonly layers: readonly LayerSensitivity[];
  readonly photos: number;
  /** Of the model's outputs, with all layers in int8. */
  readonly all: number;
  readonly table: CalibrationTable;
}

/** So many photos show what suffers. */
const PHOTOS = MOST_PAIRED;

const convolutions = (units: ReadonlyMap<Node, Unit>): readonly Unit[] => [...new Set(units.values())].filter((u) => u.kind === "conv");

/** What is measured with. */
interface Work {
  readonly graph: Graph;
  readonly table: CalibrationTable;
  /** What the table is called in errors. */
  readonly from: string;
  readonly files: Photos["files"];
  readonly images: string;
  readonly prepared: Prepared;
  readonly options: BuildModelOptions;
}

/** The error of the outputs with one layer alone in int8. */
async function errorAlone(judge: Judge, unit: Unit, units: readonly Unit[], { graph, table, from }: Work): Promise<number> {
  const float = new Map(units.filter((u) => u !== unit).map((u) => [u.node.name, "another layer is looked at"]));
  const { plan, ranges } = planFor(graph, { ...table, float }, from);
  return judge.error(applyInt8(plan, ranges, table.means));
}

/** Measures every convolution of a table's model on photos. Throws what building throws. */
async function measure(work: Work): Promise<Omit<Sensitivity, "table">> {
  const { graph, table, from, files, prepared, options } = work;
  const judge = await Judge.open(graph, files, prepared, options);
  const { plan, ranges } = planFor(graph, table, from);
  const units = convolutions(plan.units);
  const noise = await measureNoise({ plan, ranges, table, prepared }, work.images, options);
  const layers: LayerSensitivity[] = [];
  for (const [i, unit] of units.entries()) {
    options.onEvent?.({ kind: "step", text: "each layer alone in int8" });
    options.onEvent?.({ kind: "progress", done: i, total: units.length });
    layers.push({
      layer: unit.node.origin.join(", ") || unit.node.name,
      node: unit.node.name,
      sqnr: must(noise.get(unit.result), "the noise of a layer"),
      alone: decibels(await errorAlone(judge, unit, units, work)),
    });
  }
  return { layers, photos: judge.photos, all: decibels(await judge.error(applyInt8(plan, ranges, table.means))) };
}

/** Layers of a table's model, the one whose int8 harms the outputs most first. Throws what calibrating and building throw. */
export async function sensitivityOf(
  path: string,
  table: CalibrationTable,
  options: Omit<SensitivityOptions, "method">,
): Promise<Omit<Sensitivity, "table">> {
  const prepared = await prepare(path, options);
  const { files } = await findPhotos([options.images], options.signal);
  const work: Work = {
    graph: optimisedGraph(prepared),
    table,
    from: options.calib,
    files: files.slice(0, PHOTOS),
    images: options.images,
    prepared,
    options,
  };
  const measured = await measure(work);
  return { ...measured, layers: [...measured.layers].sort((a, b) => a.alone - b.alone) };
}

/** Calibrates, or reads a table, and measures every layer. */
export async function sensitivity(path: string, options: SensitivityOptions): Promise<Sensitivity> {
  const { table } = await tableFor(path, options);
  return { ...(await sensitivityOf(path, table, options)), table };
}
