/** The eval job: detections against ground truth by any protocol, differences between protocols, and explanations. */
import { stemOf, type AnnotationSet, type DetectedObject, type DetectionList } from "../data/annotations/annotations.ts";
import { evaluateCoco, type CocoResult } from "../metrics/coco/evaluate.ts";
import type { CocoKind } from "../metrics/coco/options.ts";
import { explainCoco, type Explanation } from "../metrics/explain.ts";
import { evaluateLvis } from "../metrics/lvis.ts";
import { decodeMask, maskBounds } from "../metrics/mask/rle.ts";
import { evaluateOpenImages } from "../metrics/open-images.ts";
import type { DetectionTask, Id } from "../metrics/records.ts";
import { compareRules, RULE_SETS, type RuleDifference, type RuleSetName } from "../metrics/rules.ts";
import { evaluateVoc, type VocOptions } from "../metrics/voc.ts";
import type { MetricWarning } from "../metrics/warnings.ts";
import { evaluateWider } from "../metrics/wider.ts";
import { HoneError, type Problem } from "../util/errors.ts";
import { landmarkNumbers } from "./eval-landmarks.ts";
import { loadDetections, loadGroundTruths, type GroundTruth, type TextFormat } from "./eval-files.ts";
import { intervalsOf, type IntervalNote, type Intervals } from "./eval-intervals.ts";

export const PROTOCOLS = [
  "coco",
  "coco-mask",
  "coco-keypoints",
  "voc07",
  "voc",
  "wider",
  "wider-float",
  "lvis",
  "lvis-mask",
  "openimages",
  "landmarks",
] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface EvaluateOptions {
  /** Default: wider for WIDER FACE's files, voc for VOC's and box texts, else coco. */
  readonly protocol?: Protocol | undefined;
  /** Of voc, voc07 and openimages; default 0.5. */
  readonly iouThreshold?: number | undefined;
  /** Every object and every detection counts as one class. */
  readonly anyClass?: boolean | undefined;
  /** Resamples of the confidence intervals; default 0, none. */
  readonly rounds?: number | undefined;
  readonly explain?: boolean | undefined;
  /** Two protocols to compare rule by rule. */
  readonly diff?: readonly string[] | undefined;
}

export interface EvaluateRequest extends EvaluateOptions {
  readonly detections: string;
  /** Several files or folders of different images make one set. */
  readonly annotations: string | readonly string[];
  readonly format?: TextFormat | undefined;
  /** Folder of the images: YOLO's shares become pixels by their sizes. */
  readonly images?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CategoryRow {
  readonly category: Id;
  readonly name?: string;
  readonly AP: number;
  /** Of COCO's rules. */
  readonly AP50?: number;
}

export interface Evaluation {
  readonly protocol: Protocol;
  readonly format: string;
  readonly images: number;
  readonly truths: number;
  readonly detections: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Bootstrap intervals of some of the metrics, where resamples were asked for and the protocol has them. */
  readonly intervals?: Intervals;
  readonly bootstrap?: IntervalNote;
  readonly perCategory: readonly CategoryRow[];
  readonly warnings: readonly MetricWarning[];
  /** Records that could not be read. */
  readonly problems: readonly Problem[];
  readonly explanations?: readonly Explanation[];
  readonly diff?: ProtocolDifference;
  readonly task: DetectionTask;
}

export interface ProtocolDifference {
  readonly from: string;
  readonly to: string;
  readonly metric: string;
  readonly values: readonly [number, number];
  readonly steps: readonly {
    readonly rule: string;
    readonly from: string;
    readonly to: string;
    readonly value: number;
    readonly change: number;
  }[];
}

/** Reads both files and evaluates. @throws HoneError file.*, annotations.invalid, metrics.invalid, usage */
export async function evaluateFiles(request: EvaluateRequest): Promise<Evaluation> {
  const annotations = typeof request.annotations === "string" ? [request.annotations] : request.annotations;
  const { signal } = request;
  const truth = await loadGroundTruths(annotations, request);
  checkAborted(signal);
  const found = await loadDetections(request.detections, truth);
  checkAborted(signal);
  return evaluateDetections(truth, found, request);
}

function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new HoneError("aborted", "the evaluation was aborted", { cause: signal.reason });
}

/** Evaluates what was read. @throws HoneError metrics.invalid, usage */
export function evaluateDetections(read: GroundTruth, found: DetectionList, options: EvaluateOptions = {}): Evaluation {
  const protocol = options.protocol ?? defaultProtocol(read);
  const [truth, detections] = options.anyClass === true ? ofOneClass(read, found) : [read, found.detections];
  const task = taskOf(truth.set, detections);
  const iouThreshold = options.iouThreshold ?? 0.5;
  const judged = judge(protocol, task, truth, iouThreshold);
  const sampled = intervalsOf(task, { coco: COCO_KINDS[protocol], voc: vocOptions(protocol, iouThreshold), rounds: options.rounds ?? 0 });
  return {
    protocol,
    format: truth.format,
    images: task.images?.length ?? 0,
    truths: task.truths.length,
    detections: task.detections.length,
    metrics: judged.metrics,
    ...(sampled ? { intervals: sampled.intervals, bootstrap: sampled.note } : {}),
    perCategory: named(judged.perCategory, truth.set.categories),
    warnings: judged.warnings,
    problems: [...truth.set.problems, ...found.problems],
    ...(options.explain === true ? { explanations: explanationsOf(task, judged) } : {}),
    ...(options.diff && options.diff.length > 0 ? { diff: differenceOf(options.diff, task, truth) } : {}),
    task,
  };
}

function named(rows: readonly Omit<CategoryRow, "name">[], categories: AnnotationSet["categories"]): CategoryRow[] {
  const names = new Map(categories.map((c) => [c.id, c.name]));
  return rows.map(({ category, AP, AP50 }) => {
    const name = names.get(category);
    return { category, AP, ...(AP50 === undefined ? {} : { AP50 }), ...(name === undefined ? {} : { name }) };
  });
}

const ANY = { id: 1, name: "any" };

function ofOneClass(truth: GroundTruth, { detections }: DetectionList): [GroundTruth, readonly DetectedObject[]] {
  const set = { ...truth.set, categories: [ANY], truths: truth.set.truths.map((t) => ({ ...t, category: ANY.id })) };
  return [{ ...truth, set }, detections.map((d) => ({ ...d, category: ANY.id }))];
}

function defaultProtocol({ format, wider }: GroundTruth): Protocol {
  if (wider) return "wider";
  return format === "voc" || format === "cartucho" || format === "odm" ? "voc" : "coco";
}

interface Judged {
  readonly metrics: Readonly<Record<string, number>>;
  readonly perCategory: readonly Omit<CategoryRow, "name">[];
  readonly warnings: readonly MetricWarning[];
  readonly coco?: CocoResult;
}

const COCO_KINDS: Partial<Record<Protocol, CocoKind>> = { coco: "box", "coco-mask": "mask", "coco-keypoints": "keypoints" };

function vocOptions(protocol: Protocol, iouThreshold: number): VocOptions | undefined {
  if (protocol === "voc") return { iouThreshold };
  return protocol === "voc07" ? { iouThreshold, interpolation: "eleven" } : undefined;
}

function judge(protocol: Protocol, task: DetectionTask, truth: GroundTruth, iouThreshold: number): Judged {
  const kind = COCO_KINDS[protocol];
  if (kind !== undefined) {
    const coco = evaluateCoco(task, { kind });
    return { ...coco, coco };
  }
  switch (protocol) {
    case "voc":
    case "voc07":
      return evaluateVoc(task, vocOptions(protocol, iouThreshold));
    case "lvis":
    case "lvis-mask":
      return evaluateLvis(task, { kind: protocol === "lvis" ? "box" : "mask" });
    case "openimages":
      return evaluateOpenImages(task, { iouThreshold });
    case "landmarks":
      return { metrics: landmarkNumbers(task), perCategory: [], warnings: [] };
    default:
      return { ...evaluateWider(widerImages(truth), task.detections, { mode: protocol === "wider" ? "int32" : "float" }), perCategory: [] };
  }
}

/** Without WIDER FACE's evaluation files, all faces that are not difficult make the one level "all". */
function widerImages({ wider, set }: GroundTruth): Parameters<typeof evaluateWider>[0] {
  if (wider) return wider;
  const byImage = new Map(
    set.images.map((i) => [i.id, { image: i.id, boxes: [] as AnnotationSet["truths"][number]["box"][], keep: { all: [] as number[] } }]),
  );
  for (const truth of set.truths) {
    const entry = byImage.get(truth.image);
    if (truth.difficult !== true) entry?.keep.all.push(entry.boxes.length);
    entry?.boxes.push(truth.box);
  }
  return [...byImage.values()];
}

function explanationsOf(task: DetectionTask, judged: Judged): Explanation[] {
  if (judged.coco) return explainCoco(task, judged.coco);
  const undefinedNames = Object.entries(judged.metrics).flatMap(([name, value]) => (value < 0 ? [name] : []));
  return [
    ...(undefinedNames.length > 0
      ? [{ about: "-1", text: `${undefinedNames.join(", ")}: without ground truth that counts a mean is undefined, not 0` }]
      : []),
    ...judged.warnings.map((w) => ({
      about: w.kind,
      text: `${w.count}: ${w.message}${w.examples[0] === undefined ? "" : ` (such as ${w.examples[0]})`}`,
    })),
  ];
}

/** Joins both sides, naming images by file and categories by name where the detections do so. */
function taskOf(set: AnnotationSet, detections: readonly DetectedObject[]): DetectionTask {
  const images = new Map<Id, Id>(
    set.images.flatMap((i) => (i.file === undefined ? [] : [[i.file, i.id] as const, [stemOf(i.file), i.id] as const])),
  );
  const categories = new Map<Id, Id>(set.categories.flatMap((c) => (c.name === undefined ? [] : [[c.name, c.id] as const])));
  for (const { id } of set.images) images.set(id, id);
  for (const { id } of set.categories) categories.set(id, id);
  return {
    images: set.images,
    categories: set.categories,
    truths: set.truths,
    detections: detections.map((d) => {
      const [image, category, box] = [images.get(d.image) ?? d.image, categories.get(d.category) ?? d.category, boxOf(d)];
      return image === d.image && category === d.category && box === d.box ? d : { ...d, image, category, box };
    }),
  };
}

/** As cocoapi's loadRes: a detection without a box gets the one around its mask or its keypoints. */
function boxOf(d: DetectedObject): DetectedObject["box"] {
  if (d.box.some((v) => v !== 0)) return d.box;
  if (d.segmentation !== undefined && "counts" in d.segmentation) {
    try {
      return maskBounds(decodeMask(d.segmentation));
    } catch (error) {
      if (error instanceof HoneError) return d.box;
      throw error;
    }
  }
  if (d.keypoints === undefined) return d.box;
  const [xs, ys] = [d.keypoints.filter((_, i) => i % 3 === 0), d.keypoints.filter((_, i) => i % 3 === 1)];
  const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b), Infinity);
  const most = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), -Infinity);
  return [least(xs), least(ys), most(xs) - least(xs), most(ys) - least(ys)];
}

function differenceOf(names: readonly string[], task: DetectionTask, truth: GroundTruth): ProtocolDifference {
  const [from = "", to = ""] = names.flatMap((n) => n.split(","));
  const wider = ["wider", "wider-float"];
  if (wider.includes(from) && wider.includes(to)) return widerDifference(from, to, task, truth);
  const [a, b] = [ruleSet(from), ruleSet(to)];
  const { from: first, to: last, steps }: RuleDifference = compareRules(task, RULE_SETS[a], RULE_SETS[b]);
  return { from, to, metric: "mAP", values: [first, last], steps };
}

function ruleSet(name: string): RuleSetName {
  const found = (Object.keys(RULE_SETS) as RuleSetName[]).find((key) => key === name);
  if (found !== undefined) return found;
  throw new HoneError("usage", `--diff does not know the rules of "${name}"`, {
    hint: `Use two of ${Object.keys(RULE_SETS).join(", ")}, or wider and wider-float.`,
  });
}

function widerDifference(from: string, to: string, task: DetectionTask, truth: GroundTruth): ProtocolDifference {
  const evaluate = (name: string): Readonly<Record<string, number>> => judge(name as Protocol, task, truth, 0.5).metrics;
  const [a, b] = [evaluate(from), evaluate(to)];
  const level = "hard" in a ? "hard" : (Object.keys(a)[0] ?? "");
  const values: [number, number] = [a[level] ?? -1, b[level] ?? -1];
  const arithmetic = (name: string): string => (name === "wider" ? "int32, the IoU rounds to 0 or 1" : "float");
  const change = values[1] - values[0];
  return {
    from,
    to,
    metric: level,
    values,
    steps: [{ rule: "arithmetic", from: arithmetic(from), to: arithmetic(to), value: values[1], change }],
  };
}
