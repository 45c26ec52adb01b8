/**
 * npm run bench:metrics: COCO evaluation of a generated set the size of COCO val (5,000 images, 80 classes, 36,000 boxes,
 * 500,000 detections), one thread, timed beside pycocotools and faster-coco-eval when HONE_PYTHON names a Python that has them.
 * Times are of the evaluation with all records in memory; reading the JSON files is timed apart. Ratios are of processor time (user and
 * system, garbage collection included), which other work on the machine disturbs less than the clock. --json prints JSON.
 */
import { spawnSync } from "node:child_process";
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCoco, readCocoResults } from "../../src/data/annotations/coco.ts";
import { evaluateCoco } from "../../src/metrics/coco/evaluate.ts";
import { Lcg } from "../../src/metrics/testing/random-cases.ts";

const [IMAGES, CLASSES, BOXES, DETECTIONS] = [5000, 80, 36_000, 500_000];

type Row = Record<string, unknown>;

/** Boxes with a long tail of classes and sizes; a third of the detections lie near a box, with noise in place, size and class. */
function generate(): { truth: Row; detections: Row[] } {
  const r = new Lcg(2026);
  const unit = (): number => r.below(1 << 24) / (1 << 24);
  const size = (): number => Math.round(Math.exp(1 + unit() * 4.8) * 100) / 100;
  const category = (): number => 1 + Math.min(CLASSES - 1, Math.floor(-Math.log(1 - unit()) * 14) % CLASSES);
  const round = (v: number): number => Math.round(v * 100) / 100;
  const annotations = Array.from({ length: BOXES }, (_, i) => {
    const [w, h] = [size(), size()];
    const bbox = [round(unit() * (640 - Math.min(w, 600))), round(unit() * (480 - Math.min(h, 440))), w, h];
    return {
      id: i + 1,
      image_id: 1 + r.below(IMAGES),
      category_id: category(),
      bbox,
      area: round(w * h * (0.5 + unit() / 2)),
      iscrowd: Number(r.below(100) === 0),
    };
  });
  const anywhere = (): Row => {
    const score = Math.round(unit() ** 3 * 1e5) / 1e5;
    return {
      image_id: 1 + r.below(IMAGES),
      category_id: category(),
      bbox: [round(unit() * 600), round(unit() * 440), size(), size()],
      score,
    };
  };
  const near = ({
    image_id,
    category_id,
    bbox: [x = 0, y = 0, w = 0, h = 0],
  }: {
    image_id: number;
    category_id: number;
    bbox: number[];
  }): Row => {
    const noise = (scale: number): number => (unit() + unit() - 1) * 0.25 * scale;
    const bbox = [round(x + noise(w)), round(y + noise(h)), round(w + Math.abs(noise(w))), round(h + Math.abs(noise(h)))];
    return { image_id, category_id: r.below(8) > 0 ? category_id : category(), bbox, score: Math.round(Math.sqrt(unit()) * 1e5) / 1e5 };
  };
  const detections = Array.from({ length: DETECTIONS }, (_, i) => {
    const source = i % 3 === 0 ? annotations[r.below(BOXES)] : undefined;
    return source ? near(source) : anywhere();
  });
  const images = Array.from({ length: IMAGES }, (_, i) => ({ id: i + 1, width: 640, height: 480 }));
  const categories = Array.from({ length: CLASSES }, (_, k) => ({ id: k + 1, name: `class ${k + 1}` }));
  return { truth: { images, categories, annotations }, detections };
}

/** Prints one line of JSON: seconds to load, seconds to evaluate, the twelve numbers. */
const PEER = `
import contextlib, io, json, sys, time
which, truth, found = sys.argv[1:4]
if which == "pycocotools":
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval as Eval
else:
    from faster_coco_eval import COCO, COCOeval_faster as Eval
with contextlib.redirect_stdout(io.StringIO()):
    a = time.process_time()
    gt = COCO(truth)
    dt = gt.loadRes(found)
    b = time.process_time()
    w = time.perf_counter()
    e = Eval(gt, dt, "bbox") if which == "pycocotools" else Eval(gt, dt, iouType="bbox")
    e.evaluate()
    e.accumulate()
    e.summarize()
    c = time.process_time()
    w = time.perf_counter() - w
print(json.dumps({"load": b - a, "evaluate": c - b, "clock": w, "stats": [float(v) for v in e.stats]}))
`;

interface PeerRun {
  readonly load: number;
  readonly evaluate: number;
  readonly clock: number;
  readonly stats: readonly number[];
}

function peer(name: string, truth: string, found: string): PeerRun | undefined {
  const python = process.env.HONE_PYTHON;
  if (python === undefined) return undefined;
  const env = { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" };
  const run = spawnSync(python, ["-c", PEER, name, truth, found], { encoding: "utf8", env, maxBuffer: 1 << 26 });
  if (run.status === 0) return JSON.parse(run.stdout) as PeerRun;
  process.stderr.write(`${name} did not run with ${python}: ${run.stderr.trim().split("\n").at(-1) ?? ""}\n`);
  return undefined;
}

async function write(path: string, pieces: Iterable<string>): Promise<void> {
  const out = createWriteStream(path);
  for (const piece of pieces) if (!out.write(piece)) await new Promise<void>((resume) => out.once("drain", () => resume()));
  await new Promise<void>((done) => out.end(() => done()));
}

function* jsonRows(rows: readonly Row[]): Generator<string> {
  for (const [i, row] of rows.entries()) yield `${i === 0 ? "[" : ","}${JSON.stringify(row)}`;
  yield "]";
}

interface Timed {
  /** Processor seconds of all threads, and seconds on the clock. */
  readonly processor: number;
  readonly clock: number;
}

async function timed<T>(job: () => T | Promise<T>): Promise<Timed & { value: T }> {
  const [before, start] = [process.cpuUsage(), performance.now()];
  const value = await job();
  const { user, system } = process.cpuUsage(before);
  return { value, processor: (user + system) / 1e6, clock: (performance.now() - start) / 1000 };
}

interface Comparison extends PeerRun {
  readonly name: string;
  readonly ratio: number;
  readonly ratioWithLoading: number;
  readonly difference: number;
}

interface Result {
  readonly load: number;
  /** Least and first of the rounds. */
  readonly evaluate: number;
  readonly first: number;
  readonly clock: number;
  readonly peakMegabytes: number;
  readonly stats: readonly number[];
  readonly against: readonly Comparison[];
}

/** hone before, between and after the peers, so that all see the same machine. */
async function measure(truthFile: string, foundFile: string): Promise<Result> {
  const loaded = await timed(async () => ({
    ...(await readCoco(createReadStream(truthFile))),
    ...(await readCocoResults(createReadStream(foundFile))),
  }));
  const rounds: Timed[] = [];
  const peers: [string, PeerRun][] = [];
  let stats: readonly number[] = [];
  for (const name of ["pycocotools", "faster-coco-eval", undefined]) {
    const round = await timed(() => evaluateCoco(loaded.value).stats);
    stats = round.value;
    rounds.push(round);
    const run = name === undefined ? undefined : peer(name, truthFile, foundFile);
    if (name !== undefined && run !== undefined) peers.push([name, run]);
  }
  const evaluate = Math.min(...rounds.map((r) => r.processor));
  const against = peers.map(([name, run]) => ({
    name,
    ...run,
    ratio: run.evaluate / evaluate,
    ratioWithLoading: (run.load + run.evaluate) / (loaded.processor + evaluate),
    difference: Math.max(...run.stats.map((v, i) => Math.abs(v - (stats[i] ?? NaN)))),
  }));
  return {
    load: loaded.processor,
    evaluate,
    first: rounds[0]?.processor ?? 0,
    clock: Math.min(...rounds.map((r) => r.clock)),
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
    stats,
    against,
  };
}

function print({ load, evaluate, first, peakMegabytes, against }: Result): void {
  const line = (name: string, l: number, e: number, rest: string): void => {
    process.stdout.write(`${name.padEnd(18)} load ${l.toFixed(2).padStart(7)} s   evaluate ${e.toFixed(2).padStart(7)} s   ${rest}\n`);
  };
  process.stdout.write(`${IMAGES} images, ${CLASSES} classes, ${BOXES} boxes, ${DETECTIONS} detections; one thread; processor seconds\n`);
  line("hone", load, evaluate, `first time ${first.toFixed(2)} s, peak memory ${peakMegabytes.toFixed(0)} MB`);
  for (const a of against) {
    const difference = `largest difference ${a.difference.toExponential(1)}`;
    line(
      a.name,
      a.load,
      a.evaluate,
      `hone is ${a.ratio.toFixed(1)}x as fast (${a.ratioWithLoading.toFixed(1)}x with loading); ${difference}`,
    );
  }
  if (against.length === 0)
    process.stdout.write("set HONE_PYTHON to a Python with pycocotools and faster-coco-eval to see them side by side\n");
}

const folder = mkdtempSync(join(tmpdir(), "hone-metrics-"));
try {
  const [truthFile, foundFile] = [join(folder, "truth.json"), join(folder, "detections.json")];
  const { truth, detections } = generate();
  await write(truthFile, [JSON.stringify(truth)]);
  await write(foundFile, jsonRows(detections));
  const result = await measure(truthFile, foundFile);
  const about = { version: 1, images: IMAGES, classes: CLASSES, truths: BOXES, detections: DETECTIONS, threads: 1 };
  if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify({ ...about, ...result })}\n`);
  else print(result);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
