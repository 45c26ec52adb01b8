/**
 * hone's WebAssembly, fp32 and int8, against onnxruntime-web's fp32, one thread each, in Node and in Chromium:
 * `npm run bench:web [-- --write] [--rounds N] [--seconds N] [NAME...]`. --write renews docs/web-performance.md.
 * Models, photos and browsers that are not there are left out and named.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import * as ort from "onnxruntime-web/wasm";
import { readEngine } from "../../src/engine/read.ts";
import { writeEngine } from "../../src/engine/write.ts";
import { Session } from "../../src/runtime/node/session.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";
import { buildModel } from "../../src/workflow/build.ts";
import { difference } from "../../src/workflow/difference.ts";
import { given } from "../../src/workflow/events.ts";
import { int8For } from "../../src/workflow/int8.ts";
import { ensureModel } from "../models/write.ts";
import { bundlePage, ROOT } from "../web/bundle.ts";
import { findChromium, launchChromium } from "../web/chromium.ts";
import { servePage, textFile } from "../web/server.ts";
import type { PageRequest, PageTimes } from "./web-page.ts";
import { cpuRatioOf, merged, ratioOf, scalingOf, webPage, type WebRow, type WebSide } from "./web-performance.ts";

const MODELS: readonly { readonly name: string; readonly file?: string }[] = [
  { name: "retinaface-mobilenet0.25-640", file: "retinaface-landmark/retinaface-mobilenet0.25-640.onnx" },
  { name: "mobilenet-v2" },
  { name: "resnet18" },
  { name: "resnet50-v1.5" },
];

type Precision = "fp32" | "int8";

/** A photo that the int8 engines take their ranges from: how fast they are does not depend on it. */
const PHOTO = join(ROOT, "../shared/data/coco128/images/000000000009.jpg");

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const least = (times: readonly number[]): number => Math.min(...times);

interface Subject {
  readonly name: string;
  readonly model: Uint8Array;
  readonly engine: Uint8Array;
  readonly dims: readonly number[];
  readonly buildSeconds: number;
}

async function subjectOf({ name, file }: (typeof MODELS)[number], precision: Precision): Promise<Subject | undefined> {
  const path = file === undefined ? await ensureModel(name, join(ROOT, "out/models")) : join(ROOT, "../shared/models", file);
  if (!existsSync(path)) return undefined;
  const int8 = precision === "int8" ? await int8For(path, { calib: PHOTO, method: "minmax" }) : undefined;
  const { engine, seconds, build } = await buildModel(path, { targets: ["wasm"], precision, ...given("rewrite", int8?.rewrite) });
  if (int8) say(`${name}: ${int8.layers().int8} layers in int8, ${int8.layers().float.length} in float32`);
  const dims = must(build.compiled.programs[0]?.inputs[0], "an input's dims");
  return {
    name: precision === "fp32" ? name : `${name}, int8`,
    model: new Uint8Array(readFileSync(path)),
    engine,
    dims,
    buildSeconds: seconds,
  };
}

/** The engine with those of its targets only that need nothing but plain vectors. */
function plainOnly(bytes: Uint8Array): Uint8Array {
  const { manifest, sections } = readEngine(bytes, { hash: sha256 });
  const targets = manifest.targets.filter((t) => !t.features.includes("relaxed-simd"));
  return writeEngine(
    { manifest: { ...manifest, targets }, sections: [...sections].map(([name, part]) => ({ name, bytes: part })) },
    sha256,
  );
}

/** Bytes over the wire of an engine's code: its best module. */
function codeBytes(bytes: Uint8Array): number {
  const { manifest, sections } = readEngine(bytes, { hash: sha256 });
  return Math.max(...manifest.targets.map((t) => gzipSync(must(sections.get(t.section), t.section)).length));
}

interface Timed {
  readonly times: number[];
  readonly cpu: number[];
}

async function timeOne(run: () => unknown, into: Timed): Promise<void> {
  const cpu = process.cpuUsage();
  const began = performance.now();
  const running = run();
  if (running instanceof Promise) await running;
  into.times.push(performance.now() - began);
  const { user, system } = process.cpuUsage(cpu);
  into.cpu.push((user + system) / 1000);
}

async function inNode({ model, engine, dims }: Subject, seconds: number): Promise<WebSide> {
  ort.env.wasm.numThreads = 1;
  const data = Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(i * 0.37));
  const session = await Session.open(engine, { contexts: 1 });
  const pair = await Session.open(engine, { contexts: 1, threads: 2 });
  const peer = await ort.InferenceSession.create(model);
  const feeds = { [session.inputNames[0] ?? ""]: tensor("float32", dims, data) };
  const theirs = { [peer.inputNames[0] ?? ""]: new ort.Tensor("float32", data, dims) };
  const timed = (): Timed => ({ times: [], cpu: [] });
  const [hone, two, other] = [timed(), timed(), timed()];
  const results = session.runSync(feeds);
  const wanted = (await peer.run(theirs)) as Readonly<Record<string, Tensor>>;
  const relativeError = Math.max(...Object.entries(results).map(([k, t]) => difference(t, must(wanted[k], k)).relativeError));
  for (let i = 0; i < 4; i++) {
    session.runSync(feeds);
    pair.runSync(feeds);
    await peer.run(theirs);
  }
  for (let spent = 0; spent < 1000 * seconds || hone.times.length < 12;) {
    const began = performance.now();
    for (let i = 0; i < 2; i++) await timeOne(() => session.runSync(feeds), hone);
    for (let i = 0; i < 2; i++) await timeOne(() => pair.runSync(feeds), two);
    for (let i = 0; i < 2; i++) await timeOne(() => peer.run(theirs), other);
    spent += performance.now() - began;
  }
  const { target } = session.info;
  await session.close();
  await pair.close();
  await peer.release();
  return {
    where: `Node ${process.versions.node}`,
    target,
    honeMs: least(hone.times),
    twoMs: least(two.times),
    peerMs: least(other.times),
    cpuMs: { hone: least(hone.cpu), peer: least(other.cpu) },
    relativeError,
  };
}

async function inChromium({ model, engine, dims }: Subject, seconds: number, executable: string): Promise<WebSide> {
  const dist = join(createRequire(import.meta.url).resolve("onnxruntime-web/wasm"), "..");
  const files = new Map([
    ...(await bundlePage({ "page.js": "scripts/bench/web-page.ts" }, { external: ["node:*"] })),
    ["index.html", textFile('<!doctype html><meta charset="utf-8"><title>bench</title><script type="module" src="page.js"></script>')],
    ["model.onnx", model],
    ["hone.hone", engine],
    ["plain.hone", plainOnly(engine)],
    ["ort.mjs", new Uint8Array(readFileSync(join(dist, "ort-wasm-simd-threaded.mjs")))],
    ["ort.wasm", new Uint8Array(readFileSync(join(dist, "ort-wasm-simd-threaded.wasm")))],
  ] as const);
  const server = await servePage(files, { isolated: true });
  const browser = await launchChromium(executable);
  try {
    const page = await browser.newPage();
    page.on("pageerror", (error) => say(`page: ${error.message}`));
    await page.goto(server.url);
    await page.waitForFunction(() => "bench" in globalThis);
    const engines = [
      ["hone", "hone.hone", 1],
      ["two", "hone.hone", 2],
      ["plain", "plain.hone", 1],
    ] as const;
    const request: PageRequest = { model: "model.onnx", engines, dims, seconds };
    const results = await page.evaluate<readonly PageTimes[]>(`bench(${JSON.stringify(request)})`);
    const of = (name: string): PageTimes =>
      must(
        results.find((r) => r.name === name),
        name,
      );
    return {
      where: `Chromium ${browser.version().split(".")[0] ?? ""}`,
      target: of("hone").target,
      honeMs: least(of("hone").times),
      plainMs: least(of("plain").times),
      twoMs: least(of("two").times),
      peerMs: least(of("onnxruntime-web").times),
      relativeError: of("hone").relativeError,
    };
  } finally {
    await browser.close();
    await server.close();
  }
}

function line(name: string, s: WebSide): string {
  const plain = s.plainMs === undefined ? "" : `; plain ${s.plainMs.toFixed(1)}`;
  const cpu = cpuRatioOf(s);
  const parts = [
    name.padEnd(28),
    s.where.padEnd(12),
    `hone ${s.honeMs.toFixed(1).padStart(7)} ms (${s.target}${plain})`,
    `two threads ${s.twoMs.toFixed(1)} ms (${scalingOf(s).toFixed(2)}x)`,
    `onnxruntime-web ${s.peerMs.toFixed(1).padStart(7)} ms`,
    `${ratioOf(s).toFixed(2)}x${cpu === undefined ? "" : `  ${cpu.toFixed(2)}x by CPU`}`,
    `differs by ${s.relativeError.toExponential(1)}`,
  ];
  return parts.join("  ");
}

/** The number after a flag. */
function option(flag: string, otherwise: number): number {
  const at = process.argv.indexOf(flag);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

const [seconds, rounds] = [option("--seconds", 4), option("--rounds", 3)];
const words = process.argv.slice(2).filter((a, i, all) => !a.startsWith("--") && !["--seconds", "--rounds"].includes(all[i - 1] ?? ""));
const executable = findChromium();
if (executable === undefined) say("left out: Chromium is not installed");
const PRECISIONS: readonly Precision[] = existsSync(PHOTO) ? ["fp32", "int8"] : ["fp32"];
if (PRECISIONS.length === 1) say("left out: int8, for which ../shared/data has no photo");
const rows = new Map<Subject, WebRow>();
for (const model of MODELS.filter(({ name }) => words.length === 0 || words.some((w) => name.includes(w)))) {
  for (const precision of PRECISIONS) {
    const subject = await subjectOf(model, precision);
    if (subject === undefined) say(`left out: ${model.name} is not in ../shared/models`);
    else
      rows.set(subject, {
        name: subject.name,
        sides: [],
        codeBytes: codeBytes(subject.engine),
        buildSeconds: subject.buildSeconds,
        load: 0,
      });
  }
}
for (let round = 1; round <= rounds; round++) {
  for (const [subject, before] of rows) {
    say(`${subject.name}, round ${round} of ${rounds}`);
    const load = Math.max(before.load, loadavg()[0] ?? NaN);
    const now = [await inNode(subject, seconds), ...(executable === undefined ? [] : [await inChromium(subject, seconds, executable)])];
    const sides = now.map((side, i) => (before.sides[i] ? merged(before.sides[i], side) : side));
    rows.set(subject, { ...before, sides, load });
  }
}
for (const { name, sides } of rows.values()) for (const side of sides) process.stdout.write(`${line(name, side)}\n`);
const runtime = [...(await bundlePage({ "web.js": "src/web.ts" })).values()].reduce((n, bytes) => n + gzipSync(bytes).length, 0);
process.stdout.write(`hone's runtime for pages: ${(runtime / 1000).toFixed(1)} kB of gzip\n`);
if (process.argv.includes("--write")) {
  writeFileSync(
    join(ROOT, "docs/web-performance.md"),
    webPage([...rows.values()], { cpu: cpus()[0]?.model ?? "an unknown CPU", cores: cpus().length, runtime, rounds }),
  );
}
