/** hone in turns with the libraries of a Python: OpenVINO and ncnn for ONNX, LiteRT for TFLite, each fp32 and on one thread. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Session } from "../../src/runtime.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";
import { buildModel } from "../../src/workflow/build.ts";
import { noise } from "./cases.ts";

export interface PythonPeer {
  readonly name: string;
  readonly version: string;
  /** The least time of a run. */
  readonly ms: number;
  /** The peer's least over hone's in the same turns. */
  readonly ratio: number;
}

export interface PythonPeers {
  /** hone's least, in these turns. */
  readonly ms: number;
  readonly peers: readonly PythonPeer[];
  /** Libraries that do not open or run the model, with what they say. */
  readonly failed: Readonly<Record<string, string>>;
}

/** A turn of either side, in milliseconds. */
const TURN = 30;

/** Asks a question a line, and gets one line back. */
class Conversation {
  readonly #child: ReturnType<typeof spawn>;
  readonly #lines: AsyncIterator<string>;

  constructor(python: string, args: readonly string[]) {
    this.#child = spawn(python, args, { stdio: ["pipe", "pipe", "ignore"] });
    this.#lines = createInterface({ input: must(this.#child.stdout, "stdout") })[Symbol.asyncIterator]();
  }

  async answer(): Promise<unknown> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error("the Python of HONE_PYTHON ended before it answered");
    return JSON.parse(line.value);
  }

  ask(question: string): Promise<unknown> {
    must(this.#child.stdin, "stdin").write(`${question}\n`);
    return this.answer();
  }

  close(): void {
    this.#child.stdin?.end();
  }
}

interface Opened {
  readonly peers: Readonly<Record<string, string>>;
  readonly failed: Readonly<Record<string, string>>;
}

function feedsOf(session: Session): Record<string, Tensor> {
  return Object.fromEntries(
    session.inputMetadata.map(({ name, shape }, i) => {
      const dims = shape.map(Number);
      const length = dims.reduce((n, d) => n * d, 1);
      return [name, tensor("float32", dims, noise(length, i + 1))];
    }),
  );
}

/** Times of one contender, turn by turn. */
interface Contender {
  readonly name: string;
  readonly runs: (count: number) => Promise<readonly number[]>;
  least: number;
}

async function takeTurns(contenders: readonly Contender[], seconds: number): Promise<void> {
  const counts = new Map<Contender, number>();
  for (const c of contenders) {
    const [first = 1] = await c.runs(3);
    counts.set(c, Math.max(1, Math.round(TURN / first)));
  }
  for (const end = performance.now() + seconds * 1000 * contenders.length; performance.now() < end;) {
    for (const c of contenders) c.least = Math.min(c.least, ...(await c.runs(counts.get(c) ?? 1)));
  }
}

/** Times a model on every library that the Python has and that runs it. */
export async function timeBeside(python: string, model: string, seconds: number): Promise<PythonPeers> {
  const { engine } = await buildModel(model, {});
  const session = await Session.open(engine, { native: "allow", contexts: 1 });
  const folder = await mkdtemp(join(tmpdir(), "hone-peers-"));
  const script = fileURLToPath(new URL("../oracles/peers.py", import.meta.url));
  const talk = new Conversation(python, [script, model, folder]);
  try {
    const { peers, failed } = (await talk.answer()) as Opened;
    const feeds = feedsOf(session);
    const own = (count: number): Promise<readonly number[]> => {
      const times = Array.from({ length: count }, () => {
        const began = performance.now();
        session.runSync(feeds);
        return performance.now() - began;
      });
      return Promise.resolve(times);
    };
    const hone: Contender = { name: "hone", runs: own, least: Infinity };
    const others = Object.keys(peers).map((name): Contender => ({
      name,
      runs: async (count) => (await talk.ask(`${name} ${count}`)) as readonly number[],
      least: Infinity,
    }));
    if (others.length > 0) await takeTurns([hone, ...others], seconds);
    const result = others.map(({ name, least }) => ({ name, version: peers[name] ?? "", ms: least, ratio: least / hone.least }));
    return { ms: hone.least, peers: result, failed };
  } finally {
    talk.close();
    await session.close();
    await rm(folder, { recursive: true, force: true });
  }
}
