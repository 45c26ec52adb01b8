/** An engine's WebAssembly with its weights in linear memory. */
import { arenaBytesOf, weightsSection, type Engine, type Manifest, type ManifestTarget } from "../../../engine/format.ts";
import type { TypedArray } from "../../../tensor/dtype.ts";
import { HoneError, invariant, must } from "../../../util/errors.ts";
import { endless } from "../endless.ts";
import { byteSizes } from "../feeds.ts";
import { MOST_PAGES, PAGE_BYTES, webAssembly, type WasmMemory, type WasmModule } from "./api.ts";
import { Regions } from "./regions.ts";
import { withSharedMemory } from "./share.ts";
import { clearBarrier, gaveUp, giveUp, ThreadState } from "./together.ts";

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

/** Where a context's arrays lie in memory that another thread can reach too. */
export interface SharedPlace {
  readonly buffer: ArrayBufferLike;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/** What a thread needs to run the engine; it can be sent to another thread when the memory is shared. */
export interface ThreadInit {
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  /** Memory that only this thread uses. */
  readonly scratch: number;
  /** Address of the word that says how far the thread is: see {@link ThreadState}. */
  readonly state: number;
}

/** Name and arguments of the exported function; where the threads of the run meet, when there are several. */
export interface EngineCall {
  readonly run: string;
  readonly args: readonly number[];
  readonly barrier: number | undefined;
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
  /** How many share a run. */
  readonly threads: number;

  private constructor(
    { manifest, target, threads }: { readonly manifest: Manifest; readonly target: ManifestTarget; readonly threads: number },
    module: WasmModule,
    memory: WasmMemory,
    weights: Uint8Array,
  ) {
    this.threads = threads;
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
    const more = (this.threads - 1) * (this.#target.threadBytes ?? 0);
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
    new Uint32Array(this.#memory.buffer, barrier, ALIGNMENT / 4).fill(0);
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

  /** Throws `internal` when the memory is not shared. */
  placeOf({ inputs, outputs }: ContextMemory): SharedPlace {
    invariant(this.threads > 1, "memory is shared between threads");
    return { buffer: this.#memory.buffer, inputs, outputs };
  }

  giveContext(context: ContextMemory): void {
    this.#regions.give(context.inputList);
  }

  /** What each of the threads that share a run calls, side by side. */
  callsOf(context: ContextMemory): readonly [EngineCall, ...EngineCall[]] {
    const common = [this.#weights, context.arena, context.inputList, context.outputList];
    const part = (i: number): EngineCall => ({
      run: `hone_run_${context.profile}`,
      args: [...common, i, this.threads, context.barrier],
      barrier: this.threads > 1 ? context.barrier : undefined,
    });
    return [part(0), ...Array.from({ length: this.threads - 1 }, (_, i) => part(i + 1))];
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

  /** Whether a thread gave up the run that was called so. */
  gaveUp({ barrier }: EngineCall): boolean {
    return barrier !== undefined && gaveUp(this.#memory, barrier);
  }

  /** Makes the other threads of a run return. */
  giveUp({ barrier }: EngineCall): void {
    if (barrier !== undefined) giveUp(this.#memory, barrier);
  }

  /** After a run that was given up, once no thread is in it any more. */
  clear({ barrier }: EngineCall): void {
    if (barrier !== undefined) clearBarrier(this.#memory, barrier);
  }

  stateOf(thread: ThreadInit): ThreadState {
    return new ThreadState(this.#memory, thread.state);
  }

  /** Memory for one more thread. */
  takeThread(): ThreadInit {
    const state = this.#regions.take(ALIGNMENT + (this.#target.scratchBytes ?? 0));
    const thread = { module: this.#module, memory: this.#memory, scratch: state + ALIGNMENT, state };
    this.stateOf(thread).starting();
    return thread;
  }

  giveThread(thread: ThreadInit): void {
    this.#regions.give(thread.state);
  }

  #bytes(address: number | undefined, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, must(address, "address"), length);
  }
}

/** Runs calls on this thread; one that traps lets the other threads of its run go. Throws `engine.load` when the module wants what hone's do not. */
export function instantiate({ module, memory, scratch }: ThreadInit): (call: EngineCall) => void {
  const { Instance } = webAssembly();
  const now = (): number => performance.now() * 1e6;
  let exports: Readonly<Record<string, unknown>>;
  try {
    ({ exports } = new Instance(module, { env: { memory, scratch, now } }));
  } catch (cause) {
    throw new HoneError("engine.load", `the engine's WebAssembly could not be started: ${messageOf(cause)}`, { cause });
  }
  return ({ run, args, barrier }) => {
    const f = exports[run];
    if (typeof f !== "function") throw new HoneError("engine.load", `the engine's WebAssembly has no ${run}`, { hint: "Rebuild it." });
    try {
      Reflect.apply(f, undefined, args);
    } catch (cause) {
      if (barrier !== undefined) giveUp(memory, barrier);
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
