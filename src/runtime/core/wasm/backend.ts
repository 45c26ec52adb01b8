import { must } from "../../../util/errors.ts";
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
  /** Those that help this thread. */
  #team: readonly Lane[] = [];

  constructor(engine: WasmEngine, platform: WasmPlatform) {
    this.#engine = engine;
    this.#platform = platform;
  }

  createContext(profile: number): BackendContext {
    const context: WasmContext = new WasmContext(this.#engine, profile, {
      runHere: (calls) => {
        this.#runHere(calls);
      },
      runAway: (calls) => this.#runAway(calls),
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
    this.#team = [];
    this.#here = undefined;
  }

  /** This thread waits for its helpers at the end of the code, not for what they answer. */
  #runHere([mine, ...others]: readonly [EngineCall, ...EngineCall[]]): void {
    this.#here ??= instantiate(this.#engine.takeThread());
    if (this.#team.length < others.length) this.#team = others.flatMap(() => this.#newLane() ?? []);
    this.#team.forEach((lane, i) => {
      const call = others[i];
      if (call) lane.run(call).catch(() => undefined);
    });
    this.#here(mine);
  }

  async #runAway(calls: readonly [EngineCall, ...EngineCall[]]): Promise<void> {
    const lanes = calls.flatMap(() => this.#idle.pop() ?? this.#newLane() ?? []);
    if (lanes.length < calls.length) {
      this.#runHere(calls);
      return;
    }
    try {
      await Promise.all(lanes.map((lane, i) => lane.run(must(calls[i], "call"))));
      this.#idle.push(...lanes.filter((lane) => this.#lanes.has(lane)));
    } catch (error) {
      // Whatever state their threads are in, the next run gets new ones.
      for (const lane of lanes) if (this.#lanes.delete(lane)) lane.close();
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
  readonly runHere: (calls: readonly [EngineCall, ...EngineCall[]]) => void;
  readonly runAway: (calls: readonly [EngineCall, ...EngineCall[]]) => Promise<void>;
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
    this.#runners.runHere(this.#engine.callsOf(this.#memory));
    this.#engine.read(this.#memory.outputs, outputs);
  }

  async runAsync(inputs: readonly TypedArray[], outputs: readonly TypedArray[]): Promise<void> {
    this.#engine.write(this.#memory.inputs, inputs);
    await this.#runners.runAway(this.#engine.callsOf(this.#memory));
    this.#engine.read(this.#memory.outputs, outputs);
  }

  close(): void {
    if (this.#open) this.#engine.giveContext(this.#memory);
    this.#open = false;
    this.#runners.closed();
  }
}
