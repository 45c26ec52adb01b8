/**
 * npm run accuracy:qdq: int8 models that hone writes for others (hone convert --precision int8), run by ONNX Runtime, beside the engines of the same
 * calibration. npm run accuracy:qdq -- MODEL.onnx …: quantised models that others wrote, run by both. Prints how many elements of the outputs are
 * equal and within one step, and for detectors the AP of both. Ends with 3 when fewer than 99.9% are within a step, or an AP differs in its third
 * decimal. A step is an output's range over the photos in 255 parts, whatever its own scale.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Session } from "../../src/runtime/node/session.ts";
import { isDType } from "../../src/tensor/dtype.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { must } from "../../src/util/errors.ts";
import { parseRecipe } from "../../src/vision/recipes.ts";
import { buildFile } from "../../src/workflow/build.ts";
import { calibrateFile, DEFAULT_METHOD } from "../../src/workflow/calibrate-file.ts";
import { convertInt8 } from "../../src/workflow/convert-int8.ts";
import { evaluateModels } from "../../src/workflow/eval-models.ts";
import { makeFeeds } from "../../src/workflow/feeds.ts";
import { int8From, tableFor } from "../../src/workflow/int8.ts";
import { openOnnxRuntime } from "../../src/workflow/peer.ts";
import { ensureModel } from "../models/write.ts";

const LEAST_WITHIN = 0.999;
const COMPARED = 8;
const shared = resolve(fileURLToPath(new URL("../..", import.meta.url)), "../shared");
const coco = join(shared, "data/coco128/images");
const faces = join(shared, "data/facemask-photos/images");
if (!existsSync(coco) || !existsSync(faces)) {
  process.stderr.write(`the photos and models are not there: ${shared}\n`);
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), "hone-qdq-"));
process.on("exit", () => {
  rmSync(folder, { recursive: true, force: true });
});

interface Labelled {
  readonly images: string;
  readonly annotations: string;
  readonly anyClass: boolean;
}
const FACES: Labelled = { images: faces, annotations: join(shared, "data/facemask-photos/annotations"), anyClass: true };
const OBJECTS: Labelled = { images: coco, annotations: join(shared, "data/coco128/annotations/instances_train2017.json"), anyClass: false };

interface Subject {
  readonly name: string;
  readonly labelled: Labelled | undefined;
  /** Writes both sides: an engine of hone, and a model of ONNX. */
  readonly make: () => Promise<{ readonly engine: string; readonly model: string }>;
}

function exported(path: string, labelled: Labelled | undefined): Subject {
  const make = async (): ReturnType<Subject["make"]> => {
    const [table, engine, model] = ["table.json", "engine.hone", "model.onnx"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await calibrateFile(path, { images: [coco], output: table, method: DEFAULT_METHOD });
    const { rewrite } = int8From(await tableFor(path, { calib: table }), table, "all");
    await buildFile(path, { output: engine, precision: "int8", rewrite });
    await convertInt8(path, { output: model, calib: table });
    return { engine, model };
  };
  return { name: basename(path), labelled, make };
}

function imported(model: string): Subject {
  const make = async (): ReturnType<Subject["make"]> => {
    const engine = join(folder, "engine.hone");
    const { recipe } = await buildFile(model, { output: engine });
    labelled = recipe === undefined ? undefined : recipe.name === "fastestdet" ? OBJECTS : FACES;
    return { engine, model };
  };
  let labelled: Labelled | undefined;
  return {
    name: basename(model),
    make,
    get labelled() {
      return labelled;
    },
  };
}

interface Agreement {
  readonly equal: number;
  readonly within: number;
}

/** The shares of elements that are equal, and within one step. */
async function agreement(engine: string, model: string): Promise<Agreement> {
  const session = await Session.open(engine, { native: "allow" });
  const peer = await openOnnxRuntime(model);
  const images = readdirSync(faces)
    .sort()
    .slice(0, COMPARED)
    .map((name) => join(faces, name));
  const inputs = session.inputMetadata.map(({ name, type, shape }) => {
    if (!isDType(type)) throw new Error(`${name} is text`);
    return { name, type, dims: shape.map(Number) };
  });
  const recipe = session.manifest.recipe === undefined ? undefined : parseRecipe(session.manifest.recipe, engine);
  const pairs = new Map<string, (readonly [Tensor, Tensor])[]>();
  try {
    for (const { feeds } of await makeFeeds(inputs, recipe, { images })) {
      const [ours, theirs] = [await session.run(feeds), await peer.run(feeds)];
      for (const name of session.outputNames) {
        const list = pairs.get(name) ?? [];
        list.push([must(ours[name], name), must(theirs[name], name)]);
        pairs.set(name, list);
      }
    }
  } finally {
    await session.close();
    await peer.close();
  }
  const counts = { all: 0, equal: 0, within: 0 };
  for (const list of pairs.values()) count(list, counts);
  return { equal: counts.equal / counts.all, within: counts.within / counts.all };
}

function count(list: readonly (readonly [Tensor, Tensor])[], counts: { all: number; equal: number; within: number }): void {
  let [low, high] = [Infinity, -Infinity];
  for (const [, { data }] of list) {
    for (const v of data) {
      low = Math.min(low, Number(v));
      high = Math.max(high, Number(v));
    }
  }
  const step = (high - low) / 255;
  for (const [ours, theirs] of list) {
    theirs.data.forEach((v: number | bigint, i: number) => {
      const difference = Math.abs(Number(v) - Number(ours.data[i]));
      counts.all++;
      // Rounding of a scale's multiples in float32 is no difference.
      if (difference <= 1e-5 * step) counts.equal++;
      if (difference <= step) counts.within++;
    });
  }
}

const EXPORTS: readonly Subject[] = [
  exported(join(shared, "models/yunet/yunet_n_640_640.onnx"), FACES),
  exported(join(shared, "models/retinaface-landmark/retinaface-mobilenet0.25-640.onnx"), FACES),
  exported(join(shared, "models/ultra-light/version-RFB-320.onnx"), FACES),
  exported(join(shared, "models/fastestdet/FastestDet.onnx"), OBJECTS),
  exported(await ensureModel("resnet18", join(tmpdir(), "hone-models")), undefined),
];

const given = process.argv.slice(2);
let missed = false;
process.stdout.write(
  `| model | equal | within a step | photos | AP hone | ONNX Runtime | AP50 hone | ONNX Runtime |\n|${"---|".repeat(8)}\n`,
);
for (const subject of given.length > 0 ? given.map(imported) : EXPORTS) {
  const { engine, model } = await subject.make();
  const { equal, within } = await agreement(engine, model);
  missed ||= within < LEAST_WITHIN;
  const cells = [equal, within].map((share) => share.toFixed(5));
  const { labelled } = subject;
  if (labelled) {
    const judged = { ...labelled, annotations: [labelled.annotations], rounds: 0 };
    const [ours] = await evaluateModels({ ...judged, models: [engine] });
    const [theirs] = await evaluateModels({ ...judged, models: [model], backends: ["onnxruntime"] });
    const both = ["AP", "AP50"].map((metric) => [ours, theirs].map((run) => (run?.metrics[metric] ?? NaN).toFixed(4)));
    missed ||= Math.abs((ours?.metrics["AP"] ?? 0) - (theirs?.metrics["AP"] ?? 1)) >= 0.0005;
    cells.push(String(ours?.images), ...both.flat());
  } else cells.push("", "", "", "", "");
  process.stdout.write(`| ${[subject.name, ...cells].join(" | ")} |\n`);
}
process.exitCode = missed ? 3 : 0;
