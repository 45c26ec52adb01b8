/** Engines for graphs whose outputs are looked at, not kept. */
import { buildEngine } from "../compiler/node/build.ts";
import type { Graph } from "../ir/graph.ts";
import { Session } from "../runtime/node/session.ts";
import { staticShape } from "../tensor/dim.ts";
import { zeros, type Tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import type { BuildModelOptions, Prepared } from "./build.ts";
import { given } from "./events.ts";
import type { TensorFeeds } from "./feeds.ts";

/** An engine of one graph, with memory for its outputs. */
export class Taps {
  readonly #session: Session;
  readonly #outputs: Readonly<Record<string, Tensor>>;

  private constructor(session: Session, outputs: Readonly<Record<string, Tensor>>) {
    this.#session = session;
    this.#outputs = outputs;
  }

  /** Builds the engine. Throws what building throws. */
  static async open(graph: Graph, prepared: Prepared, options: BuildModelOptions): Promise<Taps> {
    const { engine } = await buildEngine(graph, {
      modelHash: prepared.model.sha256,
      format: prepared.model.format,
      ...given("machine", options.machine),
      ...given("onEvent", options.onEvent),
      ...given("signal", options.signal),
    });
    const session = await Session.open(must(engine, "an engine"), { native: "allow", contexts: 1, signal: options.signal });
    return new Taps(session, Object.fromEntries(graph.outputs.map((v) => [v.name, zeros(v.dtype, staticShape(v.shape, v.name))])));
  }

  /** The outputs for one set of feeds, by name; they are overwritten by the next. */
  async run(feeds: TensorFeeds, signal?: AbortSignal): Promise<Readonly<Record<string, Tensor>>> {
    await this.#session.runInto(feeds, this.#outputs, { signal });
    return this.#outputs;
  }

  close(): Promise<void> {
    return this.#session.close();
  }
}
