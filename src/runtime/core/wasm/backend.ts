import { invariant, must } from "../../../util/errors.ts";
import type { TypedArray } from "../../../tensor/dtype.ts";
import type { Backend, BackendContext } from "../types.ts";
import { instantiate, trapped, type ContextMemory, type EngineCall, type SharedPlace, type ThreadInit, type WasmEngine } from "./engine.ts";
import type { ThreadState } from "./together.ts";

/** A thread beside this one that runs calls, one at a time, and keeps the word of its state. */
export interface Lane {
  run(call: EngineCall): Promise<void>;
  /** Settles when the thread has started; absent where this thread can block until then. */
  readonly ready?: Promise<void>;
  close(): void;
}

/** What differs between Node and browsers. */
export interface WasmPlatform {
  /** Absent where calls can only run on this thread. */
  readonly startLane?: (init: ThreadInit) => Lane;
  newMemory(bytes: number): ArrayBufferLike;
}

type Calls = readonly [EngineCall, ...EngineCall[]];

/** A thread that shares the runs of this one. */
interface Helper {
  readonly lane: Lane;
  readonly state: ThreadState;
}

/** An engine's WebAssembly. All contexts and threads share one memory, the weights in it; every run off this thread has a thread. */
export class WasmBackend implements Backend {
  readonly #engine: WasmEngine;
  readonly #platform: WasmPlatform;
  readonly #contexts = new Set<WasmContext>();
  readonly #idle: Lane[] = [];
  readonly #lanes = new Set<Lane>();
  #here: ((call: EngineCall) => void) | undefined;
  #team: readonly Helper[] = [];

  constructor(engine: WasmEngine, platform: WasmPlatform) {
    this.#engine = engine;
    this.#platform = platform;
  }

  /** Starts the threads that share this one's runs: for platforms on which they do not start while it is blocked. */
  async startTeam(): Promise<void> {
    const others = this.#engine.threads - 1;
    if (this.#team.length < others) this.#team = Array.from({ length: others }, () => this.#newHelper());
    await Promise.all(this.#team.map(({ lane }) => lane.ready ?? Promise.resolve()));
  }

  createContext(profile: number): WasmContext {
    const context = new WasmContext(this.#engine, profile, {
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

  /** This thread waits for its helpers in the engine's code, not for what they answer. */
  #runHere([mine, ...others]: Calls): void {
    this.#here ??= instantiate(this.#engine.takeThread());
    try {
      if (this.#team.length < others.length) this.#team = others.map(() => this.#newHelper());
      this.#team.forEach(({ lane, state }, i) => {
        state.waitForStart();
        state.waitForEnd();
        state.busy();
        lane.run(must(others[i], "call")).catch(() => undefined);
      });
      this.#here(mine);
      if (this.#engine.gaveUp(mine)) throw trapped("in a thread that shares the run");
    } catch (error) {
      this.#dismissTeam(mine);
      throw error;
    }
  }

  /** The next run gets new threads, whatever state these are in. */
  #dismissTeam(call: EngineCall): void {
    this.#engine.giveUp(call);
    for (const { state } of this.#team) state.waitForEnd();
    this.#engine.clear(call);
    for (const { lane } of this.#team) if (this.#lanes.delete(lane)) lane.close();
    this.#team = [];
  }

  async #runAway(calls: Calls): Promise<void> {
    if (this.#platform.startLane === undefined) {
      this.#runHere(calls);
      return;
    }
    const lanes = calls.map(() => this.#idle.pop() ?? this.#newHelper().lane);
    const runs = lanes.map((lane, i) => lane.run(must(calls[i], "call")));
    try {
      await Promise.all(runs);
      this.#idle.push(...lanes.filter((lane) => this.#lanes.has(lane)));
    } catch (error) {
      this.#engine.giveUp(calls[0]);
      await Promise.allSettled(runs);
      this.#engine.clear(calls[0]);
      for (const lane of lanes) if (this.#lanes.delete(lane)) lane.close();
      throw error;
    }
  }

  #newHelper(): Helper {
    const { startLane } = this.#platform;
    invariant(startLane, "a run is shared where threads can be started");
    const thread = this.#engine.takeThread();
    const lane = startLane(thread);
    this.#lanes.add(lane);
    return { lane, state: this.#engine.stateOf(thread) };
  }
}

interface Runners {
  readonly runHere: (calls: Calls) => void;
  readonly runAway: (calls: Calls) => Promise<void>;
  readonly closed: () => void;
}

export class WasmContext implements BackendContext {
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

  /** Where the arrays of a run lie that is handed none. Throws `internal` where one thread runs alone. */
  get place(): SharedPlace {
    return this.#engine.placeOf(this.#memory);
  }

  close(): void {
    if (this.#open) this.#engine.giveContext(this.#memory);
    this.#open = false;
    this.#runners.closed();
  }
}
