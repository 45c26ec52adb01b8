/** The page's side of a worker that runs an engine. */
import { weightsSection, type Engine, type ManifestTarget } from "../../engine/format.ts";
import type { TypedArray } from "../../tensor/dtype.ts";
import { HoneError } from "../../util/errors.ts";
import type { Backend, BackendContext } from "../core/types.ts";
import { buffersOf, NOTHING, type Answer } from "./protocol.ts";
import { WorkerLine, type BrowserWorker } from "./line.ts";

export class WebBackend implements Backend {
  readonly #line: WorkerLine;

  private constructor(line: WorkerLine) {
    this.#line = line;
  }

  /** Hands a copy of the target's sections to the worker. Throws `engine.load`, `engine.damaged`. */
  static async open(worker: BrowserWorker, engine: Engine, target: ManifestTarget, threads: number): Promise<WebBackend> {
    const line = new WorkerLine(worker);
    const wanted = [target.section, weightsSection(target)];
    const sections = new Map([...engine.sections].filter(([name]) => wanted.includes(name)).map(([name, bytes]) => [name, bytes.slice()]));
    try {
      const moved = [...sections.values()].map((bytes) => bytes.buffer);
      await line.ask({ kind: "open", engine: { ...engine, sections }, target, threads }, moved);
      return new WebBackend(line);
    } catch (error) {
      line.close();
      throw error;
    }
  }

  createContext(profile: number): BackendContext {
    let last: Answer = NOTHING;
    return {
      profile,
      run: () => {
        throw new HoneError("usage", "a page cannot wait for its worker: runSync and runIntoSync are not for browsers", {
          hint: "Use run or runInto.",
        });
      },
      runAsync: async (inputs, outputs) => {
        const copies = inputs.map((data, i) => copyOf(data, last.inputs[i]));
        const question = { kind: "run", profile, inputs: copies, outputs: last.outputs } as const;
        last = NOTHING;
        const answer = await this.#line.ask(question, buffersOf(question));
        outputs.forEach((output, i) => {
          copyInto(output, answer.outputs[i]);
        });
        last = answer;
      },
      close: () => undefined,
    };
  }

  newMemory(bytes: number): ArrayBufferLike {
    return new ArrayBuffer(bytes);
  }

  close(): void {
    this.#line.close();
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

/** In the memory of `spare` where that fits, as it does from the second run of a context on. */
function copyOf(data: TypedArray, spare: Uint8Array<ArrayBuffer> | undefined): Uint8Array<ArrayBuffer> {
  const copy = spare?.byteLength === data.byteLength ? spare : new Uint8Array(data.byteLength);
  copy.set(bytesOf(data));
  return copy;
}

function copyInto(output: TypedArray, result: TypedArray | undefined): void {
  if (result?.byteLength !== output.byteLength) throw new HoneError("internal", "the worker answered in another shape");
  bytesOf(output).set(bytesOf(result));
}
