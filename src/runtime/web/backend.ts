/** The page's side of a worker that runs an engine. */
import { weightsSection, type Engine, type ManifestTarget } from "../../engine/format.ts";
import { HoneError } from "../../util/errors.ts";
import type { Backend, BackendContext } from "../core/types.ts";
import { MovedArrays, SharedArrays, type Exchange } from "./exchange.ts";
import { WorkerLine, type BrowserWorker } from "./line.ts";

export class WebBackend implements Backend {
  readonly #line: WorkerLine;
  /** Whether the worker's memory is the page's too. */
  readonly #shares: boolean;
  /** By profile. */
  readonly #shared = new Map<number, SharedArrays>();

  private constructor(line: WorkerLine, shares: boolean) {
    this.#line = line;
    this.#shares = shares;
  }

  /** Hands a copy of the target's sections to the worker. Throws `engine.load`, `engine.damaged`. */
  static async open(worker: BrowserWorker, engine: Engine, target: ManifestTarget, threads: number): Promise<WebBackend> {
    const line = new WorkerLine(worker);
    const wanted = [target.section, weightsSection(target)];
    const sections = new Map([...engine.sections].filter(([name]) => wanted.includes(name)).map(([name, bytes]) => [name, bytes.slice()]));
    try {
      const moved = [...sections.values()].map((bytes) => bytes.buffer);
      await line.ask({ kind: "open", engine: { ...engine, sections }, target, threads }, moved);
      return new WebBackend(line, threads > 1);
    } catch (error) {
      line.close();
      throw error;
    }
  }

  createContext(profile: number): BackendContext {
    const exchange = this.#exchange(profile);
    return {
      profile,
      run: () => {
        throw new HoneError("usage", "a page cannot wait for its worker: runSync and runIntoSync are not for browsers", {
          hint: "Use run or runInto.",
        });
      },
      runAsync: (inputs, outputs) => exchange.run(inputs, outputs),
      close: () => undefined,
    };
  }

  #exchange(profile: number): Exchange {
    if (!this.#shares) return new MovedArrays(this.#line, profile);
    const exchange = this.#shared.get(profile) ?? new SharedArrays(this.#line, profile);
    this.#shared.set(profile, exchange);
    return exchange;
  }

  newMemory(bytes: number): ArrayBufferLike {
    return new ArrayBuffer(bytes);
  }

  close(): void {
    this.#line.close();
  }
}
