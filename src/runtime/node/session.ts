import { availableParallelism } from "node:os";
import { hostSection, platformName, type Engine, type Manifest } from "../../engine/format.ts";
import { readEngine } from "../../engine/read.ts";
import { HoneError } from "../../util/errors.ts";
import { countOf, MOST_THREADS } from "../core/count.ts";
import { selectTarget, targetsFor, wasmTargets } from "../core/select.ts";
import { SessionCore } from "../core/session.ts";
import type { Backend, SessionInfo } from "../core/types.ts";
import { WasmBackend } from "../core/wasm/backend.ts";
import { WasmEngine } from "../core/wasm/engine.ts";
import { wasmFeatures } from "../core/wasm/features.ts";
import { NativeBackend } from "./backend.ts";
import { readEngineFile } from "./file.ts";
import { hashOf, loadHost, type NativeStats } from "./host.ts";
import { nodePlatform } from "./lane.ts";

export interface OpenOptions {
  /**
   * An engine with native code is a program; `never` runs its WebAssembly. By default native code is allowed for a path and not
   * for bytes, which may come from anywhere: the hash in the file says that it is whole, not that it can be trusted.
   */
  readonly native?: "allow" | "never";
  /** How many runs go at once; each needs an arena. The default is the number of cores, at most 4. */
  readonly contexts?: number;
  /**
   * How many threads share one run, 1 (the default) to 64. The results are the same to the bit. There is one team of threads in a
   * process: while one run has it, others run on their own thread alone; WebAssembly has a team of its own for each run.
   */
  readonly threads?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Frees what a session held when it is forgotten without close(). */
const forgotten = new FinalizationRegistry<Backend>((backend) => {
  backend.close();
});

interface Loaded {
  readonly backend: Backend;
  readonly info: SessionInfo;
}

const NO_NATIVE: NativeStats = { allocations: 0, bytesAlive: 0, engines: 0, contexts: 0, runs: 0 };

/** An engine that is loaded and can be run. */
export class Session extends SessionCore {
  readonly #backend: Backend;

  private constructor(manifest: Manifest, { backend, info }: Loaded, contexts: number) {
    super(manifest, backend, info, contexts);
    this.#backend = backend;
    forgotten.register(this, backend, this);
  }

  /**
   * Opens a .hone file by its path, or from its bytes: its native code where that is allowed and fits this machine, otherwise its
   * WebAssembly; `info` tells which and why. Version, hash, platform and CPU features are checked before any code of the file is
   * run. Throws `engine.damaged`, `engine.version`, `engine.cpu`, `engine.load`, `file.*`, `aborted`.
   */
  static async open(source: string | Uint8Array, options: OpenOptions = {}): Promise<Session> {
    const contexts = countOf("contexts", options.contexts ?? Math.min(4, availableParallelism()), 1024);
    const threads = countOf("threads", options.threads ?? 1, MOST_THREADS);
    const file = typeof source === "string" ? source : undefined;
    const engine = typeof source === "string" ? await readEngineFile(source, options.signal) : readEngine(source, { hash: hashOf });
    const loaded = await loadBest(engine, options.native ?? (file === undefined ? "never" : "allow"), file, threads);
    if (options.signal?.aborted) {
      loaded.backend.close();
      throw new HoneError("aborted", "opening the engine was aborted");
    }
    return new Session(engine.manifest, loaded, contexts);
  }

  /** What the native host allocated, over all sessions of the process; zeros when WebAssembly runs the engine. */
  nativeStats(): NativeStats {
    return this.#backend instanceof NativeBackend ? this.#backend.stats() : NO_NATIVE;
  }

  override close(): Promise<void> {
    forgotten.unregister(this);
    return super.close();
  }
}

type Rejected = SessionInfo["rejected"];

/** The best target of the file that can run here. */
async function loadBest(engine: Engine, native: "allow" | "never", file: string | undefined, threads: number): Promise<Loaded> {
  const { targets } = engine.manifest;
  const hasWasm = targets.some((t) => t.kind === "wasm");
  const hasNative = targets.some((t) => t.kind === "so");
  if (native === "never") return loadWasm(engine, file, threads, hasNative ? "native code was not allowed" : "the file has no native code");
  if (!hasNative && hasWasm) return loadWasm(engine, file, threads, "the file has no native code");
  try {
    return await loadNative(engine, file, threads);
  } catch (error) {
    if (!hasWasm || !(error instanceof HoneError) || (error.code !== "engine.cpu" && error.code !== "engine.load")) throw error;
    const rejected = targets.filter((t) => t.kind === "so").map((t) => ({ target: t.section, why: error.message }));
    return loadWasm(engine, file, threads, "the file's native code does not run here", rejected);
  }
}

const platform = platformName(process.arch, process.platform);

async function loadWasm(
  engine: Engine,
  file: string | undefined,
  threads: number,
  reason: string,
  refused: Rejected = [],
): Promise<Loaded> {
  const features = wasmFeatures();
  const { target, why, rejected } = selectTarget(wasmTargets(engine.manifest, file), features, file);
  const backend = new WasmBackend(await WasmEngine.load(engine, target, { shared: true, threads }), nodePlatform);
  const info = { engine: engine.sha256, target: target.section, platform, features, threads, loadedFrom: "memory" } as const;
  return { backend, info: { ...info, why: `${reason}; ${why}`, rejected: [...refused, ...rejected] } };
}

async function loadNative(engine: Engine, file: string | undefined, threads: number): Promise<Loaded> {
  const targets = targetsFor(engine.manifest, platform, file);
  const hostBytes = engine.sections.get(hostSection(platform));
  if (hostBytes === undefined) {
    throw new HoneError("engine.load", `the engine carries no host for ${platform}`, {
      at: file === undefined ? {} : { file },
      hint: "Rebuild it with `hone build`.",
    });
  }
  const host = await loadHost(hostBytes);
  const features = host.addon.features();
  const { target, why, rejected } = selectTarget(targets, features, file);
  const backend = await NativeBackend.load({ host, engine, target, threads, given: file !== undefined });
  const { loadedFrom } = backend;
  const info = { engine: engine.sha256, target: target.section, platform, features, threads, why, rejected, loadedFrom };
  return { backend, info };
}
