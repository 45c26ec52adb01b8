/**
 * What running an engine costs the program around it: the delay of the event loop while a model runs in a loop, the throughput
 * of two contexts against one, and the price of a call. `npm run bench:runtime -- MODEL [--json]`
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Session } from "../../src/runtime.ts";
import { buildEngine } from "../../src/compiler/node/build.ts";
import { opBuilder } from "../../src/ops/index.ts";
import { must } from "../../src/util/errors.ts";
import { tensor, type Tensor } from "../../src/tensor/tensor.ts";
import { buildModel } from "../../src/workflow/build.ts";
import { noise } from "./cases.ts";

const [model] = process.argv.slice(2).filter((a) => !a.startsWith("--"));
if (model === undefined) {
  process.stderr.write("usage: npm run bench:runtime -- MODEL.onnx [--json]\n");
  process.exit(2);
}

const { engine } = await buildModel(model, {});

async function open(contexts: number): Promise<{ readonly session: Session; readonly feeds: Record<string, Tensor> }> {
  const session = await Session.open(engine, { native: "allow", contexts });
  const feeds = Object.fromEntries(
    session.inputMetadata.map(({ name, shape }, i) => {
      const dims = shape.map(Number);
      const count = dims.reduce((n, d) => n * d, 1);
      return [name, tensor("float32", dims, noise(count, i + 1))];
    }),
  );
  return { session, feeds };
}

/** Runs a second with `lanes` runs in flight. */
async function throughput(session: Session, feeds: Record<string, Tensor>, lanes: number): Promise<number> {
  const end = performance.now() + 1000;
  let done = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() < end) {
      await session.run(feeds);
      done++;
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: lanes }, lane));
  return (done * 1000) / (performance.now() - start);
}

const { session, feeds } = await open(2);
await throughput(session, feeds, 2);
const delay = monitorEventLoopDelay({ resolution: 1 });
const ratios: number[] = [];
delay.enable();
await throughput(session, feeds, 1);
await throughput(session, feeds, 1);
delay.disable();
for (let i = 0; i < 5; i++) {
  const one = await throughput(session, feeds, 1);
  ratios.push((await throughput(session, feeds, 2)) / one);
}
/** Native bytes of a session with one context, and with two: the weights are there once. */
const bytesOfTwo = session.nativeStats().bytesAlive;
await session.close();
const single = await open(1);
await single.session.run(single.feeds);
const bytesOfOne = single.session.nativeStats().bytesAlive;
const arenaBytes = single.session.manifest.profiles[0]?.arenaBytes ?? NaN;
await single.session.close();

/** An engine that does nothing to speak of: what is left is the call. */
async function openEmpty(): Promise<{ readonly session: Session; readonly feeds: Record<string, Tensor> }> {
  const b = opBuilder("empty");
  b.output(b.op("relu", [b.input("x", "float32", [4])]), "y");
  const built = await buildEngine(b.finish(), { modelHash: "0", format: "onnx" });
  const opened = await Session.open(must(built.engine, "engine"), { native: "allow", contexts: 1 });
  return { session: opened, feeds: { x: tensor("float32", [4], new Float32Array(4)) } };
}

/** Microseconds of a call, the least of several rounds. */
async function priceOf(call: () => unknown): Promise<number> {
  const [rounds, calls] = [30, 1000];
  let least = Infinity;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (let i = 0; i < calls; i++) {
      const answer = call();
      if (answer instanceof Promise) await answer;
    }
    least = Math.min(least, ((performance.now() - start) * 1000) / calls);
  }
  return least;
}

const empty = await openEmpty();
const callMicroseconds = {
  runSync: await priceOf(() => empty.session.runSync(empty.feeds)),
  run: await priceOf(() => empty.session.run(empty.feeds)),
};
await empty.session.close();

const result = {
  version: 1,
  model,
  callMicroseconds,
  // The monitor's own timer ticks every millisecond: what it reads includes that.
  eventLoopDelayMs: { p50: delay.percentile(50) / 1e6 - 1, p99: delay.percentile(99) / 1e6 - 1, max: delay.max / 1e6 - 1 },
  twoContextsOverOne: { median: [...ratios].sort((a, b) => a - b)[2] ?? NaN, all: ratios },
  nativeBytes: { oneContext: bytesOfOne, twoContexts: bytesOfTwo, arena: arenaBytes },
};
if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify(result)}\n`);
else {
  process.stdout.write(
    `event loop delay  p50 ${result.eventLoopDelayMs.p50.toFixed(2)} ms, p99 ${result.eventLoopDelayMs.p99.toFixed(2)} ms, max ${result.eventLoopDelayMs.max.toFixed(2)} ms\n`,
  );
  process.stdout.write(
    `two contexts      ${result.twoContextsOverOne.median.toFixed(2)}x the throughput of one (${ratios.map((r) => r.toFixed(2)).join(", ")})\n`,
  );
  process.stdout.write(`an empty engine   runSync ${callMicroseconds.runSync.toFixed(1)} µs, run ${callMicroseconds.run.toFixed(1)} µs\n`);
  process.stdout.write(
    `native memory     ${bytesOfOne} bytes with one context, ${bytesOfTwo - bytesOfOne} more for the second (arena ${arenaBytes})\n`,
  );
}
