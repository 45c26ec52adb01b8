import type { TypedArray } from "../../../tensor/dtype.ts";
import type { Backend, BackendContext } from "../types.ts";
import { instantiate, type ContextMemory, type EngineCall, type ThreadInit, type WasmEngine } from "./engine.ts";

/** A thread beside this one that runs calls, one at a time. */
export interface Lane {
  run(call: EngineCall): Promise<void>;
  close(): void;
}

/** What differs between Node and browsers. */
export interface WasmPlatform {
  /** Absent where calls can only run on this thread. */
  readonly startLane?: (init: ThreadInit) => Lane;
  newMemory(bytes: number): ArrayBufferLike;
}

/** An engine's WebAssembly. All contexts and threads share one memory, the weights in it; every run off this thread has a thread. */
export class WasmBackend implements Backend {
  readonly #engine: WasmEngine;
  readonly #platform: WasmPlatform;
  readonly #contexts = new Set<WasmContext>();
  readonly #idle: Lane[] = [];
  readonly #lanes = new Set<Lane>();
  #here: ((call: EngineCall) => void) | undefined;

  constructor(engine: WasmEngine, platform: WasmPlatform) {
    this.#engine = engine;
    this.#platform = platform;
  }

  createContext(profile: number): BackendContext {
    const context: WasmContext = new WasmContext(this.#engine, profile, {
      runHere: (call) => {
        this.#here ??= instantiate(this.#engine.takeThread());
        this.#here(call);
      },
      runAway: (call) => this.#runAway(call),
      closed: () => this.#contexts.delete(context),
    });
    this.#contexts.add(context);
    return context;
  }

  newMemory(bytes: number): ArrayBufferLike {
    return this.#platform.newMemory(bytes);
  }

  close(): void {
    for (const context of this.#contexts) context.close();
    for (const lane of this.#lanes) lane.close();
    this.#lanes.clear();
    this.#idle.length = 0;
    this.#here = undefined;
  }

  async #runAway(call: EngineCall): Promise<void> {
    const lane = this.#idle.pop() ?? this.#newLane();
    if (lane === undefined) {
      this.#here ??= instantiate(this.#engine.takeThread());
      this.#here(call);
      return;
    }
    try {
      await lane.run(call);
      if (this.#lanes.has(lane)) this.#idle.push(lane);
    } catch (error) {
      // Whatever state its thread is in, the next run gets a new one.
      if (this.#lanes.delete(lane)) lane.close();
      throw error;
    }
  }

  #newLane(): Lane | undefined {
    const lane = this.#platform.startLane?.(this.#engine.takeThread());
    if (lane !== undefined) this.#lanes.add(lane);
    return lane;
  }
}

interface Runners {
  readonly runHere: (call: EngineCall) => void;
  readonly runAway: (call: EngineCall) => Promise<void>;
  readonly closed: () => void;
}

class WasmContext implements BackendContext {
  readonly profile: number;
  readonly #engine: WasmEngine;
  readonly #runners: Runners;
  readonly #memory: ContextMemory;
  #open = true;

  constructor(engine: WasmEngine, profile: number, runners: Runners) {
    this.profile = profile;
    this.#engine = engine;
    this.#runners = runners;
    this.#memory = engine.takeContext(profile);
  }

  run(inputs: readonly TypedArray[], outputs: readonly TypedArray[]): void {
    this.#engine.write(this.#memory.inputs, inputs);
    this.#runners.runHere(this.#engine.callOf(this.#memory));
    this.#engine.read(this.#memory.outputs, outputs);
  }

  async runAsync(inputs: readonly TypedArray[], outputs: readonly TypedArray[]): Promise<void> {
    this.#engine.write(this.#memory.inputs, inputs);
    await this.#runners.runAway(this.#engine.callOf(this.#memory));
    this.#engine.read(this.#memory.outputs, outputs);
  }

  close(): void {
    if (this.#open) this.#engine.giveContext(this.#memory);
    this.#open = false;
    this.#runners.closed();
  }
}
