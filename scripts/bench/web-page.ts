/** In the page: hone and onnxruntime-web by turns. */
import * as ort from "onnxruntime-web/wasm";
import { Session, tensor, type Tensor } from "../../src/web.ts";

interface BrowserWorkerClass {
  new (url: string, options: { type: "module" }): ReturnType<NonNullable<NonNullable<Parameters<typeof Session.open>[1]>["worker"]>>;
}

const worker = (): InstanceType<BrowserWorkerClass> => {
  const Worker = Reflect.get(globalThis, "Worker") as BrowserWorkerClass;
  return new Worker("worker.js", { type: "module" });
};

export interface PageRequest {
  readonly model: string;
  /** Engines by the name of their contender, and how many threads share its runs. */
  readonly engines: readonly (readonly [name: string, url: string, threads: number])[];
  readonly dims: readonly number[];
  readonly seconds: number;
}

export interface PageTimes {
  readonly name: string;
  readonly target: string;
  /** Milliseconds of each run. */
  readonly times: readonly number[];
  /** ‖a−b‖/‖b‖ of the worst output against onnxruntime-web. */
  readonly relativeError: number;
}

const WARM_UP = 4;
/** Of a model that takes long: fewer may all meet other work. */
const LEAST_RUNS = 12;

function errorOf(ours: Readonly<Record<string, Tensor>>, theirs: Readonly<Record<string, { readonly data: unknown }>>): number {
  const errors = Object.entries(ours).map(([name, { data }]) => {
    const other = theirs[name]?.data;
    if (!(other instanceof Float32Array) || other.length !== data.length) return Infinity;
    let [difference, norm] = [0, 0];
    other.forEach((b, i) => {
      difference += (Number(data[i]) - b) ** 2;
      norm += b ** 2;
    });
    return Math.sqrt(difference / norm);
  });
  return Math.max(...errors);
}

interface Contender {
  readonly name: string;
  readonly target: string;
  readonly run: () => Promise<unknown>;
  readonly times: number[];
  readonly relativeError: number;
}

async function takeTurns(contenders: readonly Contender[], seconds: number): Promise<void> {
  for (const c of contenders) for (let i = 0; i < WARM_UP; i++) await c.run();
  const end = performance.now() + 1000 * seconds;
  for (let runs = 0; performance.now() < end || runs < LEAST_RUNS; runs += 2) {
    for (const c of contenders) {
      for (let i = 0; i < 2; i++) {
        const began = performance.now();
        await c.run();
        c.times.push(performance.now() - began);
      }
    }
  }
}

async function bench({ model, engines, dims, seconds }: PageRequest): Promise<readonly PageTimes[]> {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { mjs: new URL("ort.mjs", location.href).href, wasm: new URL("ort.wasm", location.href).href };
  const data = Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(i * 0.37));
  const theirs = await ort.InferenceSession.create(model);
  const name = theirs.inputNames[0] ?? "input";
  const peer = (): Promise<ort.InferenceSession.OnnxValueMapType> => theirs.run({ [name]: new ort.Tensor("float32", data, dims) });
  const wanted = (await peer()) as Readonly<Record<string, { readonly data: unknown }>>;
  const contenders: Contender[] = [{ name: "onnxruntime-web", target: "wasm", run: peer, times: [], relativeError: 0 }];
  for (const [label, url, threads] of engines) {
    const session = await Session.open(url, { worker, threads });
    if (session.info.threads !== threads) throw new Error(session.info.why);
    const feeds = { [session.inputNames[0] ?? ""]: tensor("float32", dims, data) };
    const relativeError = errorOf(await session.run(feeds), wanted);
    contenders.push({ name: label, target: session.info.target, run: () => session.run(feeds), times: [], relativeError });
  }
  await takeTurns(contenders, seconds);
  return contenders.map(({ name: who, target, times, relativeError }) => ({ name: who, target, times, relativeError }));
}

declare const location: { readonly href: string };
Reflect.set(globalThis, "bench", bench);
