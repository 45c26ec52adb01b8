/** The program of the worker that runs an engine for a page. */
import { HoneError, must } from "../../util/errors.ts";
import type { TypedArray } from "../../tensor/dtype.ts";
import { allocateOutputs } from "../core/feeds.ts";
import type { BackendContext } from "../core/types.ts";
import { WasmBackend } from "../core/wasm/backend.ts";
import { WasmEngine } from "../core/wasm/engine.ts";
import { toFailure, type Reply, type Request } from "./protocol.ts";

/** What is used of a worker's global scope. */
interface Scope {
  addEventListener(type: "message", listener: (event: { readonly data: Request }) => void): void;
  postMessage(reply: Reply, transfer: readonly ArrayBufferLike[]): void;
}

function isScope(global: object): global is Scope {
  return "addEventListener" in global && "postMessage" in global;
}

/** Throws `internal` where there is no page to answer. */
function workerScope(): Scope {
  const global: object = globalThis;
  if (isScope(global)) return global;
  throw new HoneError("internal", "this is the program of a worker, and was started as another");
}

const scope = workerScope();
const memory = { newMemory: (bytes: number): ArrayBufferLike => new ArrayBuffer(bytes) };

class Host {
  readonly #engine: WasmEngine;
  readonly #backend: WasmBackend;
  readonly #contexts = new Map<number, BackendContext>();

  constructor(engine: WasmEngine) {
    this.#engine = engine;
    this.#backend = new WasmBackend(engine, memory);
  }

  run(profile: number, inputs: readonly TypedArray[]): readonly TypedArray[] {
    const context = this.#contexts.get(profile) ?? this.#backend.createContext(profile);
    this.#contexts.set(profile, context);
    const outputs = allocateOutputs(this.#engine.manifest, profile, memory).map((t) => t.data);
    context.run(inputs, outputs);
    return outputs;
  }
}

let host: Host | undefined;

async function answer(request: Request): Promise<readonly TypedArray[]> {
  if (request.kind === "run") return must(host, "an open engine").run(request.profile, request.inputs);
  if (host !== undefined) throw new HoneError("internal", "a worker runs one engine");
  host = new Host(await WasmEngine.load(request.engine, request.target, { shared: false }));
  return [];
}

scope.addEventListener("message", ({ data }) => {
  answer(data).then(
    (outputs) => {
      scope.postMessage(
        { id: data.id, outputs },
        outputs.map((o) => o.buffer),
      );
    },
    (error: unknown) => {
      scope.postMessage({ id: data.id, failure: toFailure(error) }, []);
    },
  );
});
