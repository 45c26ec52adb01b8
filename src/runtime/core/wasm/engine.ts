/** An engine's WebAssembly with its weights in linear memory. */
import { arenaBytesOf, weightsSection, type Engine, type Manifest, type ManifestTarget } from "../../../engine/format.ts";
import type { TypedArray } from "../../../tensor/dtype.ts";
import { HoneError, must } from "../../../util/errors.ts";
import { endless } from "../endless.ts";
import { byteSizes } from "../feeds.ts";
import { MOST_PAGES, PAGE_BYTES, webAssembly, type WasmMemory, type WasmModule } from "./api.ts";
import { Regions } from "./regions.ts";
import { withSharedMemory } from "./share.ts";

/** Where the memory of a context lies: addresses. */
export interface ContextMemory {
  readonly profile: number;
  readonly arena: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Lists of the addresses, as the code wants them. */
  readonly inputList: number;
  readonly outputList: number;
  /** Where the threads of a run meet. */
  readonly barrier: number;
}

/** What a thread needs to run the engine; it can be sent to another thread when the memory is shared. */
export interface ThreadInit {
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  /** Memory that only this thread uses. */
  readonly scratch: number;
}

/** Name and arguments of the exported function. */
export interface EngineCall {
  readonly run: string;
  readonly args: readonly number[];
}

export interface WasmEngineOptions {
  /** Whether other threads may use the memory. */
  readonly shared: boolean;
  /** How many share a run; more than one only of shared memory. */
  readonly threads?: number;
}

const ALIGNMENT = 64;
const align = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;
const ADDRESS_BYTES = 4;

export class WasmEngine {
  readonly manifest: Manifest;
  readonly #target: ManifestTarget;
  readonly #module: WasmModule;
  readonly #memory: WasmMemory;
  readonly #regions: Regions;
  readonly #weights: number;
  readonly #threads: number;

  private constructor(
    { manifest, target, threads }: { readonly manifest: Manifest; readonly target: ManifestTarget; readonly threads: number },
    module: WasmModule,
    memory: WasmMemory,
    weights: Uint8Array,
  ) {
    this.#threads = threads;
    this.manifest = manifest;
    this.#target = target;
    this.#module = module;
    this.#memory = memory;
    this.#regions = new Regions(memory);
    this.#weights = this.#regions.take(weights.length);
    new Uint8Array(memory.buffer, this.#weights, weights.length).set(weights);
  }

  /** Compiles the code and copies the weights. Throws `engine.load`, `engine.damaged`. */
  static async load(engine: Engine, target: ManifestTarget, options: WasmEngineOptions): Promise<WasmEngine> {
    const code = must(engine.sections.get(target.section), `section ${target.section}`);
    const weights = engine.sections.get(weightsSection(target)) ?? new Uint8Array(0);
    const api = webAssembly();
    try {
      const module = await api.compile(options.shared ? withSharedMemory(code) : code);
      const initial = Math.ceil((align(weights.length) + ALIGNMENT) / PAGE_BYTES);
      const memory = new api.Memory({ initial, maximum: MOST_PAGES, shared: options.shared });
      return new WasmEngine({ manifest: engine.manifest, target, threads: options.threads ?? 1 }, module, memory, weights);
    } catch (cause) {
      if (cause instanceof HoneError) throw cause;
      throw new HoneError("engine.load", `the engine's WebAssembly could not be loaded: ${messageOf(cause)}`, {
        hint: "Rebuild the engine with `hone build --target wasm`, or close other sessions if there is no memory.",
        cause,
      });
    }
  }

  takeContext(profile: number): ContextMemory {
    const { inputs, outputs, profiles } = this.manifest;
    const shapes = must(profiles[profile], "profile");
    const sizes = [...byteSizes(inputs, shapes.inputs), ...byteSizes(outputs, shapes.outputs)];
    const lists = align(ADDRESS_BYTES * sizes.length) + ALIGNMENT;
    const more = (this.#threads - 1) * (this.#target.threadBytes ?? 0);
    const arenaBytes = arenaBytesOf(this.manifest, this.#target, profile) + more;
    const from = this.#regions.take(lists + sizes.reduce((n, size) => n + align(size), 0) + align(arenaBytes));
    let next = from + lists;
    const addresses = sizes.map((size) => {
      const address = next;
      next += align(size);
      return address;
    });
    const barrier = from + lists - ALIGNMENT;
    new Uint32Array(this.#memory.buffer, from, addresses.length).set(addresses);
    new Uint32Array(this.#memory.buffer, barrier, 2).fill(0);
    return {
      profile,
      arena: next,
      inputs: addresses.slice(0, inputs.length),
      outputs: addresses.slice(inputs.length),
      inputList: from,
      outputList: from + ADDRESS_BYTES * inputs.length,
      barrier,
    };
  }

  giveContext(context: ContextMemory): void {
    this.#regions.give(context.inputList);
  }

  /** What each of the threads that share a run calls, side by side. */
  callsOf(context: ContextMemory): readonly [EngineCall, ...EngineCall[]] {
    const common = [this.#weights, context.arena, context.inputList, context.outputList];
    const part = (i: number): EngineCall => ({
      run: `hone_run_${context.profile}`,
      args: [...common, i, this.#threads, context.barrier],
    });
    return [part(0), ...Array.from({ length: this.#threads - 1 }, (_, i) => part(i + 1))];
  }

  write(addresses: readonly number[], arrays: readonly TypedArray[]): void {
    arrays.forEach((array, i) => {
      this.#bytes(addresses[i], array.byteLength).set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    });
  }

  read(addresses: readonly number[], arrays: readonly TypedArray[]): void {
    arrays.forEach((array, i) => {
      new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(this.#bytes(addresses[i], array.byteLength));
    });
  }

  /** Memory for one more thread. */
  takeThread(): ThreadInit {
    return { module: this.#module, memory: this.#memory, scratch: this.#regions.take(this.#target.scratchBytes ?? 0) };
  }

  giveThread(thread: ThreadInit): void {
    this.#regions.give(thread.scratch);
  }

  #bytes(address: number | undefined, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, must(address, "address"), length);
  }
}

/** Runs calls on this thread. Throws `engine.load` when the module wants what hone's do not. */
export function instantiate({ module, memory, scratch }: ThreadInit): (call: EngineCall) => void {
  const { Instance } = webAssembly();
  const now = (): number => performance.now() * 1e6;
  let exports: Readonly<Record<string, unknown>>;
  try {
    ({ exports } = new Instance(module, { env: { memory, scratch, now } }));
  } catch (cause) {
    throw new HoneError("engine.load", `the engine's WebAssembly could not be started: ${messageOf(cause)}`, { cause });
  }
  return ({ run, args }) => {
    const f = exports[run];
    if (typeof f !== "function") throw new HoneError("engine.load", `the engine's WebAssembly has no ${run}`, { hint: "Rebuild it." });
    try {
      Reflect.apply(f, undefined, args);
    } catch (cause) {
      throw trapped(cause);
    }
  };
}

/** A trap in an engine's code is a loop that does not end, a bug of hone's, or the engine was made by someone else. */
export const trapped = (cause: unknown): HoneError =>
  messageOf(cause).includes("unreachable")
    ? endless(cause)
    : new HoneError("internal", `the engine's WebAssembly trapped: ${messageOf(cause)}`, { cause });

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
