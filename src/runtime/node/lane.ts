/** A worker thread that runs an engine's WebAssembly off the event loop. */
import { Worker } from "node:worker_threads";
import { HoneError } from "../../util/errors.ts";
import type { Lane, WasmPlatform } from "../core/wasm/backend.ts";
import { trapped, type EngineCall, type ThreadInit } from "../core/wasm/engine.ts";

/**
 * As text and not a file, so that it is there however hone was bundled. It answers undefined, or what was thrown. What it does with
 * the word of its state and with the barrier is what core/wasm/together.ts describes.
 */
const PROGRAM = `
const { parentPort, workerData } = require("node:worker_threads");
const { module, memory, scratch, state } = workerData;
const [IDLE, FAILED, MET, GAVE_UP] = [1, 3, 1, 2];
const say = (now) => {
  const word = new Int32Array(memory.buffer, state, 1);
  Atomics.store(word, 0, now);
  Atomics.notify(word, 0);
};
const giveUp = (at) => {
  const barrier = new Int32Array(memory.buffer, at, 3);
  Atomics.store(barrier, GAVE_UP, 1);
  Atomics.add(barrier, MET, 1);
  Atomics.notify(barrier, MET);
};
const env = { memory, scratch, now: () => performance.now() * 1e6 };
let exports;
try {
  ({ exports } = new WebAssembly.Instance(module, { env }));
} catch (error) {
  say(FAILED);
  throw error;
}
say(IDLE);
parentPort.on("message", ({ run, args, barrier }) => {
  let failure;
  try {
    exports[run](...args);
  } catch (error) {
    if (barrier !== undefined) giveUp(barrier);
    failure = String(error);
  }
  say(IDLE);
  parentPort.postMessage(failure);
});
`;

interface Pending {
  readonly resolve: () => void;
  readonly reject: (error: HoneError) => void;
}

class WorkerLane implements Lane {
  readonly #worker: Worker;
  #pending: Pending | undefined;

  constructor(init: ThreadInit) {
    // Loaders of the program around it, such as those of a test runner, are not for this thread.
    this.#worker = new Worker(PROGRAM, { eval: true, workerData: init, execArgv: [], name: "hone" });
    this.#worker.unref();
    this.#worker.on("message", (failure: string | undefined) => {
      this.#settle(failure === undefined ? undefined : trapped(failure));
    });
    this.#worker.on("error", (cause) => {
      this.#settle(new HoneError("engine.load", `the engine's thread failed: ${cause.message}`, { cause }));
    });
    this.#worker.on("exit", () => {
      this.#settle(new HoneError("engine.closed", "the engine's thread ended"));
    });
  }

  run(call: EngineCall): Promise<void> {
    // The process stays while a run is under way, and only then.
    this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#worker.postMessage(call);
    });
  }

  close(): void {
    void this.#worker.terminate();
  }

  #settle(failure: HoneError | undefined): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#worker.unref();
    if (failure === undefined) pending?.resolve();
    else pending?.reject(failure);
  }
}

export const nodePlatform: WasmPlatform = {
  startLane: (init) => new WorkerLane(init),
  newMemory: (bytes) => Buffer.allocUnsafeSlow(bytes).buffer,
};
