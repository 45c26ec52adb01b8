/** Makes docs/cli.md out of what `--help` says: npx tsx scripts/cli-docs.ts. A test fails when the two differ. */
import { writeFileSync } from "node:fs";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { runCli } from "../src/cli/cli.ts";
import { VERBS } from "../src/cli/verbs.ts";

const HEAD = `# The command line

Made by \`npx tsx scripts/cli-docs.ts\` from what \`hone VERB --help\` prints; edit it there.

Results go to stdout, progress to stderr: a bar on a terminal, nothing elsewhere. \`NO_COLOR\` is honoured. Outputs appear whole or not at all, and a place that cannot be written is told before the long work. Ctrl-C stops at the next step and leaves nothing behind; a second one ends at once.

| exit code | means |
|---|---|
| 0 | ok |
| 1 | failure |
| 2 | usage: the command line, or the tensors that were fed |
| 3 | a gate was missed, such as \`compare --tolerance\` |
| 4 | the model has something that hone does not support |
| 130 | interrupted |

## --json

Every verb prints exactly one object on stdout, with \`version\` 1; fields may be added, those below stay. A failed command prints \`{version, error: {code, message, at, hint, problems}}\`, with the result's own fields where there is a result; the codes are in [errors.md](errors.md).

    inspect  {version, format, opset, inputs, outputs, ops: {name: count}, parameters, macs, problems: []}
    convert  {version, input, output, files, bytes, opset, opsetBefore, nodes: {before, after}, doubt, int8?: {layers, float: []}}
    build    {version, engine, bytes, target, precision, seconds, fromCache, nodes: {before, after}}
    run      {version, engine, target, feeds, milliseconds, outputs: [{name, type, dims, min, max, mean, notFinite}]}
    compare  {version, outputs: [{name, relativeError, maxAbs, cosine}], worst}
    bench    {version, engine, target, threads, iterations, latencyMs: {min, mean, median, p90, p95, p99, max}, throughput,
              against?: {name, latencyMs, ratio}}
    profile  {version, model, target, runs, ms, gflops, peakGflops, calls: [{ms, share, gflops, shareOfPeak, bytes, schedules, ops, nodes}]}
    reduce   {version, model, between: [], whole: {kind, …}, part: {kind, …}, nodes: {before, after}, left: [{name, op}], tried, files: []}
    eval     {version, runs: [{engine, images, metrics: {AP, AP50, AP75, …}, intervals: {AP: [low, high], …}, latencyMs}]}
    report   {version, output, engines: [{name, precision, target, bytes, weightsBytes, codeBytes, arenaBytes, latencyMs: {min, median}, metrics, intervals}],
              differences: [{metric, points, low, high}], layers: [{nodes, op, precision, why, sqnr, milliseconds: []}], notes: []}
    face     {version, image: {width, height}, faces: [{box: [x, y, w, h], score, points: [[x, y], …]}]}
    demo     {version, model, nodes: {before, after}, buildSeconds, faces, latencyMs, engineBytes, arenaBytes, photos: [],
              rows: [{precision, code, engine, bytes, latencyMs, AP, AP50}], calibratedWith, heldOut,
              scores: [{on, AP, AP50, images, faces, faceHeight}], sheet}
    targets  {version, platform, compiler, features, targets: [{name, here, lacks, chosen}]}
    doctor   {version, well, checks: [{name, state, found, fix}]}; with --preprocess
              {version, verdict, preprocess, distance: {mean, max}, same: [], recipe: {name, agrees, mismatches: [{field, recipe, reference, costs}]}, ranked: []}

\`relativeError\` is ‖a − b‖ / ‖b‖ over all elements of an output, in double precision, b being the other side; where b is all zeros it is ‖a‖. Tensors that cannot be compared (another shape, NaN on one side) count as 1.8e308. \`eval\` on detections from a file has null for \`engine\` and \`latencyMs\`; on models \`latencyMs\` is \`{decode, preprocess, inference, postprocess}\`, each \`{mean, median, min, max}\` over all images but the first, and each run says its \`backend\`, \`target\` and \`recipe\`. −1 is no score. Boxes and points are in pixels of the photo as it is seen, with its EXIF orientation applied.

## Environment

| variable | means |
|---|---|
| \`HONE_CC\` | the C compiler; otherwise the first that works of \`$CC\`, cc, gcc, clang |
| \`HONE_CACHE\` | the folder for compiled files, unpacked engines and the built-in detector; otherwise \`$XDG_CACHE_HOME/hone\` or \`~/.cache/hone\` |
| \`NO_COLOR\` | no colours |
`;

async function help(verb: string): Promise<string> {
  let text = "";
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  await runCli([verb, "--help"], { stdout: sink, stderr: sink, signal: new AbortController().signal, env: {} });
  return text.trimEnd();
}

/** The text that docs/cli.md must have. */
export async function cliDocs(): Promise<string> {
  const parts: string[] = [];
  for (const verb of Object.keys(VERBS)) parts.push(`## hone ${verb}\n\n${(await help(verb)).replace(/^(?=.)/gm, "    ")}\n`);
  return `${HEAD}\n${parts.join("\n")}`;
}

export const CLI_DOCS: string = fileURLToPath(new URL("../docs/cli.md", import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(CLI_DOCS, await cliDocs());
