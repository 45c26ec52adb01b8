/** How much each layer of a model suffers from int8, and makes the outputs, or what is found, suffer. */
import type { RewriteFor } from "../compiler/compile.ts";
import type { Graph, Node } from "../ir/graph.ts";
import { applyInt8 } from "../quant/apply.ts";
import type { Unit } from "../quant/plan.ts";
import type { CalibrationTable } from "../quant/table.ts";
import { must } from "../util/errors.ts";
import { prepare, type BuildModelOptions, type Prepared } from "./build.ts";
import type { Half } from "./halves.ts";
import { planFor, tableFor, type Int8Options } from "./int8.ts";
import { decibels, errorOf, Judge } from "./judge.ts";
import { dropOf, labelScore, type Labelled, type LabelScore } from "./label-score.ts";
import { optimisedGraph } from "./observe.ts";
import { findPhotos, type Photos } from "./photos.ts";
import { measureNoise, MOST_PAIRED } from "./report-layers.ts";

/** A score by labels, and by how many points the worse of AP and AP50 is below float32's. */
export type LabelledScore = LabelScore & { readonly drop: number };

export interface LayerSensitivity {
  /** Names of the original model's nodes. */
  readonly layer: string;
  /** Of the optimised graph. */
  readonly node: string;
  /** Signal to noise, in decibels, of what the layer gives when the whole model is in int8. */
  readonly sqnr: number;
  /** Of the model's outputs when this layer alone is in int8. */
  readonly alone: number;
  /** Of detectors: how far what is found moves then, a share. */
  readonly moved?: number;
  /** By labels, when this layer alone is in int8. */
  readonly score?: LabelledScore;
}

export interface SensitivityOptions extends Int8Options {
  /** Photos to run; the first of them by their hashes are. */
  readonly images: string;
  /** Photos with labels, of which all are run for every layer. */
  readonly labelled?: Labelled | undefined;
}

export interface Sensitivity {
  readonly layers: readonly LayerSensitivity[];
  readonly photos: number;
  /** Of the model's outputs, with all layers in int8. */
  readonly all: number;
  /** By labels, with all layers in float32 and in int8. */
  readonly scores?: { readonly fp32: LabelScore; readonly int8: LabelledScore };
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

const OTHERS = "another layer is looked at";

/** The rewriting that makes one layer int8, or without one all. */
function only(unit: Unit | undefined, units: readonly Unit[], { table, from }: Work): RewriteFor {
  const float = unit ? new Map(units.filter((u) => u !== unit).map((u) => [u.node.name, OTHERS])) : table.float;
  const own: CalibrationTable = { ...table, ...(float && { float }) };
  return (graph) => {
    const { plan, ranges } = planFor(graph, own, from);
    return applyInt8(plan, ranges, table.means);
  };
}

/** Scores by labels. */
class Scores {
  readonly #work: Work;
  readonly #labelled: Labelled;
  readonly fp32: LabelScore;

  private constructor(work: Work, labelled: Labelled, fp32: LabelScore) {
    this.#work = work;
    this.#labelled = labelled;
    this.fp32 = fp32;
  }

  static async open(work: Work, labelled: Labelled | undefined): Promise<Scores | undefined> {
    return labelled && new Scores(work, labelled, await labelScore(work.prepared.model.path, labelled, undefined, work.options));
  }

  async of(rewrite: RewriteFor): Promise<LabelledScore> {
    const { prepared, options } = this.#work;
    const int8 = await labelScore(prepared.model.path, this.#labelled, undefined, { ...options, precision: "int8", rewrite });
    return { ...int8, drop: dropOf(this.fp32, int8) };
  }
}

/** Measures every convolution of a table's model on photos. Throws what building throws. */
async function measure(work: Work, labelled: Labelled | undefined): Promise<Omit<Sensitivity, "table">> {
  const { graph, table, from, files, prepared, options } = work;
  const judge = await Judge.open(graph, files, prepared, options);
  const { plan, ranges } = planFor(graph, table, from);
  const units = convolutions(plan.units);
  const noise = await measureNoise({ plan, ranges, table, prepared }, work.images, options);
  const scores = await Scores.open(work, labelled);
  const layers: LayerSensitivity[] = [];
  for (const [i, unit] of units.entries()) {
    options.onEvent?.({ kind: "step", text: "each layer alone in int8" });
    options.onEvent?.({ kind: "progress", done: i, total: units.length });
    const rewrite = only(unit, units, work);
    const { outputs, moved } = await judge.judge(rewrite(graph, ""));
    layers.push({
      layer: nameOf(unit),
      node: unit.node.name,
      sqnr: must(noise.get(unit.result), "the noise of a layer"),
      alone: decibels(outputs),
      ...(moved === undefined ? {} : { moved }),
      ...(scores && { score: await scores.of(rewrite) }),
    });
  }
  const all = only(undefined, units, work);
  return {
    layers,
    photos: judge.photos,
    all: decibels((await judge.judge(all(graph, ""))).outputs),
    ...(scores && { scores: { fp32: scores.fp32, int8: await scores.of(all) } }),
  };
}

const nameOf = ({ node }: Unit): string => node.origin.join(", ") || node.name;

/** The most harmful first: by labels, else by how far what is found moves, else by the outputs. */
const byHarm = (a: LayerSensitivity, b: LayerSensitivity): number =>
  (b.score?.drop ?? 0) - (a.score?.drop ?? 0) || (b.moved ?? 0) - (a.moved ?? 0) || a.alone - b.alone;

/**
 * The nodes of a table's model that int8 would compute, the one whose int8 alone moves what is found, or the outputs, most first. Judged on the
 * first photos of a half.
 */
export async function harmOf(
  path: string,
  table: CalibrationTable,
  options: Omit<SensitivityOptions, "method" | "labelled">,
  half: Half,
): Promise<readonly string[]> {
  const work = await openWork(path, table, options);
  const files = work.files.filter((f) => half.has(f.path));
  const judge = await Judge.open(work.graph, files, work.prepared, options);
  const { plan } = planFor(work.graph, table, work.from);
  const units = convolutions(plan.units);
  const found: { readonly name: string; readonly error: number }[] = [];
  for (const [i, unit] of units.entries()) {
    options.onEvent?.({ kind: "step", text: "each layer alone in int8" });
    options.onEvent?.({ kind: "progress", done: i, total: units.length });
    const verdict = await judge.judge(only(unit, units, work)(work.graph, ""));
    found.push({ name: unit.node.name, error: errorOf(verdict) });
  }
  return found.sort((a, b) => b.error - a.error).map((f) => f.name);
}

async function openWork(path: string, table: CalibrationTable, options: Omit<SensitivityOptions, "method">): Promise<Work> {
  const prepared = await prepare(path, options);
  const { files } = await findPhotos([options.images], options.signal);
  return { graph: optimisedGraph(prepared), table, from: options.calib, files, images: options.images, prepared, options };
}

/** Layers of a table's model, the one whose int8 harms the outputs most first. Throws what calibrating and building throw. */
export async function sensitivityOf(
  path: string,
  table: CalibrationTable,
  options: Omit<SensitivityOptions, "method">,
): Promise<Omit<Sensitivity, "table">> {
  const work = await openWork(path, table, options);
  const measured = await measure({ ...work, files: work.files.slice(0, PHOTOS) }, options.labelled);
  return { ...measured, layers: [...measured.layers].sort(byHarm) };
}

/** Calibrates, or reads a table, and measures every layer. */
export async function sensitivity(path: string, options: SensitivityOptions): Promise<Sensitivity> {
  const { table } = await tableFor(path, options);
  return { ...(await sensitivityOf(path, table, options)), table };
}
