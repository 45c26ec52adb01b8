/** What is fuzzed: for each kind, how mutant `i` is made and what is done with it. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { compileGraph } from "../../src/compiler/compile.ts";
import { decodeImage } from "../../src/data/node/decode.ts";
import { HASH_BYTES, PREAMBLE_BYTES } from "../../src/engine/format.ts";
import { readEngine } from "../../src/engine/read.ts";
import { importModel } from "../../src/formats/index.ts";
import type { OnnxModel } from "../../src/formats/onnx/ast.ts";
import { readOnnx } from "../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { Session } from "../../src/runtime/node/session.ts";
import { compileSo, tinyEngine } from "../../src/runtime/testing/tiny.ts";
import { elementCount, zeros } from "../../src/tensor/tensor.ts";
import { HoneError } from "../../src/util/errors.ts";
import { SMALL_MODELS } from "./models.ts";
import { mutateBytes, type Random } from "./random.ts";
import { changeTree, stringsOf } from "./structure.ts";

export interface Subject {
  mutant(random: Random): Uint8Array;
  /** Throws HoneError for what is refused; anything else that it throws is a finding. The answer tells how far it came. */
  run(bytes: Uint8Array): string | Promise<string>;
}

const root = join(import.meta.dirname, "../..");
const shared = join(root, "../shared");
const present = (...files: string[]): Uint8Array[] => files.filter((f) => existsSync(f)).map((f) => readFileSync(f));

/** Values beyond this are planned for but make a mutant slow, not wrong. */
const MAX_ELEMENTS = 1 << 24;
const MACHINE = { lanes: 8, registers: 16 };

function runModel(bytes: Uint8Array): string {
  const graph = importModel(bytes, { file: "mutant" });
  const symbolic = graph.inputs.filter((v) => v.shape.some((d) => typeof d !== "number"));
  const sizes = symbolic.map((v) => [v.name, v.shape.map((d) => (typeof d === "number" ? d : 32))] as const);
  const values = [...graph.inputs, ...graph.nodes.flatMap((n) => n.outputs)];
  if (values.some((v) => v.shape.reduce<number>((n, d) => n * (typeof d === "number" ? d : 1), 1) > MAX_ELEMENTS)) return "imported, large";
  compileGraph(graph, { machine: MACHINE, ...(symbolic.length > 0 ? { profiles: [Object.fromEntries(sizes)] } : {}) });
  return "compiled";
}

/** The files of ONNX's own suite, one node each: every operator with unusual attributes. Unpacked once, into out/. */
function suiteFiles(): string[] {
  const archive = join(shared, "conformance/onnx-backend-v1.22.0.tar.xz");
  if (!existsSync(archive)) return [];
  const folder = join(root, "out/fuzz/suite");
  if (!existsSync(folder)) {
    mkdirSync(join(root, "out/fuzz"), { recursive: true });
    const fresh = mkdtempSync(join(root, "out/fuzz/unpack-"));
    execFileSync("tar", ["xJf", archive, "-C", fresh, "--wildcards", "*node/*/model.onnx"]);
    renameSync(fresh, folder);
  }
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith("model.onnx"));
  return files.sort().map((f) => join(folder, f));
}

const DULL = new Set([
  "docString",
  "metadataProps",
  "producerName",
  "producerVersion",
  "modelVersion",
  "denotation",
  "overload",
  "functions",
]);

function onnx(): Subject {
  const trained = ["samplenet/samplenet.onnx", "yunet/yunet_n_640_640.onnx", "yunet/yunet_n_dynamic.onnx"];
  const files = [trained.map((f) => join(shared, "models", f)).filter(existsSync), suiteFiles()].filter((list) => list.length > 0);
  const seedOf = (random: Random): OnnxModel => {
    const file = random.chance(1 / 3) ? undefined : random.pick(random.pick(files) ?? []);
    return file === undefined ? random.pick(SMALL_MODELS) : readOnnx(readFileSync(file), { file });
  };
  return {
    mutant(random) {
      const seed = seedOf(random);
      if (random.chance(0.2)) return mutateBytes(writeOnnx(seed), random);
      const names = [...stringsOf(seed)];
      let tree: unknown = seed;
      for (let n = 1 + random.below(3); n > 0; n--) {
        const changed = changeTree(tree, { random, names, dull: DULL });
        if (isWritable(changed)) tree = changed;
      }
      return writeOnnx(tree as OnnxModel);
    },
    run: runModel,
  };
}

/** Whether a changed tree still has the types that the writer needs; a string among the dims is no file. */
function isWritable(tree: unknown): boolean {
  try {
    writeOnnx(tree as OnnxModel);
    return true;
  } catch {
    return false;
  }
}

function tflite(): Subject {
  const npm = join(root, "node_modules/@mediapipe/face_detection");
  const seeds = present(
    join(npm, "face_detection_short_range.tflite"),
    join(npm, "face_detection_full_range.tflite"),
    join(shared, "models/facemesh-int8/face_landmark.tflite"),
    join(shared, "models/facemesh-int8/face_detection_front.tflite"),
  );
  return { mutant: (random) => mutateTables(random.pick(seeds) ?? new Uint8Array(), random), run: runModel };
}

/** A flatbuffer's tables lie at its front and end, its weights between; half of the changes keep the header. */
function mutateTables(seed: Uint8Array, random: Random): Uint8Array {
  const bytes = mutateBytes(seed, random);
  if (random.chance(0.5)) bytes.set(seed.subarray(0, Math.min(8, bytes.length)));
  return bytes;
}

/** Touches no memory, so that a wrong manifest cannot make it: code inside an engine is trusted, the rest is not. */
const INERT_C = `
#include <stdint.h>
#define API __attribute__((visibility("default")))
API int hone_run_0(const uint8_t *w, uint8_t *a, const void *const *in, void *const *out) { (void)w; (void)a; (void)in; (void)out; return 0; }
API int hone_run_1(const uint8_t *w, uint8_t *a, const void *const *in, void *const *out) { (void)w; (void)a; (void)in; (void)out; return 0; }
`;

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

/** Lengths and hash that fit, around any header. */
function withHeader(seed: Uint8Array, header: unknown): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const old = new DataView(seed.buffer, seed.byteOffset).getUint32(8, true);
  const align = (n: number): number => Math.ceil(n / 64) * 64;
  const data = seed.subarray(align(PREAMBLE_BYTES + old), seed.length - HASH_BYTES);
  const out = new Uint8Array(align(PREAMBLE_BYTES + json.length) + data.length + HASH_BYTES);
  out.set(seed.subarray(0, PREAMBLE_BYTES));
  out.set(json, PREAMBLE_BYTES);
  out.set(data, align(PREAMBLE_BYTES + json.length));
  const view = new DataView(out.buffer);
  view.setUint32(8, json.length, true);
  view.setBigUint64(16, BigInt(out.length), true);
  return rehashed(out);
}

function rehashed(bytes: Uint8Array): Uint8Array {
  if (bytes.length > HASH_BYTES) bytes.set(sha256(bytes.subarray(0, bytes.length - HASH_BYTES)), bytes.length - HASH_BYTES);
  return bytes;
}

async function engine(): Promise<Subject> {
  const seed = await tinyEngine({ so: await compileSo(INERT_C) });
  const headerEnd = PREAMBLE_BYTES + new DataView(seed.buffer).getUint32(8, true);
  const header: unknown = JSON.parse(new TextDecoder().decode(seed.subarray(PREAMBLE_BYTES, headerEnd)));
  const names = [...stringsOf(header), "wasm", "int64", "float16", "bool"];
  return {
    mutant(random) {
      if (random.chance(0.65)) {
        let tree = header;
        for (let n = 1 + random.below(3); n > 0; n--) tree = changeTree(tree, { random, names, dull: new Set(["sha256", "hone"]) });
        return withHeader(seed, tree);
      }
      // Only what comes before the code, whose bytes are a program.
      const front = mutateBytes(seed.subarray(0, headerEnd + 64), random);
      const whole = random.chance(0.2) ? front : new Uint8Array([...front, ...seed.subarray(headerEnd + 64)]);
      return random.chance(0.7) ? rehashed(whole) : whole;
    },
    run: runEngine,
  };
}

async function runEngine(bytes: Uint8Array): Promise<string> {
  const { manifest } = readEngine(bytes, { hash: (b) => sha256(b).toString("hex") });
  const large = [...manifest.inputs, ...manifest.outputs].length > 64;
  const counts = manifest.profiles.flatMap((p) => [...p.inputs, ...p.outputs].map(elementCount));
  const session = await Session.open(bytes, { native: "allow", contexts: 1 });
  try {
    if (large || counts.some((n) => n > 1 << 20)) return "opened, large";
    const feeds = manifest.inputs.map((v, i) => [v.name, zeros(v.type, manifest.profiles[0]?.inputs[i] ?? [])] as const);
    await session.run(Object.fromEntries(feeds));
    return "run";
  } finally {
    await session.close();
  }
}

async function image(): Promise<Subject> {
  const { default: sharp } = await import("sharp");
  const pixels = Buffer.from(Array.from({ length: 48 * 32 * 3 }, (_, i) => (i * 7919) % 251));
  const plain = (): ReturnType<typeof sharp> => sharp(pixels, { raw: { width: 48, height: 32, channels: 3 } });
  const seeds = await Promise.all([
    plain()
      .jpeg()
      .withExif({ IFD0: { Orientation: "6" } })
      .toBuffer(),
    plain().jpeg({ progressive: true, chromaSubsampling: "4:4:4" }).toBuffer(),
    plain().toColourspace("cmyk").jpeg().toBuffer(),
    plain().png().toBuffer(),
    plain().png({ palette: true, progressive: true }).toBuffer(),
    plain().toColourspace("rgb16").png().toBuffer(),
    plain().webp().toBuffer(),
    plain().gif().toBuffer(),
    plain().tiff().toBuffer(),
  ]);
  return {
    mutant: (random) => {
      const bytes = mutateBytes(random.pick(seeds), random);
      return random.chance(0.7) ? withChecksums(bytes) : bytes;
    },
    run: async (bytes) => {
      await decodeImage(bytes, { maxPixels: 4_000_000 });
      return "decoded";
    },
  };
}

/** A PNG whose chunks have the checksums that fit, so that a decoder reads on. */
function withChecksums(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0x89 || bytes[1] !== 0x50) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const end = at + 8 + length;
    if (end + 4 > bytes.length) break;
    view.setUint32(end, crc32(bytes.subarray(at + 4, end)));
    at = end + 4;
  }
  return bytes;
}

/** PNG's checksum, ISO 3309. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

export const SUBJECTS: Readonly<Record<string, () => Subject | Promise<Subject>>> = { onnx, tflite, engine, image };

/** The outcome as one word, and for a finding what it was. */
export async function outcomeOf(subject: Subject, bytes: Uint8Array): Promise<{ readonly code: string; readonly detail: string }> {
  try {
    return { code: `ok: ${await subject.run(bytes)}`, detail: "" };
  } catch (error) {
    if (error instanceof HoneError && error.code !== "internal") return { code: error.code, detail: "" };
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { code: error instanceof HoneError ? "internal" : "crash", detail: stack };
  }
}
