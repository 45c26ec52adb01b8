import type { CocoResult } from "./coco/evaluate.ts";
import { evaluateCoco } from "./coco/evaluate.ts";
import { curvesOf } from "./curve.ts";
import type { DetectionTask } from "./records.ts";
import { matchVoc } from "./voc.ts";
import { taskColumns } from "./columns.ts";
import { WarningTally } from "./warnings.ts";

/** One surprising thing about a result, in words with its numbers. */
export interface Explanation {
  readonly about: string;
  readonly text: string;
}

/** Everything about a COCO result that could surprise: −1 and 0, ids, duplicates, recall that is not reached, cuts, odd records. */
export function explainCoco(task: DetectionTask, result: CocoResult): Explanation[] {
  return [
    ...undefinedNumbers(result),
    ...zeros(task, result),
    ...ids(task, result),
    ...duplicates(task),
    ...recallNotReached(result),
    ...records(result),
  ];
}

function undefinedNumbers(result: CocoResult): Explanation[] {
  const names = Object.entries(result.metrics).flatMap(([name, value]) => (value < 0 ? [name] : []));
  const out: Explanation[] = [];
  if (names.length > 0) {
    const limit = result.metrics.AP === -1 && result.truths > 0 && !result.settings.maxDetections.includes(100);
    const why = limit
      ? "cocoapi reads AP at exactly 100 detections, which is not among the limits; sizes without ground truth are undefined too"
      : "no ground truth is of that size (or there is none at all), and a mean over nothing is undefined, not 0";
    out.push({ about: "-1", text: `${names.join(", ")}: ${why}` });
  }
  const without = result.perCategory.filter((c) => c.AP < 0);
  if (without.length > 0) {
    const falsely = without.reduce((n, c) => n + c.detections, 0);
    out.push({
      about: "categories without ground truth",
      text: `${without.length} of ${result.perCategory.length} categories stay out of every mean; their ${falsely} detections cost nothing`,
    });
  }
  return out;
}

function zeros(task: DetectionTask, result: CocoResult): Explanation[] {
  const out: Explanation[] = [];
  const zero = result.perCategory.filter((c) => c.AP === 0);
  const silent = zero.filter((c) => c.detections === 0);
  if (silent.length > 0)
    out.push({ about: "0", text: `${categories(silent.length)} with ground truth but no detection: AP 0, which counts in the mean` });
  const wrong = zero.length - silent.length;
  if (wrong > 0) out.push({ about: "0", text: `${categories(wrong)} with detections of which none matches at any threshold` });
  if (result.metrics.AP === 0 && result.detections > 0 && looksNormalised(task)) {
    out.push({ about: "0", text: "all detected boxes lie within 0 to 1: they look like shares of the image, and COCO wants pixels" });
  }
  return out;
}

function looksNormalised(task: DetectionTask): boolean {
  return task.detections.every((d) => d.box.every((v) => v >= -0.5 && v <= 1.5));
}

function ids(task: DetectionTask, result: CocoResult): Explanation[] {
  const affected = result.warnings.filter((w) => w.kind === "truth-id-zero" || w.kind === "truth-id-repeated");
  if (affected.length === 0 || result.settings.ids === "distinct") return [];
  const distinct = evaluateCoco(task, { ...result.settings, ids: "distinct" });
  const kinds = affected.map((w) => `${w.count} of kind ${w.kind}`).join(", ");
  const [was, would] = [result.metrics.AP ?? -1, distinct.metrics.AP ?? -1];
  return [
    {
      about: "ids",
      text: `cocoapi misreads ground-truth ids (${kinds}): AP is ${percent(was)} and would be ${percent(would)} with distinct ids from 1`,
    },
  ];
}

function duplicates(task: DetectionTask): Explanation[] {
  const columns = taskColumns(task, new WarningTally());
  const settings = { iouThreshold: 0.5, interpolation: "area", overlap: "continuous" } as const;
  const table = matchVoc(columns, settings);
  const strict = curvesOf(table).reduce((n, c) => n + c.falsePositives, 0);
  // Without the used-up rule, what is a false positive overlaps nothing; the rest of them are second detections of an object.
  const alone = curvesOf(matchVoc(columns, settings, true)).reduce((n, c) => n + c.falsePositives, 0);
  const count = strict - alone;
  if (count <= 0) return [];
  return [
    {
      about: "duplicates",
      text: `${count} detections overlap (IoU 0.5) an object that a higher score has taken: each is a false positive`,
    },
  ];
}

function recallNotReached({ table, metrics }: CocoResult): Explanation[] {
  const [T, K, A, M] = [table.iouThresholds.length, table.categories, table.areas.length, table.maxDetections.length];
  let [lost, all] = [0, 0];
  for (let t = 0; t < T; t++) {
    for (let k = 0; k < K; k++) {
      const reached = table.recall[((t * K + k) * A + 0) * M + (M - 1)] as number;
      if (reached < 0) continue;
      for (const wanted of table.recallThresholds) {
        all++;
        if (wanted > reached) lost++;
      }
    }
  }
  if (lost === 0 || (metrics.AP ?? -1) < 0) return [];
  return [
    {
      about: "recall not reached",
      text: `${percent(lost / all)} of the ${all} recall points lie beyond the recall reached and count as precision 0`,
    },
  ];
}

function records(result: CocoResult): Explanation[] {
  return result.warnings
    .filter((w) => w.kind !== "truth-id-zero" && w.kind !== "truth-id-repeated")
    .map((w) => ({ about: w.kind, text: `${w.count}: ${w.message}${w.examples[0] ? ` (such as ${w.examples[0]})` : ""}` }));
}

function categories(count: number): string {
  return count === 1 ? "1 category" : `${count} categories`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
