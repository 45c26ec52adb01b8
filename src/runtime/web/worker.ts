/** The program of the worker that runs an engine for a page, and of those that share its runs. */
import { HoneError, must } from "../../util/errors.ts";
import type { TypedArray } from "../../tensor/dtype.ts";
import { allocateOutputs } from "../core/feeds.ts";
import { WasmBackend, type WasmContext, type WasmPlatform } from "../core/wasm/backend.ts";
import { instantiate, WasmEngine, type EngineCall, type ThreadInit } from "../core/wasm/engine.ts";
import { ThreadState } from "../core/wasm/together.ts";
import { WebLane } from "./lane.ts";
import { buffersOf, NOTHING, toFailure, type Answer, type Reply, type Request } from "./protocol.ts";

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
const platform: WasmPlatform = {
  newMemory: (bytes) => new ArrayBuffer(bytes),
  startLane: (thread) => new WebLane(scope, thread),
};

class Host {
  readonly #engine: WasmEngine;
  readonly #backend: WasmBackend;
  readonly #contexts = new Map<number, WasmContext>();

  private constructor(engine: WasmEngine) {
    this.#engine = engine;
    this.#backend = new WasmBackend(engine, platform);
  }

  static async open({ engine, target, threads }: Extract<Request, { readonly kind: "open" }>): Promise<Host> {
    const host = new Host(await WasmEngine.load(engine, target, { shared: threads > 1, threads }));
    await host.#backend.startTeam();
    return host;
  }

  async run({ profile, inputs, outputs: given }: Extract<Request, { readonly kind: "run" }>): Promise<Answer> {
    const outputs = given.length > 0 ? given : allocateOutputs(this.#engine.manifest, profile, platform).map((t) => t.data);
    await this.#run(profile, inputs, outputs);
    return { outputs, inputs };
  }

  place(profile: number): Answer {
    return { ...NOTHING, place: this.#context(profile).place };
  }

  async runInPlace(profile: number): Promise<Answer> {
    await this.#run(profile, [], []);
    return NOTHING;
  }

  /** A run that threads gave up dismissed them: they start again while this one is not blocked. */
  async #run(profile: number, inputs: readonly TypedArray[], outputs: readonly TypedArray[]): Promise<void> {
    try {
      this.#context(profile).run(inputs, outputs);
    } catch (error) {
      await this.#backend.startTeam();
      throw error;
    }
  }

  #context(profile: number): WasmContext {
    const context = this.#contexts.get(profile) ?? this.#backend.createContext(profile);
    this.#contexts.set(profile, context);
    return context;
  }
}

class Helper {
  readonly #call: (call: EngineCall) => void;
  readonly #state: ThreadState;

  constructor(thread: ThreadInit) {
    this.#call = instantiate(thread);
    this.#state = new ThreadState(thread.memory, thread.state);
    this.#state.idle();
  }

  call(call: EngineCall): void {
    try {
      this.#call(call);
    } finally {
      this.#state.idle();
    }
  }
}

let host: Host | undefined;
let helper: Helper | undefined;

async function answer(request: Request): Promise<Answer> {
  if (request.kind === "run") return must(host, "an open engine").run(request);
  if (request.kind === "place") return must(host, "an open engine").place(request.profile);
  if (request.kind === "runInPlace") return must(host, "an open engine").runInPlace(request.profile);
  if (request.kind === "call") {
    must(helper, "a helper").call(request.call);
    return NOTHING;
  }
  if (host !== undefined || helper !== undefined) throw new HoneError("internal", "a worker runs one engine");
  if (request.kind === "help") helper = new Helper(request.thread);
  else host = await Host.open(request);
  return NOTHING;
}

scope.addEventListener("message", ({ data }) => {
  answer(data).then(
    (given) => {
      scope.postMessage({ id: data.id, ...given }, buffersOf(given));
    },
    (error: unknown) => {
      scope.postMessage({ id: data.id, failure: toFailure(error) }, []);
    },
  );
});
