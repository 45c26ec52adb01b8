/** The fp32 peak of one core, as a kernel of the loop IR and as an engine that runs beside what is measured. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { kernelFlags } from "../compiler/node/native.ts";
import { HONE_VERSION } from "../compiler/version.ts";
import { hostSection, platformName, WEIGHTS_SECTION, type Manifest, type ManifestTarget } from "../engine/format.ts";
import { writeEngine } from "../engine/write.ts";
import { add, constant, fma, indexVar, int, load, typeOf, variable } from "../loop/expr.ts";
import { legalize } from "../loop/legalize/index.ts";
import type { Machine } from "../loop/machine.ts";
import { forLoop, letMutable, letVar, setVar, store } from "../loop/stmt.ts";
import type { Buffer, Func } from "../loop/types.ts";
import { wasmFeatures } from "../runtime/core/wasm/features.ts";
import { Session } from "../runtime/node/session.ts";
import { C_CAPABILITIES } from "../targets/c/capabilities.ts";
import { printEngine } from "../targets/c/engine.ts";
import { chooseMachine } from "../targets/c/machines.ts";
import { printWasmEngine } from "../targets/wasm/engine.ts";
import { WASM_MACHINES } from "../targets/wasm/machines.ts";
import { tensor, zeros } from "../tensor/tensor.ts";
import { findCompiler } from "../toolchain/compiler.ts";
import { cpuFeatures } from "../toolchain/cpu.ts";
import { buildHost } from "../toolchain/host.ts";
import { Toolchain } from "../toolchain/toolchain.ts";
import { must } from "../util/errors.ts";

/** Enough independent chains to hide the latency of a multiply-add on any CPU. */
const CHAINS = 12;
const TURNS = 20_000;

/** Independent multiply-adds that never leave their registers. Parameters: x, y (one vector each), out (one vector a chain). */
export function peakKernel(machine: Machine, turns: number = TURNS): { readonly func: Func; readonly flops: number } {
  const { lanes } = machine;
  const x: Buffer = { name: "x", dtype: "float32", length: lanes, access: "read" };
  const y: Buffer = { name: "y", dtype: "float32", length: lanes, access: "read" };
  const out: Buffer = { name: "out", dtype: "float32", length: lanes * CHAINS, access: "write" };
  const type = typeOf("float32", lanes);
  const [vx, vy] = [variable("vx", type), variable("vy", type)];
  const chains = Array.from({ length: CHAINS }, (_, i) => variable(`a${i}`, type));
  const body = [
    letVar(vx, load(x, int(0), lanes)),
    letVar(vy, load(y, int(0), lanes)),
    ...chains.map((a, i) => letMutable(a, constant(i, "float32", lanes))),
    forLoop(
      indexVar("turn"),
      turns,
      chains.map((a) => setVar(a, fma(a, vx, vy))),
    ),
    ...chains.map((a, i) => store(out, add(int(0), int(i * lanes)), a)),
  ];
  return { func: { name: "peak", params: [x, y, out], body }, flops: 2 * lanes * CHAINS * turns };
}

/** Long enough that the call around it does not count, some 0.3 ms, and short enough to fit between the interruptions of a shared machine. */
const MEASURED_TURNS = 100_000;
const TRIES = 4;

export interface PeakMeter {
  /** GFLOP/s of the best of a few short runs. */
  measure(): number;
  close(): Promise<void>;
}

/**
 * Compiles the peak kernel for the best machine that this one is, as an engine of its own; as WebAssembly where there is no C
 * compiler. Throws `toolchain.failed`, `engine.load`.
 */
export async function openPeak(signal?: AbortSignal): Promise<PeakMeter> {
  const compiled = await findCompiler({ signal }).then(
    () => nativePeak(signal),
    () => wasmPeak(),
  );
  const { machine, bytes, flops } = compiled;
  const session = await Session.open(bytes, { native: "allow", contexts: 1 });
  const one = (value: number): Float32Array<ArrayBuffer> => new Float32Array(machine.lanes).fill(value);
  const feeds = {
    x: tensor("float32", [machine.lanes], one(0.5)),
    y: tensor("float32", [machine.lanes], one(0.25)),
  };
  const outputs = { out: zeros("float32", [machine.lanes * CHAINS]) };
  return {
    measure() {
      let least = Infinity;
      for (let i = 0; i < TRIES; i++) {
        const began = performance.now();
        session.runIntoSync(feeds, outputs);
        least = Math.min(least, performance.now() - began);
      }
      return flops / least / 1e6;
    },
    close: () => session.close(),
  };
}

interface PeakEngine {
  readonly machine: Machine;
  readonly bytes: Uint8Array;
  readonly flops: number;
}

const POINTERS = [
  { from: "input", index: 0 },
  { from: "input", index: 1 },
  { from: "output", index: 0 },
] as const;
const STEPS = [{ kind: "call", call: 0 }] as const;

function wasmPeak(): PeakEngine {
  const [machine] = WASM_MACHINES.filter((m) => m.features.every((f) => wasmFeatures().includes(f)));
  const { lanes, registers, features, name, relaxed } = must(machine, "WebAssembly with vectors");
  const { func, flops } = peakKernel({ lanes, registers }, MEASURED_TURNS);
  const { bytes } = printWasmEngine([{ calls: [{ func, pointers: POINTERS }], steps: STEPS }], { relaxed });
  const section = `wasm:${name}`;
  const target: ManifestTarget = { section, kind: "wasm", platform: "", features };
  return { machine: { lanes, registers }, flops, bytes: pack(func, target, [{ name: section, bytes }]) };
}

async function nativePeak(signal: AbortSignal | undefined): Promise<PeakEngine> {
  const tools = await Toolchain.open({ signal });
  const machine = chooseMachine(process.arch, await cpuFeatures(tools));
  const { func, flops } = peakKernel(machine, MEASURED_TURNS);
  const printed = printEngine([{ calls: [{ func: legalize(func, C_CAPABILITIES), pointers: POINTERS }], steps: STEPS }]);
  const { outputs } = await tools.build({
    name: "engine",
    sources: [...printed.kernels, printed.entry],
    headers: [printed.header],
    emit: "so",
    flags: [...kernelFlags(tools.compiler.family), ...machine.flags],
    linkFlags: ["-Wl,-z,defs", "-Wl,-s", "-lm"],
    signal,
  });
  const platform = platformName(process.arch, process.platform);
  const section = `so:${platform}-${machine.name}`;
  const target: ManifestTarget = { section, kind: "so", platform, features: machine.features };
  const host = await buildHost(tools, { signal });
  const bytes = pack(func, target, [
    { name: section, bytes: await readFile(must(outputs[0], "the library").path) },
    { name: hostSection(platform), bytes: host.bytes },
  ]);
  return { machine, flops, bytes };
}

function pack(func: Func, target: ManifestTarget, code: readonly { readonly name: string; readonly bytes: Uint8Array }[]): Uint8Array {
  const lengths = func.params.map((p) => [p.length]);
  const manifest: Manifest = {
    hone: HONE_VERSION,
    model: { name: "peak", sha256: "0".repeat(64) },
    inputs: func.params.slice(0, 2).map((p) => ({ name: p.name, type: "float32", dims: [p.length] })),
    outputs: func.params.slice(2).map((p) => ({ name: p.name, type: "float32", dims: [p.length] })),
    profiles: [{ arenaBytes: 0, inputs: lengths.slice(0, 2), outputs: lengths.slice(2) }],
    precision: "fp32",
    kernels: [{ name: func.name, nodes: [] }],
    targets: [target],
  };
  const sections = [{ name: WEIGHTS_SECTION, bytes: new Uint8Array(0) }, ...code];
  return writeEngine({ manifest, sections }, (b) => createHash("sha256").update(b).digest("hex"));
}
