import { HoneError, type Problem } from "../../util/errors.ts";
import { inspectFile, valueText, type InspectedEngine, type InspectedModel, type InspectedValue } from "../../workflow/inspect.ts";
import { nanText } from "../../workflow/nan-weights.ts";
import { list } from "../options.ts";
import { bytesText, countText, fields, plural, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const inspect: Verb = defineVerb({
  summary: "Say what a model or an engine is, and what hone cannot do with it.",
  arguments: [{ name: "<file>", about: "an ONNX or TFLite model, or a .hone engine; no code of an engine is run" }],
  examples: [
    ["inspect model.onnx", "inputs, outputs, operators, problems"],
    ["inspect dynamic.onnx --shape input=1x3x640x640", "with the operations counted at that size"],
    ["inspect model.hone --json", "an engine, for a program"],
  ],
  options: { shape: list("--shape <input=dims>", "dims of an input whose shape the model leaves open") },
  run: async ({ signal }, [file = ""], { shape }): Promise<Outcome> => {
    const found = await inspectFile(file, { shapes: shape, signal });
    if (found.format === "hone") return { json: engineJson(found), text: (p) => engineText(found, p) };
    const { failure, ...json } = found;
    return {
      json,
      text: (p) => modelText(found, p),
      ...(failure ? { failure: new HoneError(failure.code, failure.message, { at: { file } }) } : {}),
    };
  },
});

function engineJson({ engine, ...rest }: InspectedEngine): Record<string, unknown> {
  return { ...rest, formatVersion: engine.version, manifest: engine.manifest };
}

const valuesText = (values: readonly InspectedValue[]): string => values.map((v) => `${v.name} ${valueText(v)}`).join("\n");

function modelText(m: InspectedModel, p: Paint): string {
  const kinds = Object.entries(m.ops);
  const total = kinds.reduce((n, [, count]) => n + count, 0);
  const format = m.format === "onnx" ? `ONNX, operator set ${m.opset ?? "unknown"}` : "TFLite";
  const text = fields(p, [
    ["model", `${m.file}, ${bytesText(m.bytes)}`],
    ["format", m.producer === "" ? format : `${format}, made by ${m.producer}`],
    ["inputs", valuesText(m.inputs)],
    ["outputs", valuesText(m.outputs)],
    ["operations", `${total}: ${kinds.map(([name, n]) => `${n} ${name}`).join(", ")}`],
    ...hostLine(m),
    ["parameters", countText(m.parameters)],
    ["MACs", m.macs === null ? "not known" : countText(m.macs)],
    ["recipe", `${m.recipe ?? "none"}: ${m.recipeWhy}`],
    ...m.nanWeights.map((weight): [string, string] => [p.yellow("damaged"), nanText(weight)]),
  ]);
  if (m.problems.length === 0) return `${text}\n\n${p.green("hone reads all of it.")}`;
  return `${text}\n\n${p.yellow(plural(m.problems.length, "problem"))}:\n${problemLines(m.problems).join("\n")}`;
}

/** What is not compiled is told apart. */
function hostLine({ hostOps }: InspectedModel): [string, string][] {
  const kinds = Object.entries(hostOps);
  return kinds.length === 0 ? [] : [["in JavaScript", kinds.map(([name, n]) => `${n} ${name}`).join(", ")]];
}

/** Equal problems at several nodes are one line. */
function problemLines(problems: readonly Problem[]): string[] {
  const nodes = new Map<string, string[]>();
  for (const { message, at, hint } of problems) {
    const line = `${message}${hint === undefined ? "" : ` (${hint})`}`;
    nodes.set(line, [...(nodes.get(line) ?? []), ...(at?.node === undefined ? [] : [at.node])]);
  }
  return [...nodes].map(([line, names]) => {
    const some = names.slice(0, 3).join(", ");
    const more = names.length > 3 ? `, and ${names.length - 3} more` : "";
    return `  - ${line}${names.length > 0 ? `: at ${some}${more}` : ""}`;
  });
}

/** How many there are, and where their precisions differ how many of each. */
function kernelsText({ kernels, precision }: InspectedEngine["engine"]["manifest"]): string {
  const counts = new Map<string, number>();
  for (const k of kernels) {
    const name = k.precision ?? precision;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const each = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `${count} ${name}`);
  return `${kernels.length}, ${precision}${counts.size > 1 ? `: ${each.join(", ")}` : ""}`;
}

function engineText(e: InspectedEngine, p: Paint): string {
  const { manifest } = e.engine;
  const recipe: unknown = manifest.recipe;
  const named = typeof recipe === "object" && recipe !== null && "name" in recipe ? String(recipe.name) : "none";
  const profiles = manifest.profiles.map(
    (profile) =>
      `${manifest.inputs.map((v, i) => `${v.name}=${(profile.inputs[i] ?? []).join("x")}`).join(" ")}, arena ${bytesText(profile.arenaBytes)}`,
  );
  return fields(p, [
    ["engine", `${e.file}, ${bytesText(e.bytes)}, format version ${e.engine.version}, built by hone ${manifest.hone}`],
    ["model", `${manifest.model.name}${manifest.model.licence === undefined ? "" : `, licence ${manifest.model.licence}`}`],
    ["inputs", valuesText(e.inputs)],
    ["outputs", valuesText(e.outputs)],
    ["profiles", profiles.join("\n")],
    ["kernels", kernelsText(manifest)],
    ["recipe", named],
    ["code for", manifest.targets.map((t) => t.section).join("\n")],
    ["here", e.target === null ? p.yellow(e.why) : `runs ${e.target}: ${e.why}`],
  ]);
}
