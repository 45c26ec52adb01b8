import { arenaBytesOf, weightsSection, type Engine, type Manifest, type ManifestTarget } from "../../engine/format.ts";
import type { TypedArray } from "../../tensor/dtype.ts";
import { HoneError, must } from "../../util/errors.ts";
import { byteSizes } from "../core/feeds.ts";
import { endless } from "../core/endless.ts";
import type { Backend, BackendContext } from "../core/types.ts";
import { hashOf, isRefusedFolder, messageOf, unpack, type Host, type HostAddon, type NativeStats } from "./host.ts";

interface Loading {
  readonly host: Host;
  readonly engine: Engine;
  readonly target: ManifestTarget;
  readonly threads: number;
  /** The engine's bytes are nobody else's: its weights may be moved out of them. */
  readonly given: boolean;
}

/** Up to here, in bytes, a Buffer costs more than zeros do. */
const SMALL = 16384;

/** An engine's shared object, loaded through host.node. Weights and code are shared by all threads of the process. */
export class NativeBackend implements Backend {
  readonly loadedFrom: "file" | "memory";
  readonly #addon: HostAddon;
  readonly #manifest: Manifest;
  readonly #target: ManifestTarget;
  readonly #threads: number;
  readonly #contexts = new Set<NativeContext>();
  #engine: number | undefined;

  private constructor(
    addon: HostAddon,
    { manifest, target, threads }: Pick<Loading, "target" | "threads"> & { readonly manifest: Manifest },
    engine: number,
    loadedFrom: "file" | "memory",
  ) {
    this.#threads = threads;
    this.#addon = addon;
    this.#manifest = manifest;
    this.#target = target;
    this.#engine = engine;
    this.loadedFrom = loadedFrom;
  }

  /** Unpacks and loads one code section; each run is shared by up to `threads` threads. Throws `engine.load`. */
  static async load({ host, engine, target, threads, given }: Loading): Promise<NativeBackend> {
    const { addon, folder } = host;
    const kind = { manifest: engine.manifest, target, threads };
    const { section } = target;
    const code = must(engine.sections.get(section), `section ${section}`);
    const weights = engine.sections.get(weightsSection(target)) ?? new Uint8Array(0);
    const key = `${engine.sha256}:${section}`.slice(0, 250);
    const load = (source: string | Uint8Array): number => addon.load(key, source, weights, engine.manifest.profiles.length, given ? 1 : 0);
    try {
      const sha256 = hashOf(code);
      const path = await unpack(folder, `${sha256}.so`, code, sha256);
      return new NativeBackend(addon, kind, load(path), "file");
    } catch (error) {
      if (!isRefusedFolder(error)) throw translate(error);
    }
    try {
      return new NativeBackend(addon, kind, load(code), "memory");
    } catch (error) {
      throw translate(error);
    }
  }

  createContext(profile: number): BackendContext {
    const { inputs, outputs, profiles } = this.#manifest;
    const shapes = must(profiles[profile], "profile");
    const engine = must(this.#engine, "a loaded engine");
    const sizes = [byteSizes(inputs, shapes.inputs), byteSizes(outputs, shapes.outputs)] as const;
    const more = (this.#threads - 1) * (this.#target.scratchBytes ?? 0);
    const arenaBytes = arenaBytesOf(this.#manifest, this.#target, profile) + more;
    const handle = native(() => this.#addon.createContext(engine, profile, arenaBytes, ...sizes, this.#threads));
    const context = new NativeContext(this.#addon, handle, profile, () => this.#contexts.delete(context));
    this.#contexts.add(context);
    return context;
  }

  /** Large memory neither zeroed nor mapped anew each time, which for a megabyte costs as much as a small layer. */
  newMemory(bytes: number): ArrayBufferLike {
    if (bytes <= SMALL) return new ArrayBuffer(bytes);
    return Buffer.allocUnsafeSlow(bytes).buffer;
  }

  close(): void {
    for (const context of this.#contexts) context.close();
    if (this.#engine !== undefined) this.#addon.unload(this.#engine);
    this.#engine = undefined;
  }

  stats(): NativeStats {
    return this.#addon.stats();
  }
}

class NativeContext implements BackendContext {
  readonly profile: number;
  readonly #addon: HostAddon;
  readonly #onClose: () => void;
  #handle: number | undefined;

  constructor(addon: HostAddon, handle: number, profile: number, onClose: () => void) {
    this.#addon = addon;
    this.#handle = handle;
    this.profile = profile;
    this.#onClose = onClose;
  }

  run(inputs: readonly TypedArray[], outputs: readonly TypedArray[]): void {
    native(() => this.#addon.run(must(this.#handle, "a living context"), inputs, outputs));
  }

  async runAsync(inputs: readonly TypedArray[], outputs: readonly TypedArray[]): Promise<void> {
    try {
      await this.#addon.runAsync(must(this.#handle, "a living context"), inputs, outputs);
    } catch (error) {
      throw translate(error);
    }
  }

  close(): void {
    if (this.#handle !== undefined) this.#addon.destroyContext(this.#handle);
    this.#handle = undefined;
    this.#onClose();
  }
}

function native<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw translate(error);
  }
}

/** The host's errors have short codes; two of them are not bugs of hone's own. */
function translate(error: unknown): unknown {
  if (error instanceof HoneError) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const cause = messageOf(error);
  if (code === "memory") {
    return new HoneError("engine.load", `not enough memory: ${cause}`, {
      cause: error,
      hint: "Close other sessions, or use fewer contexts.",
    });
  }
  if (code === "load" || isRefusedFolder(error)) {
    return new HoneError("engine.load", `the engine's code could not be loaded: ${cause}`, {
      cause: error,
      hint: "Rebuild the engine on this machine; where folders are mounted noexec, set HONE_CACHE to one that is not.",
    });
  }
  if (code === "engine") return endless(error);
  return new HoneError("internal", `the native host refused a call: ${cause}`, { cause: error });
}
