/** Builds a module: kernels that take addresses, one imported memory, and the address of scratch memory. */
import { name, section, unsigned, vector } from "./bytes.ts";
import { encode, instructionText, valueTypeByte, type Instruction, type ValueType } from "./instruction.ts";

export interface WasmFunction {
  readonly name: string;
  /** Names of the parameters, all i32. */
  readonly params: readonly string[];
  /** Whether it returns an i32; nothing otherwise. */
  readonly answers?: boolean;
  /** Types of the locals after the parameters. */
  readonly locals: readonly ValueType[];
  readonly code: readonly Instruction[];
  /** Whether the module exports it. */
  readonly exported: boolean;
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
  /** Whether the module imports env.now, a function that gives a float64; it is function 0 then. */
  readonly clock?: boolean;
  readonly functions: readonly WasmFunction[];
}

const FUNCTION = 0x60;
const [IMPORT_FUNCTION, IMPORT_MEMORY, IMPORT_GLOBAL] = [0, 2, 3];

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

/** Collects bytes without a copy for each part. */
class Bytes {
  #bytes = new Uint8Array(65_536);
  #size = 0;

  push(part: readonly number[] | Uint8Array): void {
    if (this.#size + part.length > this.#bytes.length) {
      const wider = new Uint8Array(2 * (this.#size + part.length));
      wider.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = wider;
    }
    this.#bytes.set(part, this.#size);
    this.#size += part.length;
  }

  whole(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#size);
  }
}

/** The body of a function: locals and code, without its length. Equal functions have equal bodies. */
export function functionBody(f: Pick<WasmFunction, "locals" | "code">): Uint8Array<ArrayBuffer> {
  const out = new Bytes();
  out.push(vector(localEntries(f.locals)));
  for (const i of f.code) out.push(encode(i));
  out.push([END]);
  return out.whole();
}

const END = 0x0b;

/** The module in the binary format. env.memory is its first import. */
export function encodeModule(m: WasmModule): Uint8Array<ArrayBuffer> {
  const i32 = valueTypeByte("i32");
  const typeOf = (f: WasmFunction): readonly number[] => {
    const n = f.params.length;
    return [FUNCTION, ...unsigned(n), ...new Array<number>(n).fill(i32), ...(f.answers ? [1, i32] : [0])];
  };
  const types = [...new Map(m.functions.map((f) => [String(typeOf(f)), typeOf(f)])).values()];
  const keys = types.map(String);
  const clockType = [FUNCTION, 0, 1, valueTypeByte("f64")];
  const imports = [
    [...name("env"), ...name("memory"), IMPORT_MEMORY, ...limits(m.memory)],
    ...(m.scratch ? [[...name("env"), ...name("scratch"), IMPORT_GLOBAL, i32, 0]] : []),
    ...(m.clock ? [[...name("env"), ...name("now"), IMPORT_FUNCTION, ...unsigned(types.length)]] : []),
  ];
  const first = m.clock ? 1 : 0;
  const exported = m.functions.flatMap((f, i) => (f.exported ? [[...name(f.name), 0, ...unsigned(first + i)]] : []));
  const bodies = m.functions.map(functionBody);
  const code = new Bytes();
  code.push(unsigned(bodies.length));
  for (const body of bodies) {
    code.push(unsigned(body.length));
    code.push(body);
  }
  const out = new Bytes();
  out.push([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  out.push(section(1, vector(m.clock ? [...types, clockType] : types)));
  out.push(section(2, vector(imports)));
  out.push(section(3, vector(m.functions.map((f) => unsigned(keys.indexOf(String(typeOf(f))))))));
  out.push(section(7, vector(exported)));
  const codeBytes = code.whole();
  out.push([CODE_SECTION, ...unsigned(codeBytes.length)]);
  out.push(codeBytes);
  return out.whole();
}

const CODE_SECTION = 10;

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
  return `  (func $${f.name}${f.exported ? ` (export "${f.name}")` : ""}${params}${f.answers ? " (result i32)" : ""}\n${locals}${lines.join("")}  )\n`;
}

/** The module in the text format, for people and goldens. */
export function moduleText(m: WasmModule): string {
  const { initial, maximum, shared } = m.memory;
  const memory = `  (import "env" "memory" (memory ${initial}${maximum === undefined ? "" : ` ${maximum}`}${shared ? " shared" : ""}))\n`;
  const scratch = m.scratch ? `  (import "env" "scratch" (global i32))\n` : "";
  const clock = m.clock ? `  (import "env" "now" (func $now (result f64)))\n` : "";
  return `(module\n${memory}${scratch}${clock}${m.functions.map(functionText).join("")})\n`;
}
