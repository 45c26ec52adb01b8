/** Mutants of engine files, which are opened and run. */
import { createHash } from "node:crypto";
import { buildEngine } from "../../src/compiler/node/build.ts";
import { ENGINE_MAGIC, ENGINE_VERSION, HASH_BYTES, PREAMBLE_BYTES, WEIGHTS_SECTION } from "../../src/engine/format.ts";
import { readEngine } from "../../src/engine/read.ts";
import { importModel } from "../../src/formats/index.ts";
import type { OnnxModel } from "../../src/formats/onnx/ast.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { Session } from "../../src/runtime/node/session.ts";
import { compileSo, tinyEngine } from "../../src/runtime/testing/tiny.ts";
import { elementCount, zeros } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";
import { LOOKUP_MODEL, SMALL_MODELS } from "./models.ts";
import { mutateBytes, type Random } from "./random.ts";
import { changeTree, stringsOf } from "./structure.ts";
import { succeeds, type Subject } from "./subject.ts";

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

interface Seed {
  readonly bytes: Uint8Array;
  readonly headerEnd: number;
  readonly header: Header;
}

interface Header {
  readonly sections: readonly { readonly name: string; readonly offset: number; readonly bytes: number }[];
}

function seedOf(bytes: Uint8Array): Seed {
  const headerEnd = PREAMBLE_BYTES + new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
  return { bytes, headerEnd, header: JSON.parse(new TextDecoder().decode(bytes.subarray(PREAMBLE_BYTES, headerEnd))) as Header };
}

/** A real engine of a small model, whose kernels read the weights that are changed. */
async function builtSeed(model: OnnxModel): Promise<Seed> {
  const graph = importModel(writeOnnx(model), { file: "seed.onnx" });
  const symbolic = graph.inputs.filter((v) => v.shape.some((d) => typeof d !== "number"));
  const shapes = Object.fromEntries(symbolic.map((v) => [v.name, v.shape.map((d) => (typeof d === "number" ? d : 8))]));
  const built = await buildEngine(graph, { modelHash: "0".repeat(64), format: "onnx", profiles: symbolic.length > 0 ? [shapes] : [] });
  return seedOf(must(built.engine, "an engine"));
}

/** What a weight must never be taken for: a place in memory. */
const HOSTILE_WORDS = [0x7fc00000, 0x7f800000, 1, 0x7f7fffff, -1, 0x7fffffff, -0x80000000, 0x10000] as const;

function withWeights({ bytes, headerEnd, header }: Seed, random: Random): Uint8Array {
  const out = Uint8Array.from(bytes);
  const view = new DataView(out.buffer);
  const weights = header.sections.find((s) => s.name === WEIGHTS_SECTION);
  const start = Math.ceil(headerEnd / 64) * 64 + (weights?.offset ?? 0);
  for (let n = 1 + random.below(16); n > 0; n--) {
    view.setInt32(start + 4 * random.below((weights?.bytes ?? 4) >> 2), random.pick(HOSTILE_WORDS), true);
  }
  return rehashed(out);
}

export async function engine(): Promise<Subject> {
  const inert = seedOf(await tinyEngine({ so: await compileSo(INERT_C) }));
  const built = await Promise.all([...SMALL_MODELS, LOOKUP_MODEL].map(builtSeed));
  const names = [...stringsOf(inert.header), "wasm", "int64", "float16", "bool"];
  return {
    mutant(random) {
      if (random.chance(0.2)) return withWeights(random.pick(built) ?? inert, random);
      const { bytes: seed, header, headerEnd } = inert;
      if (random.chance(0.65)) {
        let tree: unknown = header;
        for (let n = 1 + random.below(3); n > 0; n--) tree = changeTree(tree, { random, names, dull: new Set(["sha256", "hone"]) });
        return withHeader(seed, tree);
      }
      // Only what comes before the code, whose bytes are a program.
      const front = mutateBytes(seed.subarray(0, headerEnd + 64), random);
      const whole = random.chance(0.2) ? front : new Uint8Array([...front, ...seed.subarray(headerEnd + 64)]);
      return random.chance(0.7) ? rehashed(whole) : whole;
    },
    passes: hasHeader,
    run: runEngine,
  };
}

/** Magic, version, length and hash are right, and the header is JSON. */
function hasHeader(bytes: Uint8Array): boolean {
  const end = bytes.length - HASH_BYTES;
  if (end < PREAMBLE_BYTES || new TextDecoder("latin1").decode(bytes.subarray(0, 4)) !== ENGINE_MAGIC) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = view.getUint32(4, true) === ENGINE_VERSION && view.getBigUint64(16, true) === BigInt(bytes.length);
  const headerEnd = PREAMBLE_BYTES + view.getUint32(8, true);
  if (!whole || headerEnd > end || !sha256(bytes.subarray(0, end)).equals(bytes.subarray(end))) return false;
  return succeeds(() => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(PREAMBLE_BYTES, headerEnd))) as unknown);
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
