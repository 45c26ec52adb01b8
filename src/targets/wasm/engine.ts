/** The module of an engine: every distinct kernel once, and for each profile the function that calls them in order. */
import type { LoopStep, Pointer, Step } from "../../loop/program.ts";
import type { Func } from "../../loop/types.ts";
import { funcText } from "../../loop/print.ts";
import { sha256 } from "../../util/hash.ts";
import { invariant, must } from "../../util/errors.ts";
import { RELAXED_CAPABILITIES, WASM_CAPABILITIES } from "./capabilities.ts";
import type { Immediate, Instruction, ValueType } from "./instruction.ts";
import { encodeModule, functionBody, moduleText, type WasmFunction, type WasmModule } from "./module.ts";
import { MEET } from "./meet.ts";
import { printKernel } from "./print.ts";

/** The program of one profile. */
export interface WasmProfile {
  readonly calls: readonly { readonly func: Func; readonly pointers: readonly Pointer[] }[];
  readonly steps: readonly Step[];
}

export interface WasmEngineOptions {
  /** Number of an output, one float64 for each call: nanoseconds that the call took. */
  readonly timings?: number;
  /** Whether relaxed vector instructions may be used. */
  readonly relaxed?: boolean;
}

export interface WasmEngine {
  /**
   * A module that imports env.memory, the most pages of which are 65536, and exports
   * hone_run_P(weights, arena, inputs, outputs, part, parts, barrier) for each profile, all i32: addresses, the first two of 64-byte
   * aligned memory, the next two of lists of addresses of tensors; which of how many threads calls, all with the same other
   * arguments; and the address of twelve bytes, zero before the first run, at which they meet: see {@link MEET} for how one of them
   * gives up, whereupon the others return before their work is done. For one thread: 0, 1, anything.
   * It also imports env.scratch, an i32, when scratchBytes is not 0, and env.now, a function giving nanoseconds, when it is timed.
   */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly scratchBytes: number;
  /** Name of the kernel of each call, by profile. */
  readonly names: readonly (readonly string[])[];
  /** The module in the text format. */
  readonly text: () => string;
}

const MOST_PAGES = 65_536;
const NONE: Immediate = { kind: "none" };
const PARAMETERS = ["weights", "arena", "inputs", "outputs", "part", "parts", "barrier"];
const [WEIGHTS, ARENA, INPUTS, OUTPUTS, PART, PARTS, BARRIER] = [0, 1, 2, 3, 4, 5, 6];

const op = (name: string, imm: Immediate = NONE): Instruction => ({ op: name, imm });
const local = (how: "get" | "set", index: number): Instruction => op(`local.${how}`, { kind: "number", value: index });
const i32 = (value: number): Instruction => op("i32.const", { kind: "const", type: "i32", value });

function pointerCode(p: Pointer): readonly Instruction[] {
  if ("index" in p) {
    const list = local("get", p.from === "input" ? INPUTS : OUTPUTS);
    return [list, op("i32.load", { kind: "memory", align: 2, offset: 4 * p.index })];
  }
  const base = local("get", p.from === "weights" ? WEIGHTS : ARENA);
  const mine = p.from === "arena" && p.apart ? [local("get", PART), i32(p.apart), op("i32.mul"), op("i32.add")] : [];
  return [base, ...mine, ...(p.offset === 0 ? [] : [i32(p.offset), op("i32.add")])];
}

/** The code of one profile's run function: its steps, over locals of its own after the parameters. */
class RunCode {
  readonly locals: ValueType[] = [];
  readonly #profile: WasmProfile;
  readonly #functions: readonly number[];
  readonly #timings: number | undefined;
  readonly #meet: number;

  /** `functions` has the number of the function for each call, `meet` that of {@link MEET}. */
  constructor(profile: WasmProfile, functions: readonly number[], meet: number, timings: number | undefined) {
    this.#profile = profile;
    this.#functions = functions;
    this.#meet = meet;
    this.#timings = timings;
  }

  code(): readonly Instruction[] {
    const { calls, steps } = this.#profile;
    if (calls.some((c) => c.func.share)) return this.#shared(steps);
    // Of several threads the first runs what they cannot share.
    if (this.#timings === undefined) return [...FIRST_ALONE, ...this.#steps(steps, undefined), op("end")];
    const [times, before, after] = [this.#local("i32"), this.#local("f64"), this.#local("f64")];
    const clear = calls.flatMap((_, i) => [
      local("get", times),
      op("f64.const", { kind: "const", type: "f64", value: 0 }),
      store("f64", 8 * i),
    ]);
    const start = [...pointerCode({ from: "output", index: this.#timings }), local("set", times), ...clear, NOW, local("set", before)];
    return [...start, ...this.#steps(steps, (call) => timedCode(call, times, before, after))];
  }

  #local(type: ValueType): number {
    return PARAMETERS.length + this.locals.push(type) - 1;
  }

  #steps(steps: readonly Step[], timed: ((call: number) => readonly Instruction[]) | undefined): readonly Instruction[] {
    return steps.flatMap((s) => {
      if (s.kind === "loop") return this.#loop(s, timed);
      if (s.kind === "if") {
        const [then, otherwise] = [this.#steps(s.then, timed), this.#steps(s.otherwise, timed)];
        return [...boolCode(s.cond), op("if", BLOCK), ...then, op("else"), ...otherwise, op("end")];
      }
      return [...this.#call(s.call), ...(timed?.(s.call) ?? [])];
    });
  }

  #call(at: number): readonly Instruction[] {
    const { pointers, func } = must(this.#profile.calls[at], "call");
    const call = op("call", { kind: "number", value: must(this.#functions[at], "function") });
    return [...pointers.flatMap(pointerCode), ...(func.share ? [local("get", PART), local("get", PARTS)] : []), call];
  }

  /** Calls without control flow: threads share some, the first runs the others, and they meet where one needs what another made. */
  #shared(steps: readonly Step[]): readonly Instruction[] {
    const isAlone = (s: Step | undefined): boolean => s?.kind === "call" && this.#profile.calls[s.call]?.func.share === undefined;
    const meet = [local("get", PARTS), local("get", BARRIER), op("call", { kind: "number", value: this.#meet }), LEAVE];
    return steps.flatMap((s, i): readonly Instruction[] => {
      invariant(s.kind === "call", "a shared program is a list of calls");
      if (!isAlone(s)) return [...this.#call(s.call), ...meet];
      const begin = isAlone(steps[i - 1]) ? [] : FIRST_ALONE;
      return [...begin, ...this.#call(s.call), ...(isAlone(steps[i + 1]) ? [] : [op("end"), ...meet])];
    });
  }

  /** A loop that does not end traps. */
  #loop(s: LoopStep, timed: ((call: number) => readonly Instruction[]) | undefined): readonly Instruction[] {
    const [i, n] = [this.#local("i64"), this.#local("i64")];
    const trips = s.tripsAt
      ? [...pointerCode(s.tripsAt), op("i64.load", { kind: "memory", align: 3, offset: 0 })]
      : [i64(s.trips ?? s.limit + 1)];
    const limit = s.trips === undefined ? [local("get", i), i64(s.limit), op("i64.eq"), op("if", BLOCK), op("unreachable"), op("end")] : [];
    const leave = (p: Pointer | undefined, label: number): readonly Instruction[] =>
      p ? [...boolCode(p), op("i32.eqz"), op("br_if", { kind: "number", value: label })] : [];
    return [
      op("block", BLOCK),
      ...leave(s.cond, 0),
      ...trips,
      local("set", n),
      i64(0),
      local("set", i),
      op("loop", BLOCK),
      local("get", i),
      local("get", n),
      op("i64.ge_s"),
      op("br_if", { kind: "number", value: 1 }),
      ...limit,
      ...pointerCode(s.counter),
      local("get", i),
      store("i64", 0),
      ...this.#steps(s.body, timed),
      ...leave(s.next, 1),
      local("get", i),
      i64(1),
      op("i64.add"),
      local("set", i),
      op("br", { kind: "number", value: 0 }),
      op("end"),
      op("end"),
    ];
  }
}

const BLOCK: Immediate = { kind: "result" };
const FIRST_ALONE = [local("get", PART), op("i32.eqz"), op("if", BLOCK)];
/** Out of the function, when another thread gave up. */
const LEAVE = op("br_if", { kind: "number", value: 0 });
const NOW = op("call", { kind: "number", value: 0 });
const i64 = (value: number): Instruction => op("i64.const", { kind: "const", type: "i64", value });
const store = (type: "f64" | "i64", offset: number): Instruction => op(`${type}.store`, { kind: "memory", align: 3, offset });
const boolCode = (p: Pointer): readonly Instruction[] => [...pointerCode(p), op("i32.load8_u", { kind: "memory", align: 0, offset: 0 })];

/** What went by since the last call ended is added to the call's time. */
const timedCode = (i: number, times: number, before: number, after: number): readonly Instruction[] => [
  NOW,
  local("set", after),
  local("get", times),
  local("get", times),
  op("f64.load", { kind: "memory", align: 3, offset: 8 * i }),
  local("get", after),
  local("get", before),
  op("f64.sub"),
  op("f64.add"),
  store("f64", 8 * i),
  local("get", after),
  local("set", before),
];

/** The kernels of an engine as they are first called, equal ones once. */
class Kernels {
  readonly functions: WasmFunction[] = [];
  scratch = 0;
  readonly #options: WasmEngineOptions;
  readonly #byText = new Map<string, number>();
  readonly #byBody = new Map<string, number>();

  constructor(options: WasmEngineOptions) {
    this.#options = options;
  }

  /** Its number among the functions. */
  add(func: Func): number {
    const text = funcText({ ...func, name: "" });
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const { fn, scratch } = printKernel(func, this.#options.relaxed ? RELAXED_CAPABILITIES : WASM_CAPABILITIES);
    this.scratch = Math.max(this.scratch, scratch);
    const key = `${fn.params.length}:${sha256(functionBody(fn))}`;
    const at =
      this.#byBody.get(key) ?? this.functions.push({ ...fn, name: `k_${key.split(":")[1]?.slice(0, 16) ?? ""}`, exported: false }) - 1;
    this.#byBody.set(key, at);
    this.#byText.set(text, at);
    return at;
  }
}

/** Prints an engine. Throws `target.unsupported` for what WebAssembly cannot compute. */
export function printWasmEngine(profiles: readonly WasmProfile[], options: WasmEngineOptions = {}): WasmEngine {
  const { timings } = options;
  const kernels = new Kernels(options);
  const imported = timings === undefined ? 0 : 1;
  const numbers = profiles.map(({ calls }) => calls.map(({ func }) => kernels.add(func)));
  const runs = profiles.map((profile, p): WasmFunction => {
    const run = new RunCode(
      profile,
      (numbers[p] ?? []).map((n) => imported + n),
      imported + kernels.functions.length,
      timings,
    );
    const code = run.code();
    return { name: `hone_run_${p}`, params: PARAMETERS, locals: run.locals, code, exported: true };
  });
  const module: WasmModule = {
    memory: { initial: 0, maximum: MOST_PAGES },
    scratch: kernels.scratch > 0,
    clock: timings !== undefined,
    functions: [...kernels.functions, MEET, ...runs],
  };
  return {
    bytes: encodeModule(module),
    scratchBytes: kernels.scratch,
    names: numbers.map((list) => list.map((n) => must(kernels.functions[n], "kernel").name)),
    text: () => moduleText(module),
  };
}
