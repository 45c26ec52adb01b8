import { bootstrap, type BootstrapOptions } from "../metrics/bootstrap.ts";
import { CocoAccumulator } from "../metrics/coco/evaluate.ts";
import type { CocoKind } from "../metrics/coco/options.ts";
import type { DetectionTask } from "../metrics/records.ts";
import type { MatchTable } from "../metrics/table.ts";
import { VocAccumulator, type VocOptions } from "../metrics/voc.ts";

/** Low and high end of the 95% interval of a metric, by its name. */
export type Intervals = Readonly<Record<string, readonly [low: number, high: number]>>;

/** How the intervals were made. */
export interface IntervalNote {
  readonly confidence: number;
  readonly rounds: number;
}

export interface IntervalRules {
  readonly coco?: CocoKind | undefined;
  readonly voc?: VocOptions | undefined;
  /** Resamples; 0 for no intervals. */
  readonly rounds: number;
}

const CONFIDENCE = 0.95;
/** So many detections times thresholds are looked at; of a large set there are fewer resamples, but never fewer than a hundred. */
const MOST_WORK = 400e6;
const LEAST_ROUNDS = 100;

/**
 * Bootstrap intervals over images of COCO's AP, AP50 and AP75 (of masks and keypoints AP and AP50), or of VOC's mAP. Undefined where there are none:
 * other protocols, no image, no ground truth.
 */
export function intervalsOf(
  task: DetectionTask,
  { coco, voc, rounds: asked }: IntervalRules,
): { readonly intervals: Intervals; readonly note: IntervalNote } | undefined {
  const tables = tablesOf(task, coco, voc);
  const [first] = tables;
  if (asked < 1 || first === undefined || first.table.images.length === 0 || task.truths.length === 0) return undefined;
  const work = tables.reduce((sum, t) => sum + t.table.score.length * (t.options.thresholds ?? 1), 0);
  const rounds = Math.min(asked, Math.max(LEAST_ROUNDS, Math.floor(MOST_WORK / Math.max(1, work))));
  const entries = tables.flatMap(({ name, table, options }) => {
    const { value, low, high } = bootstrap(table, { ...options, rounds, confidence: CONFIDENCE });
    return value < 0 ? [] : [[name, [low, high] as const] as const];
  });
  return entries.length === 0 ? undefined : { intervals: Object.fromEntries(entries), note: { confidence: CONFIDENCE, rounds } };
}

interface NamedTable {
  readonly name: string;
  readonly table: MatchTable;
  readonly options: BootstrapOptions;
}

export function tablesOf(task: DetectionTask, coco: CocoKind | undefined, voc: VocOptions | undefined): NamedTable[] {
  if (coco !== undefined) {
    const all = new CocoAccumulator({ kind: coco });
    all.add(task);
    const { table } = all.part();
    const tables = [
      { name: "AP", table, options: { thresholds: all.settings.iouThresholds.length } },
      { name: "AP50", table, options: { thresholds: 1 } },
    ];
    if (coco !== "box") return tables;
    const strict = new CocoAccumulator({ iouThresholds: [0.75] });
    strict.add(task);
    return [...tables, { name: "AP75", table: strict.part().table, options: { thresholds: 1 } }];
  }
  if (voc === undefined) return [];
  const accumulator = new VocAccumulator(voc);
  accumulator.add(task);
  return [{ name: "mAP", table: accumulator.part().table, options: { interpolation: accumulator.settings.interpolation } }];
}
