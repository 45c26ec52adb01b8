import type { TypedArray } from "../../tensor/dtype.ts";
import type { AnyType } from "../../text/tensor.ts";

/**
 * What run() takes for an input: a hone tensor, or a tensor of ONNX Runtime's JavaScript API. `data` is checked to be the
 * typed array of `type`, or for `string` an array of strings; float16 and bfloat16 come as raw bits in a Uint16Array, bool as 0 and 1 in a Uint8Array.
 */
export interface FeedTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

/** Tensors by the names of inputs, or of outputs. */
export type Feeds = Readonly<Record<string, FeedTensor>>;

/** What is known about an input or output before a run; a string in `shape` is a dim that the profile decides. */
export interface ValueMetadata {
  readonly name: string;
  readonly isTensor: true;
  readonly type: AnyType;
  readonly shape: readonly (number | string)[];
}

export interface RunOptions {
  /** Takes the run back while it still waits for a context. A run that has begun is finished. */
  readonly signal?: AbortSignal | undefined;
}

/** Where an engine's code runs: native, or WebAssembly. */
export interface Backend {
  /** Memory for one run at a time of that profile. Throws `engine.load` when there is none. */
  createContext(profile: number): BackendContext;
  /** Memory for an output, which a run writes whole: what is in it before does not matter. */
  newMemory(bytes: number): ArrayBufferLike;
  /** Frees everything, contexts too. May be called again. */
  close(): void;
}

/** One arena. Arrays come in the order of the manifest, with exactly its sizes. */
export interface BackendContext {
  readonly profile: number;
  run(inputs: readonly TypedArray[], outputs: readonly TypedArray[]): void;
  runAsync(inputs: readonly TypedArray[], outputs: readonly TypedArray[]): Promise<void>;
  close(): void;
}

/** What a session runs on, and why that. */
export interface SessionInfo {
  /** SHA-256 of the engine file. */
  readonly engine: string;
  /** Section of the code that runs, such as `so:x86_64-linux-avx2` or `wasm:simd128`. */
  readonly target: string;
  /** `x86_64-linux` */
  readonly platform: string;
  /** What the CPU has; for WebAssembly, the proposals that the engine of JavaScript knows. */
  readonly features: readonly string[];
  /** How many may share a run. */
  readonly threads: number;
  /** In words. */
  readonly why: string;
  /** Better targets of the file that this machine cannot run. */
  readonly rejected: readonly { readonly target: string; readonly why: string }[];
  /** The code was mapped from a file in the cache, or from memory: WebAssembly, and where no folder may hold code. */
  readonly loadedFrom: "file" | "memory";
}
