/**
 * The table of models against ONNX Runtime, one thread, batch 1: `npm run bench:peers [-- --write] [--seconds N] [--json] [NAME...]`.
 * Models that are not there are left out and named. --write renews docs/performance.md, or the rows of the models that are named. With HONE_PYTHON naming a Python that has
 * them, OpenVINO and ncnn (by pnnx) are timed as well, and LiteRT on two TFLite models.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bench, type BenchResult } from "../../src/workflow/bench.ts";
import { ensureModel } from "../models/write.ts";
import { must } from "../../src/util/errors.ts";
import { timeBeside, type PythonPeers } from "./python-peers.ts";
import { performancePage } from "./performance-page.ts";
import { renewPage } from "./renew-page.ts";

export interface PeerCase {
  readonly name: string;
  /** The ratio that the project asks of itself. */
  readonly floor: number;
  /** Under shared/models; absent for networks that are written here. */
  readonly file?: string;
  /** The same network written in another way, which ONNX Runtime may be faster at. */
  readonly rewritten?: string;
}

export interface PeerRow extends PeerCase {
  readonly result: BenchResult;
  readonly others?: PythonPeers;
  /** Of the last minute, before and after. */
  readonly load: readonly [number, number];
}

const CASES: readonly PeerCase[] = [
  { name: "resnet50-v1.5", floor: 1.1 },
  { name: "resnet18", floor: 1.1 },
  { name: "vgg16", floor: 1.05 },
  { name: "mobilenet-v2", floor: 1.2 },
  { name: "mobilenet-v3-large", floor: 1.2 },
  { name: "squeezenet-1.1", floor: 1.2 },
  { name: "retinaface-mobilenet0.25-640", floor: 1.2, file: "retinaface-landmark/retinaface-mobilenet0.25-640.onnx" },
  { name: "retinaface-slim-640", floor: 1.2, file: "retinaface-landmark/retinaface-slim-640.onnx" },
  { name: "retinaface-rfb-640", floor: 1.2, file: "retinaface-landmark/retinaface-rfb-640.onnx" },
  { name: "yunet_n-640", floor: 1.2, file: "yunet/yunet_n_640_640.onnx" },
  { name: "ultra-light-rfb-320", floor: 1.2, file: "ultra-light/version-RFB-320.onnx" },
  { name: "fastestdet", floor: 1.2, file: "fastestdet/FastestDet.onnx" },
  { name: "vit-small", floor: 1, rewritten: "vit-small-fused" },
  { name: "vit-small-fused", floor: 1, rewritten: "vit-small" },
  { name: "bert-mini", floor: 1, rewritten: "bert-mini-fused" },
  { name: "bert-mini-fused", floor: 1, rewritten: "bert-mini" },
];

/** TFLite models of a package that the demo uses too. */
const TFLITE: readonly string[] = ["face_detection_short_range", "face_detection_full_range"];

export interface TfliteRow {
  readonly name: string;
  readonly others: PythonPeers;
}

const root = fileURLToPath(new URL("../../", import.meta.url));
const SHARED = join(root, "../shared/models");
const WRITTEN = join(root, "out/models");

const say = (text: string): void => void process.stderr.write(`${text}\n`);

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

async function pathOf({ name, file }: PeerCase): Promise<string | undefined> {
  if (file === undefined) return await ensureModel(name, WRITTEN);
  const path = join(SHARED, file);
  return existsSync(path) ? path : undefined;
}

const loadNow = (): number => loadavg()[0] ?? NaN;

const python = process.env["HONE_PYTHON"];

async function measure(c: PeerCase, path: string, seconds: number): Promise<PeerRow> {
  const before = loadNow();
  const rivals = c.rewritten === undefined ? {} : { rivals: { rewritten: await ensureModel(c.rewritten, WRITTEN) } };
  const result = await bench(path, { against: "onnxruntime", threads: 1, seconds, ...rivals });
  const others = python === undefined ? {} : { others: await timeBeside(python, path, seconds) };
  return { ...c, result, ...others, load: [before, loadNow()] };
}

const beside = ({ ms, peers, failed }: PythonPeers): string =>
  [
    `${ms.toFixed(2)} ms`,
    ...peers.map((p) => `${p.name} ${p.ms.toFixed(2)} ms (${p.ratio.toFixed(2)}x)`),
    ...Object.entries(failed).map(([name, why]) => `${name}: ${why}`),
  ].join("  ");

function line({ name, floor, result, load }: PeerRow): string {
  const { against, latencyMs, shareOfPeak, peakGflops } = result;
  if (against === undefined) return name;
  return [
    name.padEnd(30),
    `${latencyMs.min.toFixed(2).padStart(8)} ms`,
    `${against.latencyMs.min.toFixed(2).padStart(8)} ms (${against.variant})`.padEnd(26),
    `${against.ratio.toFixed(2)}x`.padStart(7),
    `${against.cpuRatio.toFixed(2)}x by CPU time`,
    against.ratio >= floor ? "ok  " : `below ${floor}`,
    `${(100 * (shareOfPeak ?? NaN)).toFixed(0)}% of ${peakGflops.toFixed(0)} GFLOP/s`,
    `differs by ${against.relativeError.toExponential(1)}, load ${load[0].toFixed(1)}-${load[1].toFixed(1)}`,
  ].join("  ");
}

const words = process.argv.slice(2).filter((a, i, all) => !a.startsWith("--") && all[i - 1] !== "--seconds");
const rows: PeerRow[] = [];
for (const c of CASES.filter(({ name }) => words.length === 0 || words.some((w) => name.includes(w)))) {
  const path = await pathOf(c);
  if (path === undefined) {
    say(`${c.name}: left out, ../shared/models/${c.file ?? ""} is not there`);
    continue;
  }
  const row = await measure(c, path, option("--seconds", 3));
  rows.push(row);
  say(line(row));
  if (row.others) say(`${"".padEnd(30)} ${beside(row.others)}`);
}
const tflite: TfliteRow[] = [];
for (const name of python === undefined || words.length > 0 ? [] : TFLITE) {
  const path = join(root, `node_modules/@mediapipe/face_detection/${name}.tflite`);
  if (!existsSync(path)) continue;
  tflite.push({ name, others: await timeBeside(python ?? "", path, option("--seconds", 3)) });
  say(`${name.padEnd(30)} ${beside(must(tflite.at(-1), "row").others)}`);
}
if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify({ version: 1, rows, tflite })}\n`);
if (process.argv.includes("--write")) {
  const page = join(root, "docs/performance.md");
  const fresh = performancePage(rows, tflite, { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length });
  writeFileSync(page, words.length === 0 ? fresh : renewPage(readFileSync(page, "utf8"), fresh));
  say(`wrote ${page}`);
}
process.exitCode = rows.every((r) => (r.result.against?.ratio ?? 0) >= r.floor) ? 0 : 3;
