/**
 * npm run emulate -- [MODEL…] [--machine NAME,…] [--precision int8,faster,fp32,fp16,bf16] [--calib DIR] [--out DIR]
 *
 * Runs engines of machines that are not at hand: NEON with and without dotprod under qemu-user, AVX-512 with and without VNNI on a PC that Bochs
 * emulates. Each gets a photo, and its outputs must be those of the same plan compiled for AVX2, which this machine must have: to the byte in int8
 * (`int8` makes every layer int8; `faster` is the plan that the emulated machine's rates make), and otherwise near. Exit code 1 when one is not.
 *
 *     apt-get install bochs bochsbios vgabios bochs-term qemu-user gcc-aarch64-linux-gnu
 */
import { join, basename } from "node:path";
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import type { RewriteFor } from "../../src/compiler/compile.ts";
import { C_MACHINES, type CMachine } from "../../src/targets/c/machines.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";
import { prepare, type Prepared } from "../../src/workflow/build.ts";
import { makeFeeds } from "../../src/workflow/feeds.ts";
import { halfBuild } from "../../src/workflow/half-weights.ts";
import { int8For } from "../../src/workflow/int8.ts";
import { contains, engineFor, runPc, runProgram, type Engine } from "./engine.ts";

const root = join(import.meta.dirname, "../..");
const shared = join(root, "../shared");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    machine: { type: "string", default: "avx512vnni,avx512,neon-dotprod,neon" },
    precision: { type: "string", default: "int8,faster,fp32,fp16,bf16" },
    calib: { type: "string", default: join(shared, "data/coco128/images") },
    out: { type: "string", default: join(root, "out/emulate") },
  },
});
const MODELS = [
  "yunet/yunet_n_640_640.onnx",
  "ultra-light/version-RFB-320.onnx",
  "retinaface-landmark/retinaface-mobilenet0.25-640.onnx",
  "fastestdet/FastestDet.onnx",
];

interface Emulated extends Readonly<Partial<Record<string, string | RegExp>>> {
  readonly by: "bochs" | "qemu";
}

/** How a machine is emulated, and by precision the instruction without which its run would prove nothing. */
const EMULATED: Readonly<Record<string, Emulated>> = {
  avx512vnni: { by: "bochs", int8: /vpdpbusd .*%zmm/, fp32: /vfmadd.*ps .*%zmm/, fp16: /vcvtph2ps .*%zmm/ },
  avx512: { by: "bochs", int8: /vpmaddwd .*%zmm/, fp32: /vfmadd.*ps .*%zmm/, fp16: /vcvtph2ps .*%zmm/ },
  "neon-dotprod": { by: "qemu", int8: /[us]dot\s+v/, fp32: /fmla\s+v/, fp16: /fcvtl2?\s+v/ },
  neon: { by: "qemu", int8: /smull2?\s+v/, fp32: /fmla\s+v/, fp16: /fcvtl2?\s+v/ },
};
const ARM = "aarch64-linux-gnu";

const named = (name: string): CMachine =>
  must(
    C_MACHINES.find((m) => m.name === name),
    `the machine ${name}`,
  );

const bytesOf = ({ data }: Tensor): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

const photo = (i: number): string => join(values.calib, must(readdirSync(values.calib).sort()[i], "a photo"));

async function feedsFor({ graph, recipe }: Prepared, engine: Engine): Promise<Uint8Array[]> {
  const inputs = graph.inputs.map((v, i) => ({ name: v.name, type: v.dtype, dims: engine.program.inputs[i] ?? [] }));
  const sets = await makeFeeds(inputs, recipe, { images: [photo(1)] });
  const { feeds } = must(sets[0], "feeds");
  return inputs.map((v) => bytesOf(must(feeds[v.name], v.name)));
}

/** Ranges of one photo: the arithmetic is tried, not the accuracy. */
async function rewriteFor(model: string, precision: string): Promise<RewriteFor | undefined> {
  if (precision === "fp32") return undefined;
  if (precision === "fp16" || precision === "bf16") return halfBuild(precision).rewrite;
  const calib = photo(0);
  const int8 = await int8For(model, { calib, method: "minmax", layers: precision === "int8" ? "all" : "faster" });
  return int8.rewrite;
}

/** By norm, for machines on which other layers pay for Winograd's way: it adds in another order, and rounds its weights to halves once more. */
const NEAR: Readonly<Record<string, number>> = { fp32: 1e-5, fp16: 2 ** -11, bf16: 2 ** -8 };

interface Compared {
  readonly equal: number;
  /** Of all outputs, relative, by norm. */
  readonly error: number;
  readonly bytes: number;
  /** How many different bytes the reference has: a constant would prove nothing. */
  readonly distinct: number;
}

function compared(ours: readonly Uint8Array[], reference: readonly Uint8Array[]): Compared {
  const [got, want] = [Buffer.concat(ours), Buffer.concat(reference)];
  const equal = want.reduce((sum, x, i) => sum + (x === got[i] ? 1 : 0), 0);
  const floats = (b: Buffer): Float32Array => new Float32Array(new Uint8Array(b).buffer, 0, b.length >> 2);
  const reals = floats(want);
  const norm = (x: Float32Array): number => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
  const error = equal === want.length ? 0 : norm(floats(got).map((v, i) => v - (reals[i] ?? NaN))) / norm(reals);
  return { equal, bytes: want.length, distinct: new Set(want).size, error };
}

async function one(
  prepared: Prepared,
  rewrite: RewriteFor | undefined,
  machine: CMachine,
  precision: string,
  out: string,
): Promise<boolean> {
  const reference = engineFor(prepared.graph, named("avx2"), rewrite, machine.name);
  const feeds = await feedsFor(prepared, reference);
  const expected = await runProgram(reference, feeds, join(out, "avx2"), { emulator: [] });
  const engine = engineFor(prepared.graph, machine, rewrite, machine.name);
  const { by, [precision]: wanted } = must(EMULATED[machine.name], `an emulator of ${machine.name}`);
  const began = performance.now();
  const got =
    by === "bochs"
      ? await runPc(engine, feeds, out)
      : await runProgram(engine, feeds, out, { cc: `${ARM}-gcc`, emulator: ["qemu-aarch64", "-L", `/usr/${ARM}`] });
  const { equal, bytes, distinct, error } = compared(got, expected);
  const present = !(wanted instanceof RegExp) || contains(out, wanted, by === "bochs" ? "" : `${ARM}-`);
  const same = equal === bytes;
  const good = present && distinct > 100 && (same || error <= (NEAR[precision] ?? 0));
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  const what = `${machine.name.padEnd(12)} ${precision.padEnd(6)} ${basename(prepared.model.path)}`;
  console.log(
    `${good ? (same ? "equal " : "near  ") : "WRONG "} ${what}: ${equal} of ${bytes} bytes, ${error.toExponential(1)} by norm (${seconds} s)${present ? "" : `; no ${String(wanted)} in its machine code`}`,
  );
  return good;
}

let wrong = 0;
for (const model of positionals.length > 0 ? positionals : MODELS.map((m) => join(shared, "models", m))) {
  const prepared = await prepare(model, {});
  for (const precision of values.precision.split(",")) {
    const rewrite = await rewriteFor(model, precision);
    for (const name of values.machine.split(",")) {
      const out = join(values.out, `${basename(model)}-${name}-${precision}`);
      if (!(await one(prepared, rewrite, named(name), precision, out))) wrong++;
    }
  }
}
process.exitCode = wrong > 0 ? 1 : 0;
