import { dirname } from "node:path";
import { buildFile, graphAfter, type BuiltFile } from "../../workflow/build.ts";
import { given } from "../../workflow/events.ts";
import { baseName } from "../../workflow/model-file.ts";
import type { BuildTarget, Precision } from "../../index.ts";
import { METHODS } from "../../workflow/calibrate-file.ts";
import { halfBuild, type HalfBuild } from "../../workflow/half-weights.ts";
import { int8For, type FloatLayer, type Int8 } from "../../workflow/int8.ts";
import { nanText, nanWeights } from "../../workflow/nan-weights.ts";
import { HoneError } from "../../util/errors.ts";
import { dropGate, int8Within, type AssignedInt8, type HalfDrop, type MaxDrop } from "../../workflow/max-drop.ts";
import { LABELLED, labelledOf } from "../labelled.ts";
import { choice, choices, flag, flagOrText, list, optionalNumber, text, type Values } from "../options.ts";
import { bytesText, fields, plural, secondsText, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

/** `c` is what native code is printed as, an older name for it. */
const TARGETS = ["native", "wasm", "c"] as const;

const PRECISIONS: readonly Precision[] = ["fp32", "fp16", "bf16", "int8"];

const buildTargets = (names: readonly (typeof TARGETS)[number][]): readonly BuildTarget[] | undefined =>
  names.length === 0 ? undefined : names.map((name) => (name === "c" ? "native" : name));

export const build: Verb = defineVerb({
  summary: "Compile a model into an engine: native code for this machine, WebAssembly, or both.",
  arguments: [{ name: "<model>", about: "an ONNX or TFLite file" }],
  examples: [
    ["build model.onnx -o model.hone", "compile for this machine"],
    ["build dynamic.onnx -o d.hone --shape input=1x3x320x320 --shape input=1x3x640x640", "two profiles"],
    ["build model.onnx -o model.hone --target native,wasm", "also for browsers and machines of other kinds"],
    ["build detector.onnx -o d.hone --photo-input", "an engine that takes a photo's bytes as they are"],
    ["build model.onnx --precision fp16 -o model16.hone", "weights in float16, of half the size; bf16 is as small and rounds more"],
    ["build model.onnx --precision int8 --calib photos -o model8.hone", "int8, with ranges from photos like those it will see"],
    [
      "build model.onnx --precision int8 --calib photos --max-drop 0.5 --eval-images val --annotations val.json",
      "int8 but where it costs accuracy; exit code 3 when photos that had no say in it lose more than half a point",
    ],
    ["build model.onnx -o model.hone --emit=so --keep", "also every stage from C to the library"],
    ["build model.onnx --stop-after=constant-folding", "print the graph after a pass"],
  ],
  options: {
    output: text("-o, --output <file>", "the engine (default: the model's name with .hone)"),
    shape: list("--shape <input=dims>", "dims of an input, such as input=1x3x640x640; repeat for inputs and for profiles"),
    recipe: text("--recipe <name|file>", "what the model means (default: the one bundled recipe that fits)"),
    target: choices("--target <names>", "what the code is (default: native, or wasm where there is no C compiler)", TARGETS),
    precision: choice(
      "--precision <name>",
      "fp16 and bf16: of the weights; int8: of the layers that gain from it (default: fp32)",
      PRECISIONS,
    ),
    int8: choice("--int8 <layers>", "which layers: those that are faster for it (the default) or all that can be", ["faster", "all"]),
    calib: text("--calib <folder|table>", "for int8: photos, or a table that `hone calibrate` made"),
    method: choice("--method <name>", "how ranges are chosen from the photos (default: best)", METHODS),
    maxDrop: optionalNumber("--max-drop <points>", "for int8: the most that AP and AP50 may lose, in points of a hundred", {
      min: 0,
      max: 100,
    }),
    ...LABELLED,
    photoInput: flag("--photo-input", "take photos as bytes, [1,H,W,3] in RGB: the recipe's normalisation goes into the first layer"),
    machine: text("--machine <name>", "CPU to build for, of those that `hone targets` lists (default: this one)"),
    schedule: choice("--schedule <name>", "how loops are arranged; naive is the textbook", ["auto", "naive"]),
    emit: choice("--emit <stage>", "where to stop: c, i, s, o leave only files; so makes the engine too", ["c", "i", "s", "o", "so"]),
    keep: flagOrText("--keep [folder]", "keep the files of the stages (default folder: the output's name with .stages)"),
    dump: choices("--dump <what>", "write the steps between as text beside the output", ["graph", "pass", "loop", "source", "asm"]),
    stopAfter: text("--stop-after <pass>", "print the graph after this pass and stop; `import` is the graph as it came"),
  },
  run: async ({ signal, onEvent }, [model = ""], values): Promise<Outcome> => {
    const output = values.output ?? `${baseName(model)}.hone`;
    const stem = output.replace(/\.hone$/, "");
    const common = {
      signal,
      onEvent,
      shapes: values.shape,
      schedule: values.schedule ?? "auto",
      machine: values.machine,
      targets: buildTargets(values.target),
      recipe: values.recipe,
      photoInput: values.photoInput,
    } as const;
    if (values.stopAfter !== undefined) {
      const graph = await graphAfter(model, values.stopAfter, common);
      return { json: { model, stopAfter: values.stopAfter, graph }, text: () => graph.trimEnd() };
    }
    const calib = calibrationOf(values);
    const max = maxDropOf(values);
    const precision = values.precision ?? "fp32";
    const half = halvesFor(precision);
    let int8: Int8 | undefined;
    let assigned: AssignedInt8 | undefined;
    const quantise = async (from: string): Promise<Int8> => {
      const how = { ...common, calib: from, method: values.method, layers: values.int8 };
      if (max === undefined) return int8For(model, how);
      assigned = await int8Within(model, how, max);
      return assigned.int8;
    };
    const keep = keepFolder(values.keep, values.emit !== undefined, `${stem}.stages`);
    const built = await buildFile(model, {
      ...common,
      output,
      emit: values.emit,
      dump: values.dump,
      dumpFolder: `${stem}.dump`,
      ...given("keep", keep),
      precision,
      ...given("rewrite", half?.rewrite),
      rewriteBy: calib === undefined ? undefined : async () => (int8 = await quantise(calib)).rewrite,
    });
    return {
      json: { ...buildJson(built, int8, half), precision, ...given("maxDrop", assigned && dropJson(assigned)) },
      text: (p) => buildText(built, p, { int8, half, assigned }),
      ...given("failure", assigned && dropGate(assigned, model)),
    };
  },
});

const halvesFor = (precision: Precision): HalfBuild | undefined =>
  precision === "fp16" || precision === "bf16" ? halfBuild(precision) : undefined;

/** The gate of int8's accuracy; undefined without one. */
function maxDropOf(
  values: Values<typeof LABELLED> & { readonly maxDrop: number | undefined; readonly precision: string | undefined },
): MaxDrop | undefined {
  const labelled = labelledOf(values);
  if (values.maxDrop === undefined && labelled === undefined) return undefined;
  if (values.maxDrop !== undefined && labelled !== undefined && values.precision === "int8") return { ...labelled, points: values.maxDrop };
  throw new HoneError("usage", "--max-drop needs photos with labels, and int8", {
    hint: "--precision int8 --calib FOLDER --max-drop 0.5 --eval-images FOLDER --annotations FILE|FOLDER",
  });
}

const halfJson = ({ fp32, int8, drop }: HalfDrop): Record<string, unknown> => ({ fp32, int8, drop });

const dropJson = ({ points, float, chosen, judged }: AssignedInt8): Record<string, unknown> => ({
  points,
  float,
  chosen: halfJson(chosen),
  judged: halfJson(judged),
  passed: judged.drop <= points,
});

function dropRows({ points, float, chosen, judged }: AssignedInt8): (readonly [string, string])[] {
  const half = ({ fp32, int8, drop }: HalfDrop): string =>
    `AP ${percent(fp32.AP)} → ${percent(int8.AP)}, AP50 ${percent(fp32.AP50)} → ${percent(int8.AP50)}: ${drop.toFixed(2)} points lost`;
  return [
    ["at most", `${points} points, for which ${plural(float.length, "layer")} are computed in float32`],
    [`${chosen.fp32.images} photos chose`, half(chosen)],
    [`${judged.fp32.images} others judge`, half(judged)],
  ];
}

const percent = (share: number): string => (100 * share).toFixed(2);

/** What to calibrate int8 with; undefined for fp32. */
function calibrationOf({
  precision,
  calib,
  method,
  int8,
}: {
  readonly precision: string | undefined;
  readonly calib: string | undefined;
  readonly method: string | undefined;
  readonly int8: string | undefined;
}): string | undefined {
  if (precision !== "int8") {
    if (calib === undefined && method === undefined && int8 === undefined) return undefined;
    throw new HoneError("usage", "--calib, --method and --int8 are for int8", { hint: "Add --precision int8." });
  }
  if (calib === undefined) {
    throw new HoneError("usage", "int8 needs photos like those that the model will see, or a calibration table", {
      hint: "Give --calib FOLDER, or --calib TABLE.json made by hone calibrate.",
    });
  }
  return calib;
}

/** Files that were asked for with --emit must lie somewhere. */
function keepFolder(keep: string | boolean, emits: boolean, otherwise: string): string | undefined {
  if (typeof keep === "string") return keep;
  return keep || emits ? otherwise : undefined;
}

function buildJson(
  { engine, build, recipe, recipeWhy, seconds, files, model, graph }: BuiltFile,
  int8: Int8 | undefined,
  half: HalfBuild | undefined,
): Record<string, unknown> {
  const { compiled, fromCache, target, targetWhy, kernels } = build;
  return {
    model: model.path,
    engine: engine?.path ?? null,
    bytes: engine?.bytes ?? 0,
    target,
    targetWhy,
    weightsBytes: compiled.weights.length,
    nanWeights: nanWeights(graph),
    ...given("int8", int8 && int8Json(int8)),
    ...given("halves", half?.layers()),
    seconds: Number(seconds.toFixed(3)),
    fromCache,
    nodes: compiled.nodes,
    kernels,
    profiles: compiled.programs.map((p) => ({
      inputs: p.inputs,
      outputs: p.outputs,
      arenaBytes: p.arenaBytes,
      arenaLowerBound: p.arenaLowerBound,
    })),
    recipe: recipe?.name ?? null,
    recipeWhy,
    files,
  };
}

export function int8Json({ table, photos, skipped, layers }: Int8): Record<string, unknown> {
  const { int8, float } = layers();
  return { layers: int8, float, method: table.method, photos, skipped: skipped.map((s) => ({ file: s.at?.file ?? null, why: s.message })) };
}

/** One kernel can be of several layers. */
const inFloat = ({ layer, precision, why }: Pick<FloatLayer, "layer" | "why"> & { readonly precision?: string }): string =>
  `${layer} ${layer.includes(", ") ? "are" : "is"} ${precision ?? "fp32"}: ${why}`;

/** What became int8, from what, and what did not. */
export function int8Rows({ table, photos, skipped, layers }: Int8): (readonly [string, string])[] {
  const { int8, float } = layers();
  const left = skipped.map((s) => `\nskipped ${s.at?.file ?? ""}: ${s.message}`).join("");
  const from = photos > 0 ? `from ${plural(photos, "photo")}${left}` : "from the table";
  const kept = float.map((kept) => `\n${inFloat(kept)}`).join("");
  return [
    ["int8", `${plural(int8, "layer")}${kept}`],
    ["ranges", `${table.method}, ${from}`],
  ];
}

interface Made {
  readonly int8: Int8 | undefined;
  readonly half: HalfBuild | undefined;
  readonly assigned: AssignedInt8 | undefined;
}

function halfRow({ layers }: HalfBuild): readonly [string, string] {
  const { half, float } = layers();
  return ["weights", [`in halves in ${plural(half, "layer")}`, ...float.map(inFloat)].join("\n")];
}

function buildText(built: BuiltFile, p: Paint, { int8, half, assigned }: Made): string {
  const { engine, build, recipe, recipeWhy, seconds, files } = built;
  const { nodes, programs } = build.compiled;
  const rows: (readonly [string, string])[] = [];
  if (engine !== undefined) rows.push(["engine", `${engine.path}, ${bytesText(engine.bytes)}`]);
  if (int8) rows.push(...int8Rows(int8));
  if (half) rows.push(halfRow(half));
  for (const weight of nanWeights(built.graph)) rows.push([p.yellow("damaged"), nanText(weight)]);
  if (assigned) rows.push(...dropRows(assigned));
  rows.push(
    ["operations", `${nodes.before} → ${nodes.after}, ${plural(build.kernels, "distinct kernel")}`],
    ["target", `${build.target}: ${build.targetWhy}`],
    ["machine", `${build.machine.name}, ${build.machine.lanes} floats in a vector`],
    ["recipe", `${recipe?.name ?? "none"}: ${recipeWhy}`],
    ["built in", `${secondsText(seconds)}${build.fromCache ? ", nothing had to be compiled anew" : ""}`],
  );
  const profiles = table(
    p,
    ["profile", "arena", "least possible"],
    programs.map((program) => [
      build.compiled.graph.inputs.map((v, i) => `${v.name}=${(program.inputs[i] ?? []).join("x")}`).join(" "),
      bytesText(program.arenaBytes),
      bytesText(program.arenaLowerBound),
    ]),
  );
  const folders = [...new Set(files.map((file) => dirname(file)))];
  const kept = files.length > 0 ? `\n\n${plural(files.length, "file")} in ${folders.join(" and ")}` : "";
  return `${fields(p, rows)}\n\n${profiles}${kept}`;
}
