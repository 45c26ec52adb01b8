/** A worker that is asked and answers, in any order. */
import { HoneError } from "../../util/errors.ts";
import { fromFailure, type Answer, type Question, type Reply } from "./protocol.ts";

/** What is used of a browser's Worker, so that Node's types serve. */
export interface BrowserWorker {
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "error" | "messageerror", listener: (event: { readonly message?: string }) => void): void;
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  terminate(): void;
}

interface Pending {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: HoneError) => void;
}

const LOAD_HINT =
  "Serve hone's worker from the page's origin, with a bundler that knows new Worker(new URL(…)), or name it with the option worker.";

export class WorkerLine {
  readonly #worker: BrowserWorker;
  readonly #pending = new Map<number, Pending>();
  #next = 0;
  #failed: HoneError | undefined;

  constructor(worker: BrowserWorker) {
    this.#worker = worker;
    worker.addEventListener("message", ({ data }) => {
      this.#receive(data as Reply);
    });
    const failed = ({ message }: { readonly message?: string }): void => {
      this.#fail(new HoneError("engine.load", `the engine's worker failed: ${message || "it could not be loaded"}`, { hint: LOAD_HINT }));
    };
    worker.addEventListener("error", failed);
    worker.addEventListener("messageerror", failed);
  }

  /** Moves what is in `transfer`. Throws what the worker answers, `engine.load` when there is none, `engine.closed` after close(). */
  ask(question: Question, transfer: ArrayBuffer[] = []): Promise<Answer> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ...question }, transfer);
    });
  }

  close(): void {
    this.#worker.terminate();
    this.#fail(new HoneError("engine.closed", "the session was closed", { hint: "Open a new one with Session.open." }));
  }

  #receive(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ("failure" in reply) pending?.reject(fromFailure(reply.failure));
    else pending?.resolve(reply);
  }

  #fail(error: HoneError): void {
    this.#failed ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
