/** The page's side of a worker that runs an engine. */
import { weightsSection, type Engine, type ManifestTarget } from "../../engine/format.ts";
import type { TypedArray } from "../../tensor/dtype.ts";
import { HoneError } from "../../util/errors.ts";
import type { Backend, BackendContext } from "../core/types.ts";
import { fromFailure, type Reply, type Request } from "./protocol.ts";

/** What is used of a browser's Worker, so that Node's types serve. */
export interface BrowserWorker {
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "error" | "messageerror", listener: (event: { readonly message?: string }) => void): void;
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  terminate(): void;
}

interface Pending {
  readonly resolve: (outputs: readonly TypedArray[]) => void;
  readonly reject: (error: HoneError) => void;
}

const LOAD_HINT =
  "Serve hone's worker from the page's origin, with a bundler that knows new Worker(new URL(…)), or name it with the option worker.";

export class WebBackend implements Backend {
  readonly #worker: BrowserWorker;
  readonly #pending = new Map<number, Pending>();
  #next = 0;
  #failed: HoneError | undefined;

  private constructor(worker: BrowserWorker) {
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

  /** Hands a copy of the target's sections to the worker. Throws `engine.load`, `engine.damaged`. */
  static async open(worker: BrowserWorker, engine: Engine, target: ManifestTarget): Promise<WebBackend> {
    const backend = new WebBackend(worker);
    const wanted = [target.section, weightsSection(target)];
    const sections = new Map([...engine.sections].filter(([name]) => wanted.includes(name)).map(([name, bytes]) => [name, bytes.slice()]));
    try {
      const moved = [...sections.values()].map((bytes) => bytes.buffer);
      await backend.#ask({ kind: "open", id: backend.#next++, engine: { ...engine, sections }, target }, moved);
      return backend;
    } catch (error) {
      backend.close();
      throw error;
    }
  }

  createContext(profile: number): BackendContext {
    return {
      profile,
      run: () => {
        throw new HoneError("usage", "a page cannot wait for its worker: runSync and runIntoSync are not for browsers", {
          hint: "Use run or runInto.",
        });
      },
      runAsync: async (inputs, outputs) => {
        const copies = inputs.map((data) => data.slice());
        const request = { kind: "run", id: this.#next++, profile, inputs: copies } as const;
        const results = await this.#ask(
          request,
          copies.map((data) => data.buffer),
        );
        outputs.forEach((output, i) => {
          copyInto(output, results[i]);
        });
      },
      close: () => undefined,
    };
  }

  newMemory(bytes: number): ArrayBufferLike {
    return new ArrayBuffer(bytes);
  }

  close(): void {
    this.#worker.terminate();
    this.#fail(new HoneError("engine.closed", "the session was closed", { hint: "Open a new one with Session.open." }));
  }

  #ask(request: Request, transfer: ArrayBuffer[]): Promise<readonly TypedArray[]> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#pending.set(request.id, { resolve, reject });
      this.#worker.postMessage(request, transfer);
    });
  }

  #receive(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ("failure" in reply) pending?.reject(fromFailure(reply.failure));
    else pending?.resolve(reply.outputs);
  }

  #fail(error: HoneError): void {
    this.#failed ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

function copyInto(output: TypedArray, result: TypedArray | undefined): void {
  if (result?.byteLength !== output.byteLength) throw new HoneError("internal", "the worker answered in another shape");
  new Uint8Array(output.buffer, output.byteOffset, output.byteLength).set(
    new Uint8Array(result.buffer, result.byteOffset, result.byteLength),
  );
}
