/** What is used of the WebAssembly global, which TypeScript's es2023 library does not declare. */
import { HoneError } from "../../../util/errors.ts";

export interface WasmMemory {
  /** A new object after the memory has grown. */
  readonly buffer: ArrayBufferLike;
  /** By pages; throws RangeError when there is no more. */
  grow(pages: number): number;
}

/** A compiled module; it can be sent to other threads. */
export type WasmModule = object;

export interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}

export type WasmImports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

interface WebAssemblyApi {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  readonly Instance: new (module: WasmModule, imports: WasmImports) => WasmInstance;
  compile(bytes: Uint8Array): Promise<WasmModule>;
  validate(bytes: Uint8Array): boolean;
}

/** Throws `target.unsupported` where there is no WebAssembly. */
export function webAssembly(): WebAssemblyApi {
  const found: unknown = Reflect.get(globalThis, "WebAssembly");
  if (typeof found === "object" && found !== null) return found as WebAssemblyApi;
  throw new HoneError("target.unsupported", "there is no WebAssembly here", {
    hint: "Use Node 20 or newer, or a browser of 2021 or newer.",
  });
}

export const PAGE_BYTES = 65_536;
export const MOST_PAGES = 65_536;
