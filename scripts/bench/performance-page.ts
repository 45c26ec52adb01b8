/** docs/performance.md out of a run of the bench: what was measured, how, and on what. */
import type { PeerRow, TfliteRow } from "./peers.ts";
import type { PythonPeers } from "./python-peers.ts";

export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
}

const HOW = `## How it is measured

- One process, one thread for each side, batch 1. The sides take turns (A B A B) of some 15 ms, after a warm-up of both; caches are warm and both meet the same weather. hone runs by \`runSync\`, onnxruntime-node by \`run\`, which does its work on the calling thread too; both return fresh arrays.
- The other side gets the file as shipped and a cleaned one: initializers are constants and no longer inputs, inputs have numbers. Of transformers it gets a third file, the same network written in the other way: norms, GELU and attention in pieces, as older exporters write them, or as the operators that ONNX has for them (\`-fused\`). The ratio is the least time of the fastest of them over hone's least time: above 1, hone is faster. Least against least, because whatever else runs on the machine only ever adds time.
- The fp32 peak is measured in the same run, between the turns: independent multiply-adds in the widest vectors. GFLOP/s count two operations for each multiply-accumulate of convolutions, Gemm and MatMul, whatever the kernels really execute.
- "By CPU" is the same ratio of least CPU times: what preemption by other work does not touch. On a quiet machine the two agree.
- OpenVINO (precision hint f32), ncnn (converted by pnnx, 16-bit storage and arithmetic off) and LiteRT (XNNPACK) run in a Python beside, each on one thread, in turns of some 30 ms with hone. Their answers are not compared here, and one that does not open a model says why.
- Load time and memory are those of a fresh process for each side that loads and runs five times; "above Node" leaves out what an empty Node takes.
- resnet, vgg, mobilenet, squeezenet, vit and bert are written by \`npm run models -- out/models\` with seeded random weights: the real architectures, meaningless answers. The others are the files of shared/models.
- "differs" is the worst ‖a−b‖/‖b‖ of any output between the two on the same input.

Again: \`HONE_PYTHON=python3 npm run bench:peers -- --write\` (without HONE_PYTHON only ONNX Runtime); one model: \`hone bench MODEL.onnx --against onnxruntime\`; where the time goes: \`hone profile MODEL.onnx\`.
`;

const ms = (x: number | null | undefined): string => (x === null || x === undefined ? "–" : x.toFixed(2));
const percent = (x: number | null): string => (x === null ? "–" : `${(100 * x).toFixed(0)}%`);
const megabytes = (x: number | null | undefined): string => (x === null || x === undefined ? "–" : (x / 1e6).toFixed(0));

const variantMs = ({ against }: PeerRow["result"], name: string): number | undefined =>
  against?.variants.find((v) => v.name === name)?.latencyMs.min;

function row({ name, floor, rewritten, result }: PeerRow): string {
  const { against, latencyMs, gflops, shareOfPeak } = result;
  const ratio = against?.ratio ?? NaN;
  const [shipped, cleaned] = ["as shipped", "cleaned"].map((v) => variantMs(result, v));
  const verdict = ratio >= floor ? `**${ratio.toFixed(2)}**` : ratio.toFixed(2);
  const cells = [
    name,
    ms(latencyMs.min),
    ms(shipped),
    ms(cleaned),
    ...(rewritten === undefined ? [] : [ms(variantMs(result, "rewritten"))]),
    verdict,
    (against?.cpuRatio ?? NaN).toFixed(2),
    String(floor),
    gflops?.toFixed(1) ?? "–",
    percent(shareOfPeak),
  ];
  return `| ${[...cells, (against?.relativeError ?? NaN).toExponential(0)].join(" | ")} |`;
}

function footprint({ name, result }: PeerRow): string {
  const { against } = result;
  const cells = [name, ms(result.loadMs), ms(against?.loadMs), megabytes(result.addedRss), megabytes(against?.addedRss)];
  return `| ${cells.join(" | ")} |`;
}

function spread({ name, result, load }: PeerRow): string {
  const cells = [name, ms(result.latencyMs.median), ms(result.against?.latencyMs.median), percent(result.variation)];
  const variation = result.against?.variants.find((v) => v.name === result.against?.variant)?.variation ?? null;
  return `| ${[...cells, percent(variation), result.peakGflops.toFixed(0), `${load[0].toFixed(1)}–${load[1].toFixed(1)}`].join(" | ")} |`;
}

const oneLine = (text: string): string => text.replaceAll("|", "/");

function besideRow(name: string, { ms: own, peers, failed }: PythonPeers, columns: readonly string[]): string {
  const cells = columns.flatMap((column) => {
    const peer = peers.find((p) => p.name === column);
    return peer ? [ms(peer.ms), peer.ratio.toFixed(2)] : [oneLine(failed[column] ?? "–"), "–"];
  });
  return `| ${[name, ms(own), ...cells].join(" | ")} |`;
}

/** A table for each group of libraries; nothing when no Python was asked. */
function besidePython(rows: readonly PeerRow[], tflite: readonly TfliteRow[]): string {
  const table = (
    title: string,
    list: readonly { readonly name: string; readonly others?: PythonPeers }[],
    columns: readonly string[],
  ): string => {
    const lines = list.flatMap(({ name, others }) => (others ? [besideRow(name, others, columns)] : []));
    if (lines.length === 0) return "";
    const versions = columns.map(
      (c) => `${c} ${list.flatMap((r) => r.others?.peers ?? []).find((p) => p.name === c)?.version ?? "(not there)"}`,
    );
    const head = ["model", "hone ms", ...columns.flatMap((c) => [`${c} ms`, "ratio"])];
    return `${title} ${versions.join(", ")}:\n\n| ${head.join(" | ")} |\n|---|${head
      .slice(1)
      .map(() => "--:|")
      .join("")}\n${lines.join("\n")}\n\n`;
  };
  return (
    table("Beside other libraries, in turns with them,", rows, ["openvino", "ncnn"]) + table("TFLite models beside", tflite, ["litert"])
  );
}

/** The page as Markdown. */
export function performancePage(rows: readonly PeerRow[], tflite: readonly TfliteRow[], { cpu, cores }: MachineFacts): string {
  const target = rows[0]?.result.target ?? "unknown";
  const met = rows.filter((r) => (r.result.against?.ratio ?? 0) >= r.floor).length;
  const busy = rows.some((r) => Math.max(...r.load) > 1.5)
    ? " Other work ran on the machine meanwhile (see the load below), so single times are worse than they could be; the ratios are of paired minima."
    : "";
  return `# Performance

Written by \`npm run bench:peers -- --write\`; edit scripts/bench/performance-page.ts.

hone against onnxruntime-node, fp32, one thread, batch 1, on ${cpu.trim()} (${cores} virtual cores), code for ${target.replace(/^so:/, "")}. The floor is what the project asks of itself; ${met} of ${rows.length} meet it (bold).${busy}

| model | hone ms | onnxruntime ms, as shipped | cleaned | ratio | by CPU | floor | GFLOP/s | of peak | differs |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
${rows
  .filter((r) => r.rewritten === undefined)
  .map(row)
  .join("\n")}

Transformers; ONNX Runtime runs the file of the other form as well (rewritten):

| model | hone ms | onnxruntime ms, as shipped | cleaned | rewritten | ratio | by CPU | floor | GFLOP/s | of peak | differs |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
${rows
  .filter((r) => r.rewritten !== undefined)
  .map(row)
  .join("\n")}

${besidePython(rows, tflite)}| model | load ms | onnxruntime | memory above Node, MB | onnxruntime |
|---|--:|--:|--:|--:|
${rows.map(footprint).join("\n")}

How steady that was:

| model | hone median ms | onnxruntime | variation | onnxruntime | peak, GFLOP/s | load average |
|---|--:|--:|--:|--:|--:|--:|
${rows.map(spread).join("\n")}

${HOW}`;
}
