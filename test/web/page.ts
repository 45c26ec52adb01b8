/** What the tests call in the page. */
import { HoneError, Session, tensor, type EngineSource, type Feeds } from "../../src/web.ts";

interface BrowserWorkerClass {
  new (url: string, options: { type: "module" }): ReturnType<NonNullable<NonNullable<Parameters<typeof Session.open>[1]>["worker"]>>;
}

const startWorker = (path: string) => {
  const Worker = Reflect.get(globalThis, "Worker") as BrowserWorkerClass;
  return (): InstanceType<BrowserWorkerClass> => new Worker(path, { type: "module" });
};

export interface PageResult {
  readonly isolated: boolean;
  readonly target: string;
  readonly names: readonly string[];
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: readonly number[];
  readonly syncError: string;
  readonly closedError: string;
}

export interface ThreadsResult {
  readonly threads: number;
  readonly why: string;
  readonly results: readonly string[];
  readonly codes: readonly string[];
}

const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work();
    return "no error";
  } catch (error) {
    return error instanceof HoneError ? error.code : String(error);
  }
};

const programs = {
  async run(from: "url" | "bytes", values: readonly number[], dims: readonly number[]): Promise<PageResult> {
    const source: EngineSource = from === "url" ? "engine.hone" : await (await fetch("engine.hone")).arrayBuffer();
    const session = await Session.open(source, { worker: startWorker("worker.js") });
    const feeds = { x: tensor("float32", dims, Float32Array.from(values)) };
    const [first, second] = await Promise.all([session.run(feeds), session.run(feeds)]);
    const y = first["y"];
    if (!y || String(second["y"]?.data) !== String(y.data)) throw new Error("two runs differ");
    const syncError = await codeOf(() => session.runSync(feeds));
    await session.close();
    return {
      isolated: Reflect.get(globalThis, "crossOriginIsolated") === true,
      target: session.info.target,
      names: session.outputNames,
      type: y.type,
      dims: y.dims,
      data: Array.from(y.data, Number),
      syncError,
      closedError: await codeOf(() => session.run(feeds)),
    };
  },

  /** Runs sharedEngine by so many workers; then trapping ones, and again what does not trap. */
  async threads(count: number, values: readonly number[], dims: readonly number[]): Promise<ThreadsResult> {
    const worker = startWorker("worker.js");
    const session = await Session.open("shared.hone", { worker, threads: count });
    const feeds = { x: tensor("float32", dims, Float32Array.from(values)) };
    const run = async (x: Feeds, context: Pick<Session, "run"> = session): Promise<string> =>
      Array.from((await context.run(x))["y"]?.data ?? [], Number).join();
    const others = {
      x: tensor(
        "float32",
        dims,
        Float32Array.from(values, (v) => 1 - v),
      ),
    };
    const results: string[] = [await run(feeds)];
    const other = await run(others);
    const [a, b, c] = await Promise.all([run(others), run(feeds, session.createContext()), run(others, session.createContext())]);
    if (a !== other || c !== other || other === b) throw new Error("contexts that run at once take each other's arrays");
    results.push(b, await run(feeds));
    const { threads, why } = session.info;
    await session.close();
    const codes: string[] = [];
    if (threads > 1) {
      const trapping = await Session.open("trapping.hone", { worker, threads: count });
      const part = (p: number) => ({ x: tensor("float32", dims, new Float32Array(values.length).fill(p)) });
      for (const p of [1, count, 0, count]) codes.push(await codeOf(() => trapping.run(part(p))));
      await trapping.close();
    }
    return { threads, why, results, codes };
  },

  /** Codes of what goes wrong: no engine, a damaged one, a worker that is not there, another worker's origin. */
  async errors(): Promise<readonly string[]> {
    const bytes = new Uint8Array(await (await fetch("engine.hone")).arrayBuffer());
    const damaged = bytes.slice();
    damaged[200] = (damaged[200] ?? 0) ^ 1;
    const worker = startWorker("worker.js");
    return [
      await codeOf(() => Session.open("nothing.hone", { worker })),
      await codeOf(() => Session.open(damaged, { worker })),
      await codeOf(() => Session.open(bytes, { worker: startWorker("no-worker.js") })),
      await codeOf(() => Session.open(bytes, { worker, signal: AbortSignal.abort() })),
    ];
  },
};

export type Programs = typeof programs;
Reflect.set(globalThis, "programs", programs);
