/** The module of an engine: every distinct kernel once, and for each profile the function that calls them in order. */
import type { Func } from "../../loop/types.ts";
import { funcText } from "../../loop/print.ts";
import { sha256 } from "../../util/hash.ts";
import { must } from "../../util/errors.ts";
import { RELAXED_CAPABILITIES, WASM_CAPABILITIES } from "./capabilities.ts";
import type { Immediate, Instruction } from "./instruction.ts";
import { encodeModule, functionBody, moduleText, type WasmFunction, type WasmModule } from "./module.ts";
import { printKernel } from "./print.ts";

/** Where the pointer of a kernel's parameter comes from. */
export type WasmPointer =
  { readonly from: "input" | "output"; readonly index: number } | { readonly from: "weights" | "arena"; readonly offset: number };

/** The calls of one profile. */
export interface WasmProfile {
  readonly calls: readonly { readonly func: Func; readonly pointers: readonly WasmPointer[] }[];
}

export interface WasmEngineOptions {
  /** Number of an output, one float64 for each call: nanoseconds that the call took. */
  readonly timings?: number;
  /** Whether relaxed vector instructions may be used. */
  readonly relaxed?: boolean;
}

export interface WasmEngine {
  /**
   * A module that imports env.memory, the most pages of which are 65536, and exports hone_run_P(weights, arena, inputs, outputs)
   * for each profile: all i32 addresses, the first two of 64-byte aligned memory, the last two of lists of addresses of tensors.
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
const [WEIGHTS, ARENA, INPUTS, OUTPUTS] = [0, 1, 2, 3];

const op = (name: string, imm: Immediate = NONE): Instruction => ({ op: name, imm });
const local = (how: "get" | "set", index: number): Instruction => op(`local.${how}`, { kind: "number", value: index });
const i32 = (value: number): Instruction => op("i32.const", { kind: "const", type: "i32", value });

function pointerCode(p: WasmPointer): readonly Instruction[] {
  if ("index" in p) {
    const list = local("get", p.from === "input" ? INPUTS : OUTPUTS);
    return [list, op("i32.load", { kind: "memory", align: 2, offset: 4 * p.index })];
  }
  const base = local("get", p.from === "weights" ? WEIGHTS : ARENA);
  return p.offset === 0 ? [base] : [base, i32(p.offset), op("i32.add")];
}

/** Locals of a timed run function, after its four parameters. */
const [TIMES, BEFORE, AFTER] = [4, 5, 6];
const NOW = op("call", { kind: "number", value: 0 });

const timedCode = (i: number): readonly Instruction[] => [
  NOW,
  local("set", AFTER),
  local("get", TIMES),
  local("get", AFTER),
  local("get", BEFORE),
  op("f64.sub"),
  op("f64.store", { kind: "memory", align: 3, offset: 8 * i }),
  local("get", AFTER),
  local("set", BEFORE),
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
  const runs = profiles.map(({ calls }, p): WasmFunction => {
    const start =
      timings === undefined ? [] : [...pointerCode({ from: "output", index: timings }), local("set", TIMES), NOW, local("set", BEFORE)];
    const code = calls.flatMap(({ pointers }, i): readonly Instruction[] => [
      ...pointers.flatMap(pointerCode),
      op("call", { kind: "number", value: imported + (numbers[p]?.[i] ?? 0) }),
      ...(timings === undefined ? [] : timedCode(i)),
    ]);
    return {
      name: `hone_run_${p}`,
      params: ["weights", "arena", "inputs", "outputs"],
      locals: timings === undefined ? [] : ["i32", "f64", "f64"],
      code: [...start, ...code],
      exported: true,
    };
  });
  const module: WasmModule = {
    memory: { initial: 0, maximum: MOST_PAGES },
    scratch: kernels.scratch > 0,
    clock: timings !== undefined,
    functions: [...kernels.functions, ...runs],
  };
  return {
    bytes: encodeModule(module),
    scratchBytes: kernels.scratch,
    names: numbers.map((list) => list.map((n) => must(kernels.functions[n], "kernel").name)),
    text: () => moduleText(module),
  };
}
