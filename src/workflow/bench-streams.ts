/** How much an engine does when several runs go at once. */
import { Session } from "../runtime/node/session.ts";
import { HoneError } from "../util/errors.ts";
import type { TensorFeeds } from "./feeds.ts";

export interface Streams {
  readonly count: number;
  /** Runs a second of all streams together. */
  readonly throughput: number;
  readonly iterations: number;
}

export interface StreamOptions {
  readonly streams: number;
  readonly threads: number;
  readonly seconds: number;
  readonly signal?: AbortSignal | undefined;
}

/** Threads of libuv on which runs wait and go: the environment sets how many. */
const POOL = Number(process.env["UV_THREADPOOL_SIZE"] ?? 4);

/** Throws `usage` for more streams than there are threads to run them. */
export function checkStreams(streams: number): void {
  if (streams <= POOL) return;
  throw new HoneError("usage", `${streams} streams were asked for, and Node runs at most ${POOL} things at once beside JavaScript`, {
    hint: `Set UV_THREADPOOL_SIZE=${streams} in the environment.`,
  });
}

/** Keeps every stream busy for the time: each asks for its next run when the last has answered. */
export async function timeStreams(engine: string, feeds: TensorFeeds, options: StreamOptions): Promise<Streams> {
  const { streams, threads, seconds, signal } = options;
  const session = await Session.open(engine, { contexts: streams, threads, signal });
  try {
    await Promise.all(Array.from({ length: streams }, () => session.run(feeds)));
    let iterations = 0;
    const began = performance.now();
    const elapsed = (): number => (performance.now() - began) / 1000;
    const stream = async (): Promise<void> => {
      while (elapsed() < seconds) {
        if (signal?.aborted) throw new HoneError("aborted", "the bench was aborted");
        await session.run(feeds);
        iterations++;
      }
    };
    await Promise.all(Array.from({ length: streams }, stream));
    return { count: streams, throughput: iterations / elapsed(), iterations };
  } finally {
    await session.close();
  }
}
