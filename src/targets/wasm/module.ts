/** Builds a module: kernels that take addresses, one imported memory, and the address of scratch memory. */
import { name, section, unsigned, vector } from "./bytes.ts";
import { encode, instructionText, valueTypeByte, type Instruction, type ValueType } from "./instruction.ts";

export interface WasmFunction {
  readonly name: string;
  /** Names of the parameters, all i32. */
  readonly params: readonly string[];
  /** Types of the locals after the parameters. */
  readonly locals: readonly ValueType[];
  readonly code: readonly Instruction[];
}

export interface MemoryLimits {
  /** In pages of 64 KiB. */
  readonly initial: number;
  readonly maximum?: number;
  /** Memory shared between threads; needs a maximum. */
  readonly shared?: boolean;
}

export interface WasmModule {
  readonly memory: MemoryLimits;
  /** Whether the module imports env.scratch, an immutable i32. */
  readonly scratch: boolean;
  readonly functions: readonly WasmFunction[];
}

const FUNCTION = 0x60;
const [IMPORT_MEMORY, IMPORT_GLOBAL] = [2, 3];

function limits(m: MemoryLimits): number[] {
  const flags = (m.maximum === undefined ? 0 : 1) | (m.shared ? 2 : 0);
  return [flags, ...unsigned(m.initial), ...(m.maximum === undefined ? [] : unsigned(m.maximum))];
}

/** Consecutive locals of one type share an entry. */
function localEntries(types: readonly ValueType[]): number[][] {
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of types) {
    const last = runs[runs.length - 1];
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  return runs.map((r) => [...unsigned(r.count), valueTypeByte(r.type)]);
}

function codeEntry(f: WasmFunction): number[] {
  const body = [...vector(localEntries(f.locals)), ...f.code.flatMap(encode), 0x0b];
  return [...unsigned(body.length), ...body];
}

/** The module in the binary format. */
export function encodeModule(m: WasmModule): Uint8Array<ArrayBuffer> {
  const arities = [...new Set(m.functions.map((f) => f.params.length))];
  const i32 = valueTypeByte("i32");
  const types = arities.map((n) => [FUNCTION, ...unsigned(n), ...new Array<number>(n).fill(i32), 0]);
  const imports = [
    [...name("env"), ...name("memory"), IMPORT_MEMORY, ...limits(m.memory)],
    ...(m.scratch ? [[...name("env"), ...name("scratch"), IMPORT_GLOBAL, i32, 0]] : []),
  ];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(2, vector(imports)),
    ...section(3, vector(m.functions.map((f) => unsigned(arities.indexOf(f.params.length))))),
    ...section(7, vector(m.functions.map((f, i) => [...name(f.name), 0, ...unsigned(i)]))),
    ...section(10, vector(m.functions.map(codeEntry))),
  ]);
}

function functionText(f: WasmFunction): string {
  const params = f.params.map((p) => ` (param $${p} i32)`).join("");
  const locals = f.locals.length > 0 ? `    (local ${f.locals.join(" ")})\n` : "";
  let depth = 2;
  const lines = f.code.map((i) => {
    if (i.op === "end" || i.op === "else") depth--;
    const line = `${"  ".repeat(depth)}${instructionText(i)}\n`;
    if (i.op === "block" || i.op === "loop" || i.op === "if" || i.op === "else") depth++;
    return line;
  });
  return `  (func $${f.name} (export "${f.name}")${params}\n${locals}${lines.join("")}  )\n`;
}

/** The module in the text format, for people and goldens. */
export function moduleText(m: WasmModule): string {
  const { initial, maximum, shared } = m.memory;
  const memory = `  (import "env" "memory" (memory ${initial}${maximum === undefined ? "" : ` ${maximum}`}${shared ? " shared" : ""}))\n`;
  const scratch = m.scratch ? `  (import "env" "scratch" (global i32))\n` : "";
  return `(module\n${memory}${scratch}${m.functions.map(functionText).join("")})\n`;
}
