/** The ways to compute a model that can be held against each other, by name. */
import type { Graph } from "../ir/graph.ts";
import { evaluateGraph } from "../ops/evaluate.ts";
import { Session } from "../runtime/node/session.ts";
import { buildModel, prepare } from "./build.ts";
import type { JobOptions } from "./events.ts";
import { openOnnxRuntime, type Peer } from "./peer.ts";
import { bindProfile } from "./shapes.ts";

export type SideName = "native" | "wasm" | "naive" | "interpret" | "onnxruntime";
export const SIDE_NAMES: readonly SideName[] = ["native", "wasm", "naive", "interpret", "onnxruntime"];

export interface SideOptions extends JobOptions {
  /** Values of --shape. */
  readonly shapes?: readonly string[];
  /** Applied to the optimised graph of native, wasm and naive. */
  readonly rewrite?: ((graph: Graph) => Graph) | undefined;
}

/** Opens a model file in that way. Throws what building or opening it throws. */
export async function openSide(name: SideName, path: string, options: SideOptions = {}): Promise<Peer> {
  if (name === "onnxruntime") return await openOnnxRuntime(path);
  if (name === "interpret") return await openInterpreter(path, options);
  const targets = name === "wasm" ? (["wasm"] as const) : (["native"] as const);
  const { engine } = await buildModel(path, { ...options, targets, schedule: name === "naive" ? "naive" : "auto" });
  const session = await Session.open(engine, { native: "allow", contexts: 1 });
  return { name, run: (feeds) => session.run(feeds, { signal: options.signal }), close: () => session.close() };
}

/** Every op by its own definition, as the model has it. */
async function openInterpreter(path: string, options: SideOptions): Promise<Peer> {
  const { graph, profiles } = await prepare(path, options);
  const bound = bindProfile(graph, profiles[0] ?? {}, path);
  return {
    name: "interpret",
    run: (feeds) => Promise.resolve(evaluateGraph(bound, feeds)),
    close: () => Promise.resolve(),
  };
}
