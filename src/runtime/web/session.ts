import type { Manifest } from "../../engine/format.ts";
import { HoneError } from "../../util/errors.ts";
import { selectTarget, wasmTargets } from "../core/select.ts";
import { SessionCore } from "../core/session.ts";
import type { SessionInfo } from "../core/types.ts";
import { wasmFeatures } from "../core/wasm/features.ts";
import { countOf, MOST_THREADS } from "../core/count.ts";
import { WebBackend } from "./backend.ts";
import type { BrowserWorker } from "./line.ts";
import { readSource, type EngineSource } from "./source.ts";

/** Of the page. Bundlers look for this very expression and put the worker's program into a file of its own. */
declare const Worker: new (url: URL, options: { type: "module"; name: string }) => BrowserWorker;

const startWorker = (): BrowserWorker => new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "hone" });

export interface OpenOptions {
  /**
   * Starts the worker, whose program is the module `hone-engine/web-worker`. Needed only where a bundler does not know
   * `new Worker(new URL(…))`, such as esbuild: `worker: () => new Worker("hone-worker.js", { type: "module" })`.
   */
  readonly worker?: () => BrowserWorker;
  /**
   * How many workers share one run, 1 (the default) to 64; the results are the same to the bit. They share memory, which browsers
   * allow to cross-origin isolated pages only: in others there is one, and `info.threads` and `info.why` say so.
   */
  readonly threads?: number;
  readonly signal?: AbortSignal | undefined;
}

/** An engine that runs in a worker of this page. Structurally an InferenceSession of onnxruntime-web. */
export class Session extends SessionCore {
  private constructor(manifest: Manifest, backend: WebBackend, info: SessionInfo) {
    super(manifest, backend, info, 1);
  }

  /**
   * Opens a .hone file with WebAssembly from its URL or its bytes. It runs under a Content-Security-Policy without eval and blob:,
   * as long as that allows 'wasm-unsafe-eval' and workers of the page's origin.
   * Throws `engine.damaged`, `engine.version`, `engine.cpu`, `engine.load`, `file.*`, `usage`, `aborted`.
   */
  static async open(source: EngineSource, options: OpenOptions = {}): Promise<Session> {
    const { signal, worker = startWorker } = options;
    const wanted = countOf("threads", options.threads ?? 1, MOST_THREADS);
    const threads = Reflect.get(globalThis, "crossOriginIsolated") === true ? wanted : 1;
    const engine = await readSource(source, signal);
    const features = wasmFeatures();
    const { target, why, rejected } = selectTarget(wasmTargets(engine.manifest), features);
    const backend = await WebBackend.open(worker(), engine, target, threads);
    if (signal?.aborted) {
      backend.close();
      throw new HoneError("aborted", "opening the engine was aborted");
    }
    const alone = threads < wanted ? "; one thread, because the page is not cross-origin isolated" : "";
    return new Session(engine.manifest, backend, {
      engine: engine.sha256,
      target: target.section,
      platform: "browser",
      features,
      threads,
      why: `${why}${alone}`,
      rejected,
      loadedFrom: "memory",
    });
  }
}
