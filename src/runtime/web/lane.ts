/** A worker beside the one that runs an engine: the same program, which shares runs. */
import type { Lane } from "../core/wasm/backend.ts";
import type { EngineCall, ThreadInit } from "../core/wasm/engine.ts";
import { WorkerLine, type BrowserWorker } from "./line.ts";

/** Of a worker's global scope. Not spelled as bundlers look for it: the program is the one that runs here. */
interface Scope {
  readonly Worker: new (url: string, options: { type: "module" | "classic"; name: string }) => BrowserWorker;
  readonly location: { readonly href: string };
  importScripts(): void;
}

/** Some bundlers make a classic script of the worker's module; only in those can scripts be imported. */
function kindOf(scope: Scope): "module" | "classic" {
  try {
    scope.importScripts();
    return "classic";
  } catch {
    return "module";
  }
}

export class WebLane implements Lane {
  readonly ready: Promise<void>;
  readonly #line: WorkerLine;

  constructor(scope: object, thread: ThreadInit) {
    const here = scope as Scope;
    this.#line = new WorkerLine(new here.Worker(here.location.href, { type: kindOf(here), name: "hone" }));
    this.ready = this.#ask({ kind: "help", thread });
  }

  run(call: EngineCall): Promise<void> {
    return this.#ask({ kind: "call", call });
  }

  close(): void {
    this.#line.close();
  }

  async #ask(question: Parameters<WorkerLine["ask"]>[0]): Promise<void> {
    await this.#line.ask(question);
  }
}
