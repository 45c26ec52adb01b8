import type { Manifest, ManifestValue } from "../../engine/format.ts";
import type { TypedArray } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { sized } from "../../tensor/sized.ts";
import type { AnyTensor } from "../../text/tensor.ts";
import { HoneError, must } from "../../util/errors.ts";
import { allocateOutputs, bindFeeds, bindOutputs } from "./feeds.ts";
import { beginHosted, type HostedRun } from "./hosted.ts";
import { ContextPool } from "./pool.ts";
import type { Backend, Feeds, RunOptions, SessionInfo, ValueMetadata } from "./types.ts";

/** Runs an engine with contexts of its own. Errors: `feeds.invalid`, `engine.closed`, `engine.load` without memory for an arena. */
export class Runner {
  readonly manifest: Manifest;
  readonly #pool: ContextPool;
  readonly #memory: Pick<Backend, "newMemory">;
  #closed = false;

  constructor(manifest: Manifest, backend: Backend, limit: number) {
    this.manifest = manifest;
    this.#memory = backend;
    this.#pool = new ContextPool(backend, limit);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Runs the model off the event loop; the answer is fresh tensors by the names of the outputs. The arrays of `feeds` are
   * read until it settles: they must not be changed, transferred or detached before. An output NAME whose size depends on data has a
   * second one, NAME.shape, and is as large as that says; {@link runInto} wants room for the most there can be. Of a model with strings
   * `run<AnyTensor>` says that some of the outputs are such.
   */
  async run<T extends AnyTensor = Tensor>(feeds: Feeds, options: RunOptions = {}): Promise<Record<string, T>> {
    const begun = this.#begin(feeds);
    const { profile, inputs } = this.#bind(begun.feeds);
    const outputs = allocateOutputs(this.manifest, profile, this.#memory);
    await this.#execute(
      profile,
      inputs,
      outputs.map((t) => t.data),
      options,
    );
    return begun.after(this.#byName(outputs)) as Record<string, T>;
  }

  /** The same on this thread, for models so small that the way to another thread would cost more. */
  runSync<T extends AnyTensor = Tensor>(feeds: Feeds): Record<string, T> {
    const begun = this.#begin(feeds);
    const { profile, inputs } = this.#bind(begun.feeds);
    const outputs = allocateOutputs(this.manifest, profile, this.#memory);
    this.#executeNow(
      profile,
      inputs,
      outputs.map((t) => t.data),
    );
    return begun.after(this.#byName(outputs)) as Record<string, T>;
  }

  /** Writes the results into the caller's tensors, all of them, and allocates nothing native. */
  async runInto(feeds: Feeds, outputs: Feeds, options: RunOptions = {}): Promise<void> {
    this.#refuseHosted();
    const bound = this.#bind(feeds);
    await this.#execute(bound.profile, bound.inputs, bindOutputs(this.manifest, bound, outputs), options);
  }

  /** {@link runInto} on this thread. */
  runIntoSync(feeds: Feeds, outputs: Feeds): void {
    this.#refuseHosted();
    const bound = this.#bind(feeds);
    this.#executeNow(bound.profile, bound.inputs, bindOutputs(this.manifest, bound, outputs));
  }

  /** Lets runs that were asked for end, then frees the contexts; later runs throw `engine.closed`. May be called again. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#pool.close();
  }

  #begin(feeds: Feeds): HostedRun {
    const { host, inputs } = this.manifest;
    if (!host || this.#closed) return { feeds, after: (results) => ({ ...results }) };
    return beginHosted(host, inputs, feeds);
  }

  #refuseHosted(): void {
    if (!this.manifest.host) return;
    throw new HoneError("usage", "the model has strings, which runInto cannot write into memory", {
      hint: "Use run, which gives fresh tensors.",
    });
  }

  #bind(feeds: Feeds): ReturnType<typeof bindFeeds> {
    if (this.#closed) {
      throw new HoneError("engine.closed", "the session was closed", { hint: "Open a new one with Session.open." });
    }
    return bindFeeds(this.manifest, feeds);
  }

  async #execute(profile: number, inputs: readonly TypedArray[], outputs: readonly TypedArray[], options: RunOptions): Promise<void> {
    if (options.signal?.aborted) throw new HoneError("aborted", "the run was aborted before it began");
    const context = await this.#pool.acquire(profile, options.signal);
    try {
      await context.runAsync(inputs, outputs);
    } finally {
      this.#pool.release(context);
    }
  }

  #executeNow(profile: number, inputs: readonly TypedArray[], outputs: readonly TypedArray[]): void {
    const context = this.#pool.acquireNow(profile);
    try {
      context.run(inputs, outputs);
    } finally {
      this.#pool.release(context);
    }
  }

  #byName(outputs: readonly Tensor[]): Record<string, Tensor> {
    return sized(Object.fromEntries(this.manifest.outputs.map((value, i) => [value.name, must(outputs[i], "output")])));
  }
}

/** One arena of an engine: its runs go one after another, beside those of other contexts. */
export class ExecutionContext extends Runner {
  /** Keeps the engine loaded. */
  readonly session: SessionCore;

  constructor(session: SessionCore, backend: Backend) {
    super(session.manifest, backend, 1);
    this.session = session;
  }
}

/** A loaded engine, on any platform. Structurally an InferenceSession of ONNX Runtime's JavaScript API. */
export class SessionCore extends Runner {
  readonly info: SessionInfo;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly ValueMetadata[];
  readonly outputMetadata: readonly ValueMetadata[];
  readonly #backend: Backend;
  readonly #contexts = new Set<ExecutionContext>();
  #closing: Promise<void> | undefined;

  constructor(manifest: Manifest, backend: Backend, info: SessionInfo, limit: number) {
    super(manifest, backend, limit);
    this.#backend = backend;
    this.info = info;
    const { inputs, outputs } = manifest.host ?? manifest;
    this.inputNames = inputs.map((v) => v.name);
    this.outputNames = outputs.map((v) => v.name);
    this.inputMetadata = inputs.map(metadata);
    this.outputMetadata = outputs.map(metadata);
  }

  /** A context apart from those that the session's own runs share. */
  createContext(): ExecutionContext {
    if (this.closed) throw new HoneError("engine.closed", "the session was closed", { hint: "Open a new one with Session.open." });
    const context = new ExecutionContext(this, this.#backend);
    this.#contexts.add(context);
    return context;
  }

  /** Lets every run end, then frees contexts, weights and code. May be called again. */
  override close(): Promise<void> {
    this.#closing ??= Promise.all([super.close(), ...[...this.#contexts].map((c) => c.close())]).then(() => {
      this.#backend.close();
    });
    return this.#closing;
  }

  /** ONNX Runtime's name for {@link close}. */
  release(): Promise<void> {
    return this.close();
  }
}

function metadata(value: Pick<ValueMetadata, "name" | "type"> & Pick<ManifestValue, "dims">): ValueMetadata {
  return { name: value.name, isTensor: true, type: value.type, shape: value.dims };
}
