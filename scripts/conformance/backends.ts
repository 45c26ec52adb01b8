/** Ways to compute a graph, each of which takes many cases at once: what the conformance suites compare. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { compileGraph, type GraphOptions } from "../../src/compiler/compile.ts";
import type { Program } from "../../src/compiler/program.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { int } from "../../src/loop/expr.ts";
import { letVar } from "../../src/loop/stmt.ts";
import { interpret } from "../../src/loop/interpret/interpret.ts";
import { legalize } from "../../src/loop/legalize/index.ts";
import { mapSteps, runSteps, type Pointer } from "../../src/loop/program.ts";
import type { Machine } from "../../src/loop/machine.ts";
import type { Buffer, Func } from "../../src/loop/types.ts";
import { evaluateGraph } from "../../src/ops/evaluate.ts";
import { loadHost } from "../../src/runtime/node/host.ts";
import { C_CAPABILITIES } from "../../src/targets/c/capabilities.ts";
import { C_MACHINES, chooseMachine, type CMachine } from "../../src/targets/c/machines.ts";
import { programText } from "../../src/targets/c/engine.ts";
import { printC } from "../../src/targets/c/print.ts";
import { runWasmProgram } from "../../src/targets/testing/wasm.ts";
import { DTYPES, type TypedArray } from "../../src/tensor/dtype.ts";
import { zeros, type Tensor } from "../../src/tensor/tensor.ts";
import { cpuFeatures } from "../../src/toolchain/cpu.ts";
import { buildHost } from "../../src/toolchain/host.ts";
import { Toolchain } from "../../src/toolchain/toolchain.ts";
import { HoneError, must } from "../../src/util/errors.ts";

export interface Case {
  readonly name: string;
  /** With static shapes. */
  readonly graph: Graph;
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** Applied to the optimised graph before it is lowered. */
  readonly rewrite?: (graph: Graph) => Graph;
}

/** The outputs in the graph's order, or what was thrown. */
export type Outcome = { readonly outputs: readonly Tensor[] } | { readonly error: unknown };

/** Outcomes in the order of the cases. */
export type Backend = (cases: readonly Case[]) => Promise<readonly Outcome[]>;

const attempt = <T>(f: () => T): T | { readonly error: unknown } => {
  try {
    return f();
  } catch (error) {
    return { error };
  }
};

const failed = (x: object): x is { readonly error: unknown } => "error" in x;

/** Every op by its definition. */
export const interpretBackend: Backend = (cases) =>
  Promise.resolve(
    cases.map((c) =>
      attempt(() => {
        const results = evaluateGraph(c.graph, c.feeds);
        return { outputs: c.graph.outputs.map((v) => must(results[v.name], v.name)) };
      }),
    ),
  );

interface Compiled {
  readonly program: Program;
  readonly weights: Uint8Array;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function compiled(c: Case, options: GraphOptions): Compiled {
  const { programs, weights } = compileGraph(c.graph, { ...options, ...(c.rewrite && { rewrite: c.rewrite }) }, sha256);
  return { program: must(programs[0], "program"), weights };
}

const feedsOf = (c: Case): readonly TypedArray[] => c.graph.inputs.map((v) => must(c.feeds[v.name], v.name).data);
const outputsOf = (c: Case, p: Program): readonly Tensor[] => c.graph.outputs.map((v, i) => zeros(v.dtype, must(p.outputs[i], v.name)));

/** Runs a program kernel by kernel on memory of this process. */
export function runProgram(
  { program, weights }: Compiled,
  inputs: readonly TypedArray[],
  outputs: readonly TypedArray[],
  exec: (func: Func, args: readonly TypedArray[], call: number) => void,
): void {
  const arena = new Uint8Array(program.arenaBytes);
  const bytesOf = (p: Pointer): readonly [Uint8Array | TypedArray, number] => {
    if ("index" in p) return [must((p.from === "input" ? inputs : outputs)[p.index], p.from), 0];
    return p.from === "weights" ? [weights, p.offset] : [arena, p.offset];
  };
  const view = (b: Buffer, p: Pointer): TypedArray => {
    const [memory, offset] = bytesOf(p);
    return new DTYPES[b.dtype].array(memory.buffer, memory.byteOffset + offset, b.length);
  };
  const scalar = <T extends TypedArray>(p: Pointer, type: new (buffer: ArrayBufferLike, at: number, length: number) => T): T => {
    const [memory, offset] = bytesOf(p);
    return new type(memory.buffer, memory.byteOffset + offset, 1);
  };
  const scalars = {
    bool: (p: Pointer) => scalar(p, Uint8Array)[0] !== 0,
    int64: (p: Pointer) => scalar(p, BigInt64Array)[0] ?? 0n,
    setInt64: (p: Pointer, value: bigint) => void scalar(p, BigInt64Array).fill(value),
  };
  const ended = runSteps(program.steps, scalars, (n) => {
    const { func, pointers } = must(program.calls[n], "call");
    exec(
      func,
      func.params.map((b, i) => view(b, must(pointers[i], "pointer"))),
      n,
    );
  });
  if (!ended) throw new HoneError("engine.loop", "a loop did not end");
}

/** What thread `part` of `parts` runs of a kernel. */
function partOf(func: Func, part: number, parts: number): Func {
  const { share, ...rest } = func;
  return share ? { ...rest, body: [letVar(share.part, int(part)), letVar(share.parts, int(parts)), ...func.body] } : func;
}

/**
 * The passes, the schedules and the legalised kernels, interpreted: every access checked. With several threads, their parts run
 * one after the other, the last first.
 */
export function scheduledBackend(machine: Machine, schedule: "auto" | "naive" = "auto", threads = 1): Backend {
  return (cases) =>
    Promise.resolve(
      cases.map((c) =>
        attempt(() => {
          const program = compiled(c, { machine, schedule, threads: threads > 1, shareFrom: 0 });
          const outputs = outputsOf(c, program.program);
          runProgram(
            program,
            feedsOf(c),
            outputs.map((t) => t.data),
            (func, args) => {
              const parts = func.share ? threads : 1;
              for (let part = parts - 1; part >= 0; part--) interpret(legalize(partOf(func, part, parts), C_CAPABILITIES), args);
            },
          );
          return { outputs };
        }),
      ),
    );
}

/** Through the WebAssembly printer: each case as the module that its engine would have. */
export function wasmBackend(schedule: "auto" | "naive" = "auto"): Backend {
  const machine: Machine = { lanes: 4, registers: 16 };
  return (cases) =>
    Promise.resolve(
      cases.map((c) =>
        attempt(() => {
          const { program, weights } = compiled(c, { machine, schedule });
          const outputs = outputsOf(c, program);
          runWasmProgram(
            program,
            program.arenaBytes,
            weights,
            feedsOf(c),
            outputs.map((t) => t.data),
          );
          return { outputs };
        }),
      ),
    );
}

/** The machine of this computer that has the lanes, or the best one. */
export async function machineWith(lanes?: number): Promise<CMachine> {
  const features = await cpuFeatures(await Toolchain.open());
  return chooseMachineOf(features, lanes);
}

function chooseMachineOf(features: readonly string[], lanes: number | undefined): CMachine {
  if (lanes === undefined) return chooseMachine(process.arch, features);
  const fits = C_MACHINES.filter((m) => m.lanes === lanes && (m.arch === process.arch || m.arch === "any"));
  return fits.find((m) => m.features.every((f) => features.includes(f))) ?? chooseMachine(process.arch, features);
}

const ENTRY = (i: number): string =>
  `int hone_run_${i}(const uint8_t* weights, uint8_t* arena, const void* const* inputs, void* const* outputs)`;

function entryText(index: number, { program }: Compiled, base: number, names: readonly string[]): string {
  const moved = (p: Pointer): Pointer => (p.from === "weights" ? { ...p, offset: base + p.offset } : p);
  const calls = program.calls.map((c) => ({ func: c.func, pointers: c.pointers.map(moved) }));
  const text = programText({ calls, steps: mapSteps(program.steps, moved) }, names);
  return `__attribute__((visibility("default"))) ${ENTRY(index)} {\n  (void)weights; (void)arena; (void)inputs; (void)outputs;\n${text}  return 0;\n}\n\n`;
}

interface Unit {
  readonly index: number;
  readonly case: Case;
  readonly compiled: Compiled;
  readonly funcs: readonly Func[];
}

const CASES_A_FILE = 60;

/** C text of many programs: files of kernels with the entry points beside them. */
function printUnits(units: readonly Unit[], bases: readonly number[]): { name: string; text: string }[] {
  const files: { name: string; text: string }[] = [];
  for (let at = 0; at < units.length; at += CASES_A_FILE) {
    const part = units.slice(at, at + CASES_A_FILE);
    const kernels = printC(
      part.flatMap((u) => u.funcs),
      { linkage: "static " },
    );
    const entries = part.map((u, i) =>
      entryText(
        at + i,
        u.compiled,
        bases[at + i] ?? 0,
        u.funcs.map((f) => f.name),
      ),
    );
    files.push({ name: `cases${at}.c`, text: `${kernels}\n${entries.join("")}` });
  }
  return files;
}

export interface COptions {
  readonly machine: CMachine;
  readonly schedule: "auto" | "naive";
  /** Told before each case runs, so that a crash has a name. */
  readonly onRun?: (name: string) => void;
}

const FLAGS = ["-std=gnu11", "-O1", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-Wno-psabi", "-w"];

function join(parts: readonly Uint8Array[]): { readonly bytes: Uint8Array; readonly bases: readonly number[] } {
  const bases: number[] = [];
  let size = 0;
  for (const part of parts) {
    bases.push(size);
    size += Math.ceil(part.length / 64) * 64;
  }
  const bytes = new Uint8Array(size);
  parts.forEach((part, i) => {
    bytes.set(part, bases[i]);
  });
  return { bytes, bases };
}

/** Through the C printer and the compiler: all cases in one shared object; in two where the compiler refuses. */
export function cBackend(options: COptions): Backend {
  const run = batch(options);
  const halves: Backend = async (cases) => {
    try {
      return await run(cases);
    } catch (error) {
      if (!(error instanceof HoneError) || error.code !== "toolchain.failed") throw error;
      if (cases.length === 1) return [{ error }];
      const middle = Math.ceil(cases.length / 2);
      return [...(await halves(cases.slice(0, middle))), ...(await halves(cases.slice(middle)))];
    }
  };
  return halves;
}

function batch({ machine, schedule, onRun }: COptions): Backend {
  return async (cases) => {
    const units: (Unit | { readonly error: unknown })[] = cases.map((c, n) =>
      attempt((): Unit => {
        const program = compiled(c, { machine, schedule });
        const funcs = program.program.calls.map(({ func }, k) => ({ ...legalize(func, C_CAPABILITIES), name: `c${n}_${k}` }));
        printC(funcs);
        return { index: n, case: c, compiled: program, funcs };
      }),
    );
    const good = units.filter((u): u is Unit => !failed(u));
    const { bytes, bases } = join(good.map((u) => u.compiled.weights));
    const tools = await Toolchain.open();
    const built = await tools.build({
      name: "conformance",
      sources: printUnits(good, bases),
      emit: "so",
      flags: [...FLAGS, ...machine.flags],
      linkFlags: ["-Wl,-z,defs", "-lm"],
    });
    const library = must(built.outputs[0], "library");
    const { addon } = await loadHost((await buildHost(tools, {})).bytes);
    const engine = addon.load(`conformance:${sha256(await readFile(library.path)).slice(0, 16)}`, library.path, bytes, good.length, 0);
    try {
      return units.map((u) => (failed(u) ? u : attempt(() => runUnit(addon, engine, good.indexOf(u), u, onRun))));
    } finally {
      addon.unload(engine);
    }
  };
}

type Addon = Awaited<ReturnType<typeof loadHost>>["addon"];

function runUnit(addon: Addon, engine: number, profile: number, u: Unit, onRun: COptions["onRun"]): Outcome {
  onRun?.(u.case.name);
  const inputs = feedsOf(u.case);
  const outputs = outputsOf(u.case, u.compiled.program);
  const sizes = (list: readonly TypedArray[]): number[] => list.map((a) => a.byteLength);
  const data = outputs.map((t) => t.data);
  const context = addon.createContext(engine, profile, u.compiled.program.arenaBytes, sizes(inputs), sizes(data), 1);
  try {
    addon.run(context, inputs, data);
  } finally {
    addon.destroyContext(context);
  }
  return { outputs };
}
