/** What turns a float build into an int8 one: a calibration table, made or read, and the rewriting that it allows. */
import { stat } from "node:fs/promises";
import type { RewriteFor } from "../compiler/compile.ts";
import { isImageName } from "../data/node/source.ts";
import type { Graph } from "../ir/graph.ts";
import { halfWeights } from "../passes/half-weights.ts";
import { everyRange, type Ranges } from "../quant/ranges.ts";
import { applyEconomy, economicalPlan } from "../quant/economy.ts";
import { equalise } from "../quant/equalise.ts";
import { foreignFormat, readForeign } from "../quant/interchange.ts";
import { completeTable } from "../quant/partial-table.ts";
import { planInt8, type Plan } from "../quant/plan.ts";
import { RATES } from "../quant/rates-measured.ts";
import { readTable, type CalibrationTable } from "../quant/table.ts";
import { HoneError, locate, type Problem } from "../util/errors.ts";
import { prepare, type BuildModelOptions } from "./build.ts";
import { calibrateModel, DEFAULT_METHOD } from "./calibrate.ts";
import type { Method } from "./choose-ranges.ts";
import { readBounded, readModelFile } from "./model-file.ts";
import { optimisedGraph } from "./observe.ts";

export interface Int8Options extends BuildModelOptions {
  /** A folder of photos, a photo, or a calibration table. */
  readonly calib: string;
  /** How ranges are chosen when the table is to be made. */
  readonly method?: Method | undefined;
  /**
   * Every layer that can be int8; or (the default) only those that are faster for it, and the weights of others in float16 where that
   * costs no time.
   */
  readonly layers?: "all" | "faster" | undefined;
}

/** A layer that is computed in float32. */
export interface FloatLayer {
  readonly layer: string;
  /** How its weights are kept. */
  readonly precision: "fp32" | "fp16";
  readonly why: string;
}

export interface Int8 {
  readonly table: CalibrationTable;
  /** Photos that the table was made from now; none when it was read. */
  readonly photos: number;
  readonly skipped: readonly Problem[];
  readonly rewrite: RewriteFor;
  /** Convolutions and matrix products of the graphs that were rewritten: how many are int8, and which are not. */
  readonly layers: () => { readonly int8: number; readonly float: readonly FloatLayer[] };
}

const MAX_TABLE_BYTES = 2 ** 28;

export interface TableSource {
  readonly table: CalibrationTable;
  readonly photos: number;
  readonly skipped: readonly Problem[];
}

/** Calibrates, or reads the table. Throws what calibrating throws, and `quant.table`. */
export async function tableFor(model: string, options: Int8Options): Promise<TableSource> {
  const { calib, signal } = options;
  const isFile = await stat(calib).then(
    (s) => s.isFile(),
    () => false,
  );
  if (!isFile || isImageName(calib)) return calibrateModel(model, { ...options, images: calib, method: options.method ?? DEFAULT_METHOD });
  if (options.method !== undefined)
    throw new HoneError("usage", "--method chooses ranges from photos, but --calib names a table, whose ranges are chosen");
  const text = new TextDecoder().decode(await readBounded(calib, MAX_TABLE_BYTES, signal));
  return { table: await readAnyTable(text, model, options), photos: 0, skipped: [] };
}

/** A table of hone, which must be this model's, or of another tool, which says of no model that it is its own. */
async function readAnyTable(text: string, model: string, options: Int8Options): Promise<CalibrationTable> {
  const { calib, signal } = options;
  try {
    const format = foreignFormat(text);
    if (format === undefined) {
      const table = readTable(text);
      const { sha256 } = await readModelFile(model, signal);
      if (table.model === sha256) return table;
      const [theirs, ours] = [table.model, sha256].map((hash) => hash.slice(0, 12));
      throw new HoneError("quant.table", `the table was made for another model (its hash begins with ${theirs}, this one's with ${ours})`, {
        hint: `Make one for it: hone calibrate ${model} --images DIR -o ${calib}`,
      });
    }
    const prepared = await prepare(model, options);
    const graph = optimisedGraph(prepared);
    const partial = completeTable(graph, readForeign(format, text, planInt8(graph)));
    return { model: prepared.model.sha256, method: `table of ${format}`, samples: [], ...partial };
  } catch (error) {
    throw locate(error, { file: calib });
  }
}

/** Every value that the plan quantises must have a range, which a table's own nodes in float do without. */
function checkRanges(plan: Plan, table: CalibrationTable, from: string): void {
  const missing = plan.observed.filter((v) => !table.ranges.has(v.name));
  const [first] = missing;
  if (first === undefined) return;
  throw new HoneError(
    "quant.table",
    `the table has no range for ${missing.length} of the ${plan.observed.length} values that need one, such as ${first.name}`,
    {
      at: { file: from },
      hint: "It was made by another version of hone or for other input shapes: make it again with the same --shape.",
    },
  );
}

/** The plan of an optimised graph by a table, and the ranges of its values. Throws `quant.table` when the table lacks some. */
export function planFor(graph: Graph, table: CalibrationTable, from: string): { readonly plan: Plan; readonly ranges: Ranges } {
  const equalised = equalise(graph, table.factors ?? new Map());
  const plan = planInt8(equalised, { float: table.float });
  checkRanges(plan, table, from);
  return { plan, ranges: everyRange(planInt8(equalised), table.ranges) };
}

/** Calibrates, or reads the table. Throws what calibrating throws, and `quant.table`. */
export async function int8For(model: string, options: Int8Options): Promise<Int8> {
  return int8From(await tableFor(model, options), options.calib, options.layers);
}

/** The rewriting that a table allows, which comes from what is called `from`. It throws `quant.table` when ranges are missing. */
export function int8From({ table, photos, skipped }: TableSource, from: string, layers: Int8Options["layers"] = "faster"): Int8 {
  const float = new Map<string, FloatLayer>();
  let int8 = 0;
  const rewrite: RewriteFor = (graph, machine) => {
    const { ranges } = planFor(graph, table, from);
    const equalised = equalise(graph, table.factors ?? new Map());
    const rates = layers === "all" ? undefined : RATES[machine];
    const economy = economicalPlan(equalised, { float: table.float }, rates);
    const { plan } = economy;
    const written = applyEconomy(economy, ranges, table.means);
    const result = rates?.halves === true ? halfWeights(written, () => "float16").graph : written;
    const halves = new Set(result.nodes.filter((n) => n.inputs.some((v) => v?.data?.type === "float16")).map((n) => n.name));
    int8 = new Set([...plan.units.values()].filter((u) => u.kind === "conv")).size;
    for (const [node, why] of plan.refused) {
      const layer = node.origin.join(", ") || node.name;
      float.set(layer, { layer, precision: halves.has(node.name) ? "fp16" : "fp32", why });
    }
    return result;
  };
  return { table, photos, skipped, rewrite, layers: () => ({ int8, float: [...float.values()] }) };
}
