/** Loop IR as WebAssembly. */
import { DTYPES } from "../../tensor/dtype.ts";
import { intValue } from "../../loop/expr.ts";
import { onStmt } from "../../loop/dispatch.ts";
import { legalize } from "../../loop/legalize/index.ts";
import { rangeOf } from "../../loop/simplify.ts";
import type { Expr, For, Func, Stmt, StmtTable } from "../../loop/types.ts";
import { address } from "./address.ts";
import type { Capabilities } from "../../loop/legalize/capabilities.ts";
import { RELAXED_CAPABILITIES, WASM_CAPABILITIES } from "./capabilities.ts";
import { Emitter, valueType } from "./emitter.ts";
import { emit } from "./expr.ts";
import { hoistAddresses } from "./hoist.ts";
import { storeLanes } from "./lanes.ts";
import { encodeModule, moduleText, type MemoryLimits, type WasmFunction, type WasmModule } from "./module.ts";
import { shareLoads } from "./share-loads.ts";
import { hoistUniform } from "./uniform.ts";
import { unrollLoops } from "./unroll.ts";

export interface WasmOptions {
  /** The memory that the module imports as env.memory; one page without a maximum by default. */
  readonly memory?: MemoryLimits;
  /** Whether relaxed vector instructions may be used. */
  readonly relaxed?: boolean;
}

const STORES: Record<string, string> = {
  float32: "f32.store",
  float64: "f64.store",
  int32: "i32.store",
  uint32: "i32.store",
  int64: "i64.store",
  uint64: "i64.store",
  int8: "i32.store8",
  uint8: "i32.store8",
  bool: "i32.store8",
  int16: "i32.store16",
  uint16: "i32.store16",
};

const body = (m: Emitter, stmts: readonly Stmt[]): void => m.scoped(() => stmts.forEach((s) => onStmt(stmtTable, s, m)));

/** Leaves the end of a loop on the stack: a constant, or a local set before the loop. */
function loopEnd(m: Emitter, to: Expr): () => void {
  const value = intValue(to);
  if (value !== undefined) return () => m.constant("i32", value);
  m.value(to);
  const local = m.newLocal("i32");
  m.set(local);
  return () => m.get(local);
}

/** Tests at the bottom; a test before the first turn where it may fail. */
function forLoop(m: Emitter, s: For): void {
  const end = loopEnd(m, s.to);
  const [from, to] = [rangeOf(s.from, m.ranges), rangeOf(s.to, m.ranges)];
  const always = from.hi < to.lo;
  const v = m.newLocal("i32");
  m.value(s.from);
  m.set(v);
  if (!always) {
    m.get(v);
    end();
    m.op("i32.lt_s");
    m.open("if");
  }
  m.open("loop");
  m.scoped(() => {
    m.vars.set(s.var.name, v);
    m.ranges.set(s.var.name, { lo: from.lo, hi: to.hi - 1 });
    body(m, s.body);
  });
  m.get(v);
  m.constant("i32", s.step);
  m.op("i32.add");
  m.tee(v);
  end();
  m.op("i32.lt_s");
  m.number("br_if", 0);
  m.op("end");
  if (!always) m.op("end");
}

const stmtTable: StmtTable<void, [Emitter]> = {
  for: (s, m) => forLoop(m, s),
  while: (s, m) => {
    m.open("block");
    m.open("loop");
    m.value(s.cond);
    m.op("i32.eqz");
    m.number("br_if", 1);
    body(m, s.body);
    m.number("br", 0);
    m.op("end");
    m.op("end");
  },
  let: (s, m) => {
    m.value(s.value);
    const local = m.newLocal(valueType(s.var.type));
    m.set(local);
    const known = s.mutable ? { lo: -Infinity, hi: Infinity } : rangeOf(s.value, m.ranges);
    const range = m.indices.has(s.var.name) ? { lo: Math.max(0, known.lo), hi: known.hi } : known;
    m.vars.set(s.var.name, local);
    m.ranges.set(s.var.name, range);
  },
  set: (s, m) => {
    m.value(s.value);
    m.set(m.variable(s.var.name));
  },
  store: (s, m) => {
    const offset = address(m, s.buffer, s.index, (e) => m.value(e));
    m.value(s.value);
    if (s.value.type.lanes > 1) storeLanes(m, s.value.type, offset);
    else m.op(STORES[s.buffer.dtype] ?? s.buffer.dtype, { kind: "memory", align: Math.log2(DTYPES[s.buffer.dtype].bytes), offset });
  },
  if: (s, m) => {
    m.value(s.cond);
    m.open("if");
    body(m, s.then);
    if (s.otherwise.length > 0) {
      m.op("else");
      body(m, s.otherwise);
    }
    m.op("end");
  },
  alloc: (s, m) =>
    m.scoped(() => {
      m.bases.set(s.buffer, { kind: "scratch", offset: m.scratch });
      m.scratch += Math.ceil((s.buffer.length * DTYPES[s.buffer.dtype].bytes) / 16) * 16;
      m.scratchPeak = Math.max(m.scratchPeak, m.scratch);
      body(m, s.body);
    }),
  prefetch: () => undefined,
};

/** A kernel's function, and the bytes of scratch memory that it needs. */
export interface PrintedKernel {
  readonly fn: WasmFunction;
  readonly scratch: number;
}

/** Legalises a kernel for the capabilities and prints it. */
export function printKernel(f: Func, capabilities: Capabilities = WASM_CAPABILITIES): PrintedKernel {
  const { func: hoisted, indices } = hoistAddresses(hoistUniform(legalize(unrollLoops(f), capabilities)));
  const legal = shareLoads(hoisted);
  const shared = legal.share ? [legal.share.part, legal.share.parts] : [];
  const m = new Emitter(legal.params, indices, emit, shared);
  body(m, legal.body);
  const params = [...legal.params, ...shared].map((p) => p.name);
  const fn = { name: f.name, params, locals: m.locals, code: m.code, exported: true };
  return { fn, scratch: m.scratchPeak };
}

function moduleOf(funcs: readonly Func[], options: WasmOptions): { readonly module: WasmModule; readonly scratch: number } {
  const lowered = funcs.map((f) => printKernel(f, options.relaxed ? RELAXED_CAPABILITIES : WASM_CAPABILITIES));
  const scratch = Math.max(0, ...lowered.map((l) => l.scratch));
  return { module: { memory: options.memory ?? { initial: 1 }, scratch: scratch > 0, functions: lowered.map((l) => l.fn) }, scratch };
}

export interface WasmBinary {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes from env.scratch on that the kernels use; 0 when the module does not import it. */
  readonly scratchBytes: number;
}

/**
 * A module that exports each kernel under its name, taking the byte addresses of its parameters as i32. It imports
 * env.memory and, when a kernel allocates, env.scratch: the address (i32, 16-byte aligned) of memory that only the instance uses.
 */
export function printWasm(funcs: readonly Func[], options: WasmOptions = {}): WasmBinary {
  const { module, scratch } = moduleOf(funcs, options);
  return { bytes: encodeModule(module), scratchBytes: scratch };
}

/** The same module in the text format. */
export const printWat = (funcs: readonly Func[], options: WasmOptions = {}): string => moduleText(moduleOf(funcs, options).module);
