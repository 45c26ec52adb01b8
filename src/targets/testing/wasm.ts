/** Runs kernels of a printed module in the WebAssembly of this JavaScript engine. */
import { DTYPES, type TypedArray } from "../../tensor/dtype.ts";
import { invariant } from "../../util/errors.ts";
import type { Func } from "../../loop/types.ts";
import { printWasmEngine, type WasmProfile } from "../wasm/engine.ts";
import { printWasm } from "../wasm/print.ts";

/** What is used of the WebAssembly global, which TypeScript's es2023 library does not declare. */
interface WebAssemblyApi {
  readonly Memory: new (limits: { initial: number; maximum?: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
}

function api(): WebAssemblyApi {
  const found: unknown = Reflect.get(globalThis, "WebAssembly");
  invariant(found, "an engine with WebAssembly");
  return found as WebAssemblyApi;
}

/** Time that this process computed: unlike the clock's, it does not count that others were computing. */
const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const PAGE = 65536;
const align = (n: number): number => Math.ceil(n / 16) * 16;

export interface Loaded {
  /** Calls a kernel with one array for each parameter; all are written back. */
  readonly call: (name: string, args: readonly TypedArray[]) => void;
  /** Calls the kernel repeatedly on memory that stays in place; gives the processor seconds of the fastest of `rounds`. */
  readonly time: (name: string, args: readonly TypedArray[], repeats: number, rounds: number) => number;
}

/** Compiles and instantiates kernels. */
export function loadWasm(funcs: readonly Func[]): Loaded {
  const { Memory, Module, Instance } = api();
  const { bytes, scratchBytes } = printWasm(funcs);
  const needed = funcs.map((f) => f.params.reduce((n, p) => n + align(p.length * DTYPES[p.dtype].bytes), 0));
  const memory = new Memory({ initial: Math.ceil((16 + scratchBytes + Math.max(0, ...needed)) / PAGE) });
  const { exports } = new Instance(new Module(bytes), { env: { memory, scratch: 16 } });
  const place = (args: readonly TypedArray[]): number[] => {
    let next = align(16 + scratchBytes);
    return args.map((a) => {
      const address = next;
      next += align(a.byteLength);
      new Uint8Array(memory.buffer, address, a.byteLength).set(new Uint8Array(a.buffer, a.byteOffset, a.byteLength));
      return address;
    });
  };
  const kernel = (name: string): ((...addresses: number[]) => void) => {
    const f = exports[name];
    invariant(typeof f === "function", `exported kernel ${name}`);
    return f as (...addresses: number[]) => void;
  };
  const back = (args: readonly TypedArray[], addresses: readonly number[]): void =>
    args.forEach((a, i) =>
      new Uint8Array(a.buffer, a.byteOffset, a.byteLength).set(new Uint8Array(memory.buffer, addresses[i], a.byteLength)),
    );
  return {
    call: (name, args) => {
      const addresses = place(args);
      kernel(name)(...addresses);
      back(args, addresses);
    },
    time: (name, args, repeats, rounds) => {
      const addresses = place(args);
      const f = kernel(name);
      let best = Infinity;
      for (let r = 0; r < rounds; r++) {
        const start = cpuSeconds();
        for (let i = 0; i < repeats; i++) f(...addresses);
        best = Math.min(best, (cpuSeconds() - start) / repeats);
      }
      back(args, addresses);
      return best;
    },
  };
}

const bytesOf = (a: TypedArray): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);

/** Prints a program and runs it once. */
export function runWasmProgram(
  program: WasmProfile,
  arenaBytes: number,
  weights: Uint8Array,
  inputs: readonly TypedArray[],
  outputs: readonly TypedArray[],
): void {
  const { Memory, Module, Instance } = api();
  const { bytes, scratchBytes } = printWasmEngine([program]);
  let end = 64;
  const take = (size: number): number => {
    const at = end;
    end += Math.ceil(size / 64) * 64;
    return at;
  };
  const tensors = [...inputs, ...outputs];
  const [lists, weightsAt, scratch, arena] = [take(4 * tensors.length), take(weights.length), take(scratchBytes), take(arenaBytes)];
  const addresses = tensors.map((a) => take(a.byteLength));
  const memory = new Memory({ initial: Math.ceil(end / PAGE), maximum: PAGE });
  const part = (at: number, length: number): Uint8Array => new Uint8Array(memory.buffer, at, length);
  part(weightsAt, weights.length).set(weights);
  tensors.forEach((a, i) => {
    part(addresses[i] ?? 0, a.byteLength).set(bytesOf(a));
  });
  new Uint32Array(memory.buffer, lists, tensors.length).set(addresses);
  const run = new Instance(new Module(bytes), { env: { memory, scratch } }).exports["hone_run_0"];
  invariant(typeof run === "function", "a run function");
  Reflect.apply(run, undefined, [weightsAt, arena, lists, lists + 4 * inputs.length, 0, 1, 0]);
  outputs.forEach((a, i) => {
    bytesOf(a).set(part(addresses[inputs.length + i] ?? 0, a.byteLength));
  });
}
