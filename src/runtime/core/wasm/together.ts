/** How the threads of a run know of each other outside of the engine's code: words of the memory that they share. */
import { HoneError, invariant } from "../../../util/errors.ts";
import type { WasmMemory } from "./api.ts";

/** Words of a barrier, as the engine's code has them (targets/wasm/meet.ts). */
const [CAME, MET, GAVE_UP] = [0, 1, 2];
const BARRIER_WORDS = 3;

/** A thread is starting, waits for a call, runs one, or could not start. */
const [STARTING, IDLE, BUSY, FAILED] = [0, 1, 2, 3];

/** Starting a thread takes milliseconds; on a machine that is busy with other work, seconds. */
const PATIENCE_MS = 30_000;

const words = (memory: WasmMemory, at: number, count: number): Int32Array => new Int32Array(memory.buffer, at, count);

/** Makes a barrier fit for the next run after one that was given up. Not while a thread is in that one. */
export function clearBarrier(memory: WasmMemory, at: number): void {
  const barrier = words(memory, at, BARRIER_WORDS);
  Atomics.store(barrier, CAME, 0);
  Atomics.store(barrier, GAVE_UP, 0);
}

/** Lets the other threads of a run go that this one cannot finish. */
export function giveUp(memory: WasmMemory, at: number): void {
  const barrier = words(memory, at, BARRIER_WORDS);
  Atomics.store(barrier, GAVE_UP, 1);
  Atomics.add(barrier, MET, 1);
  Atomics.notify(barrier, MET);
}

export const gaveUp = (memory: WasmMemory, at: number): boolean => Atomics.load(words(memory, at, BARRIER_WORDS), GAVE_UP) === 1;

/** How far a thread is, in a word of its own. */
export class ThreadState {
  readonly #word: Int32Array;

  constructor(memory: WasmMemory, at: number) {
    this.#word = words(memory, at, 1);
  }

  starting(): void {
    this.#set(STARTING);
  }

  idle(): void {
    this.#set(IDLE);
  }

  busy(): void {
    this.#set(BUSY);
  }

  failed(): void {
    this.#set(FAILED);
  }

  /** Blocks until the thread can take a call. Throws `engine.load` when it does not start. */
  waitForStart(): void {
    const state = this.#waitWhile(STARTING);
    if (state === IDLE || state === BUSY) return;
    throw new HoneError(
      "engine.load",
      state === FAILED ? "a thread to share the run could not start" : `a thread to share the run did not start in ${PATIENCE_MS / 1000} s`,
      { hint: "Open the engine with fewer threads." },
    );
  }

  /** Blocks until the thread is out of its call: then memory that it wrote to can have another use. */
  waitForEnd(): void {
    invariant(this.#waitWhile(BUSY) !== BUSY, "a thread that was told to give up does not");
  }

  #set(state: number): void {
    Atomics.store(this.#word, 0, state);
    Atomics.notify(this.#word, 0);
  }

  #waitWhile(state: number): number {
    Atomics.wait(this.#word, 0, state, PATIENCE_MS);
    return Atomics.load(this.#word, 0);
  }
}
