/**
 * npm run bench:calibrate [-- MODEL …]: what observing a model costs. The same photos through the same fp32 engine, once plain and once with
 * histograms, in turns; and the counts into the collector. Ends with 3 when observing takes more than twice the time.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { channelStatistics, withHistograms } from "../../src/quant/instrument.ts";
import { Observations } from "../../src/quant/observations.ts";
import { equalisable } from "../../src/quant/equalise.ts";
import { planInt8 } from "../../src/quant/plan.ts";
import { prepare } from "../../src/workflow/build.ts";
import { CHANNEL_PHOTOS, optimisedGraph } from "../../src/workflow/observe.ts";
import { eachPhoto, findPhotos } from "../../src/workflow/photos.ts";
import { Taps } from "../../src/workflow/taps.ts";
import { must } from "../../src/util/errors.ts";

const LIMIT = 2;
const PHOTOS = 32;
const shared = join(fileURLToPath(new URL("../..", import.meta.url)), "../shared");
const MODELS = [
  "yunet/yunet_n_640_640.onnx",
  "retinaface-landmark/retinaface-mobilenet0.25-640.onnx",
  "ultra-light/version-RFB-320.onnx",
  "fastestdet/FastestDet.onnx",
].map((name) => join(shared, "models", name));

const images = join(shared, "data/coco128/images");
const given = process.argv.slice(2);
if (given.length === 0 && !existsSync(images)) {
  process.stderr.write(`the photos and models are not there: ${shared}\n`);
  process.exit(1);
}

/** Of several rounds over the same photos the least time of each photo, summed: what others on the machine take is left out. */
const ROUNDS = 3;

const photos = await findPhotos([images], undefined);
const files = photos.files.slice(0, PHOTOS);
let worst = 0;
process.stdout.write(
  "| model | values observed | inference, ms | observing, ms | ratio | with channels of equalisation |\n|---|---|---|---|---|---|\n",
);
for (const model of given.length > 0 ? given : MODELS) {
  const prepared = await prepare(model, {});
  const graph = optimisedGraph(prepared);
  const { observed } = planInt8(graph);
  const instrumented = withHistograms(graph, observed);
  const scaled = equalisable(graph);
  const plain = await Taps.open(graph, prepared, {});
  const counting = await Taps.open(instrumented.graph, prepared, {});
  const measuring = scaled.length > 0 ? await Taps.open(channelStatistics(graph, scaled, "magnitude"), prepared, {}) : undefined;
  const least: number[][] = [[], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    const observations = new Observations();
    await eachPhoto(files, { graph, recipe: prepared.recipe }, {}, async (feeds, { hash }) => {
      const timed = async (way: number, run: () => Promise<unknown>): Promise<void> => {
        const began = performance.now();
        await run();
        const took = performance.now() - began;
        const list = must(least[way], "a way");
        const at = files.findIndex((f) => f.hash === hash);
        list[at] = Math.min(list[at] ?? Infinity, took);
      };
      await timed(0, () => plain.run(feeds));
      await timed(1, async () => {
        const found = await counting.run(feeds);
        observations.add(
          hash,
          new Map(instrumented.histograms.map((v, i) => [must(observed[i], v.name).name, found[v.name]?.data as Int32Array])),
        );
      });
      await timed(2, async () => measuring?.run(feeds));
    });
  }
  await Promise.all([plain.close(), counting.close(), measuring?.close()]);
  const [inference = 1, observing = 1, channels = 0] = least.map((list) => list.reduce((a, b) => a + b, 0) / list.length);
  const ratio = observing / inference;
  // Channels are measured on some of the photos only.
  const all = ratio + (channels * Math.min(1, CHANNEL_PHOTOS / photos.files.length)) / inference;
  worst = Math.max(worst, all);
  const cells = [
    model.slice(model.lastIndexOf("/") + 1),
    observed.length,
    inference.toFixed(2),
    observing.toFixed(2),
    ratio.toFixed(2),
    all.toFixed(2),
  ];
  process.stdout.write(`| ${cells.join(" | ")} |\n`);
}
process.exitCode = worst > LIMIT ? 3 : 0;
