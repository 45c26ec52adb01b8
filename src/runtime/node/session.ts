import { availableParallelism } from "node:os";
import { hostSection, platformName, type Engine, type Manifest } from "../../engine/format.ts";
import { readEngine } from "../../engine/read.ts";
import { HoneError } from "../../util/errors.ts";
import { selectTarget, targetsFor } from "../core/select.ts";
import { SessionCore } from "../core/session.ts";
import type { SessionInfo } from "../core/types.ts";
import { NativeBackend } from "./backend.ts";
import { readEngineFile } from "./file.ts";
import { hashOf, loadHost, type NativeStats } from "./host.ts";

export interface OpenOptions {
  /**
   * An engine with native code is a program. By default it is allowed for a path and not for bytes, which may come from
   * anywhere: the hash in the file says that it is whole, not that it can be trusted.
   */
  readonly native?: "allow" | "never";
  /** How many runs go at once; each needs an arena. The default is the number of cores, at most 4. */
  readonly contexts?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Frees what a session held when it is forgotten without close(). */
const forgotten = new FinalizationRegistry<NativeBackend>((backend) => {
  backend.close();
});

/** An engine that is loaded and can be run. */
export class Session extends SessionCore {
  readonly #backend: NativeBackend;

  private constructor(manifest: Manifest, backend: NativeBackend, info: SessionInfo, contexts: number) {
    super(manifest, backend, info, contexts);
    this.#backend = backend;
    forgotten.register(this, backend, this);
  }

  /**
   * Opens a .hone file by its path, or from its bytes. Version, hash, platform and CPU features are checked before any code
   * of the file is run. Throws `engine.damaged`, `engine.version`, `engine.cpu`, `engine.load`, `file.*`, `aborted`.
   */
  static async open(source: string | Uint8Array, options: OpenOptions = {}): Promise<Session> {
    const contexts = options.contexts ?? Math.min(4, availableParallelism());
    if (!Number.isInteger(contexts) || contexts < 1 || contexts > 1024) {
      throw new HoneError("usage", `contexts must be an integer from 1 to 1024, got ${contexts}`);
    }
    const file = typeof source === "string" ? source : undefined;
    const engine = typeof source === "string" ? await readEngineFile(source, options.signal) : readEngine(source, { hash: hashOf });
    checkAllowed(options.native ?? (file === undefined ? "never" : "allow"), file);
    const { backend, info } = await loadNative(engine, file);
    if (options.signal?.aborted) {
      backend.close();
      throw new HoneError("aborted", "opening the engine was aborted");
    }
    return new Session(engine.manifest, backend, info, contexts);
  }

  /** What the native host allocated, over all sessions of the process. */
  nativeStats(): NativeStats {
    return this.#backend.stats();
  }

  override close(): Promise<void> {
    forgotten.unregister(this);
    return super.close();
  }
}

function checkAllowed(native: "allow" | "never", file: string | undefined): void {
  if (native === "allow") return;
  throw new HoneError("engine.load", "the engine has only native code, which was not allowed", {
    at: file === undefined ? {} : { file },
    hint: 'Native code can do whatever your program can. If you trust where the engine comes from, pass {native: "allow"}.',
  });
}

async function loadNative(engine: Engine, file: string | undefined): Promise<{ backend: NativeBackend; info: SessionInfo }> {
  const platform = platformName(process.arch, process.platform);
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
  const backend = await NativeBackend.load(host, engine, target.section);
  const { loadedFrom } = backend;
  return { backend, info: { engine: engine.sha256, target: target.section, platform, features, why, rejected, loadedFrom } };
}
