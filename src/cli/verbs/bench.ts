import { bench as runBench, type BenchResult, type PeerResult } from "../../workflow/bench.ts";
import { choice, list, number, text } from "../options.ts";
import { bytesText, countText, fields, secondsText, smallText, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const bench: Verb = defineVerb({
  summary: "Time an engine, alone or in alternation with ONNX Runtime in the same process.",
  arguments: [{ name: "<engine|model>", about: "a .hone file, or a model that is built first" }],
  examples: [
    ["bench model.onnx --against onnxruntime", "build, then A B A B, one thread each"],
    ["bench model.hone --model model.onnx --against onnxruntime", "an engine that is there"],
    ["bench model.hone --threads 2", "each run shared by two threads"],
    ["bench model.hone --streams 2", "two runs at once, for throughput"],
    ["bench model.hone --seconds 10 --json", "alone, for a program"],
  ],
  options: {
    model: text("--model <file>", "the model that the engine was built from: for GFLOP/s and for the other side"),
    against: choice("--against <name>", "the other side: its file as shipped and cleaned, the faster counts", ["onnxruntime"]),
    threads: number("--threads <number>", "threads of either side", 1, { min: 1, max: 64, integer: true }),
    streams: number("--streams <number>", "also the throughput of hone with so many runs at once, when above 1", 1, {
      min: 1,
      max: 1024,
      integer: true,
    }),
    seconds: number("--seconds <number>", "how long hone is timed; the other side comes on top", 3, { min: 0, max: 3600 }),
    iterations: number("--iterations <number>", "runs of hone instead, when not 0", 0, { min: 0, max: 1e7, integer: true }),
    image: list("--image <file>", "a photo: through the recipe, or stretched to the input and scaled to 0–1"),
    input: list("--input <name=file>", "a .npy file for an input; repeat for more inputs"),
    profile: number("--profile <number>", "which of the engine's shapes", 0, { min: 0, integer: true }),
    shape: list("--shape <input=dims>", "dims of an input, for a model; repeat for inputs and for profiles"),
    recipe: text("--recipe <name|file>", "instead of the one that fits the model"),
    schedule: choice("--schedule <name>", "for a model: how loops are arranged; naive is the textbook", ["auto", "naive"]),
    machine: text("--machine <name>", "for a model: CPU to build for, of those that `hone targets` lists (default: this one)"),
    seed: number("--seed <number>", "of the random numbers", 1, { min: 0, max: 2 ** 32 - 1, integer: true }),
  },
  run: async ({ signal, onEvent }, [path = ""], values): Promise<Outcome> => {
    const result = await runBench(path, {
      signal,
      onEvent,
      model: values.model,
      against: values.against,
      threads: values.threads,
      streams: values.streams,
      seconds: values.seconds,
      iterations: values.iterations === 0 ? undefined : values.iterations,
      images: values.image,
      arrays: values.input,
      profile: values.profile,
      shapes: values.shape,
      recipe: values.recipe,
      schedule: values.schedule ?? "auto",
      machine: values.machine,
      seed: values.seed,
    });
    return { json: { ...result }, text: (p) => benchText(result, p) };
  },
});

const ms = (x: number): string => x.toFixed(x < 10 ? 3 : 2);
const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
const known = (value: number | null, show: (x: number) => string): string => (value === null ? "–" : show(value));
const memory = (peak: number | null, added: number | null): string =>
  peak === null ? "–" : `${bytesText(peak)} at its highest${added === null ? "" : `, ${bytesText(added)} of it above an empty Node`}`;

function benchText(r: BenchResult, p: Paint): string {
  const head: (readonly [string, string])[] = [
    ["engine", `${r.engine}, ${r.target}, ${r.threads === 1 ? "one thread" : `${r.threads} threads`}`],
    ["fed", `${r.feeds}, ${r.profile}`],
    ["throughput", `${r.throughput.toPrecision(4)} runs a second, ${r.iterations} runs`],
    ...(r.streams ? ([["streams", `${r.streams.count} at once: ${r.streams.throughput.toPrecision(4)} runs a second`]] as const) : []),
    ["load", known(r.loadMs, (t) => `${ms(t)} ms`)],
    ["memory", memory(r.peakRss, r.addedRss)],
    ["speed", speedText(r)],
  ];
  if (r.buildSeconds !== null) head.splice(1, 0, ["built in", secondsText(r.buildSeconds)]);
  const columns = ["", "min", "mean", "median", "p90", "p95", "p99", "max", "variation", "least CPU"];
  const sides = [{ ...r, name: "hone" }, ...(r.against?.variants ?? []).map((v) => ({ ...v, name: `onnxruntime, ${v.name}` }))];
  const rows = sides.map(({ name, latencyMs: l, variation, cpuMs }) => [
    name,
    ...[l.min, l.mean, l.median, l.p90, l.p95, l.p99, l.max].map(ms),
    percent(variation),
    ms(cpuMs),
  ]);
  const parts = [fields(p, head), `latency, ms\n${table(p, columns, rows)}`];
  if (r.against !== undefined) parts.push(verdict(r.against, p));
  parts.push(...r.warnings.map((w) => p.yellow(`warning: ${w}`)));
  return parts.join("\n\n");
}

function speedText({ macs, gflops, peakGflops, shareOfPeak }: BenchResult): string {
  const peak = `the fp32 peak of a core, ${peakGflops.toFixed(1)} GFLOP/s in this run`;
  if (macs === null || gflops === null || shareOfPeak === null) return `not known without --model; ${peak}`;
  return `${countText(macs)} MACs, ${gflops.toFixed(1)} GFLOP/s: ${percent(shareOfPeak)} of ${peak}`;
}

function verdict(a: PeerResult, p: Paint): string {
  const line = `${a.ratio.toFixed(2)}× the speed of ${a.name} (${a.variant}), least against least; by CPU time ${a.cpuRatio.toFixed(2)}×`;
  return [
    a.ratio >= 1 ? p.green(line) : p.red(line),
    `the outputs differ by ${smallText(a.relativeError)}`,
    `${a.name}: load ${known(a.loadMs, (t) => `${ms(t)} ms`)}, memory ${memory(a.peakRss, a.addedRss)}`,
  ].join("\n");
}
