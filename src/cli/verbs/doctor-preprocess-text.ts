/** What `hone doctor --preprocess` prints: for people and as JSON. */
import { HoneError } from "../../util/errors.ts";
import type { Mismatch, PreprocessDiagnosis } from "../../workflow/doctor-preprocess.ts";
import { fields, table, type Paint } from "../text.ts";
import type { Outcome } from "../verb.ts";

type Found = PreprocessDiagnosis["found"];

export function preprocessOutcome(d: PreprocessDiagnosis, model: string): Outcome {
  const failure = failureOf(d, model);
  return { json: jsonOf(d), text: (p) => textOf(d, p), ...(failure ? { failure } : {}) };
}

function jsonOf({ verdict, found, same, ranked, recipe }: PreprocessDiagnosis): Record<string, unknown> {
  return { verdict, preprocess: found.rule, distance: found.distance, same, recipe: recipe ?? null, ranked: ranked.slice(0, 9) };
}

function failureOf({ verdict, found, recipe }: PreprocessDiagnosis, model: string): HoneError | undefined {
  const at = { file: model };
  if (verdict === "none") {
    return new HoneError(
      "gate.accuracy",
      `nothing that hone knows makes the reference: the nearest is ${levels(found.distance.mean)} away`,
      {
        at,
        hint: "Is it the tensor of this image, before the model? A crop, another rotation or a JPEG decoded smaller are not searched for.",
      },
    );
  }
  if (recipe === undefined || recipe.agrees) return undefined;
  const wrong = recipe.mismatches.map((m) => m.field).join(", ") || "its rounding";
  return new HoneError("gate.accuracy", `the recipe ${recipe.name} does not make the reference: ${wrong}`, {
    at,
    hint: "Write the preprocess above into a copy of the recipe, and name it with --recipe FILE.",
  });
}

const levels = (n: number): string => `${n.toFixed(n < 10 ? 2 : 1)} grey levels`;
const distanceText = ({ mean, max }: Found["distance"]): string => `${levels(mean)} in the mean, ${max.toFixed(1)} at most`;

const VERDICTS = {
  same: "the same, pixel for pixel",
  near: "nearly the same: another decoder or another library's rounding",
  none: "not the same: nothing that is searched for makes it",
} as const;

function resizeText({ dialect, fit, place }: Found["rule"]["resize"]): string {
  return fit === "stretch" ? `${dialect} stretch` : `${dialect} letterbox, ${place}`;
}

const three = (values: readonly number[]): string =>
  new Set(values).size === 1 ? String(values[0]) : `(${values.map((v) => String(v)).join(", ")})`;

function ruleText({ resize, channels, layout, dtype, mean, std }: Found["rule"]): string {
  const fill = resize.fit === "letterbox" ? `, fill ${three(resize.fill)}` : "";
  return `${resizeText(resize)}${fill}, ${channels}, ${layout}, ${dtype}, mean ${three(mean)}, std ${three(std)}`;
}

function textOf({ verdict, found, same, ranked, recipe }: PreprocessDiagnosis, p: Paint): string {
  const others = same.filter((r) => resizeText(r) !== resizeText(found.rule.resize)).map(resizeText);
  const rows: [string, string][] = [
    ["reference", ruleText(found.rule)],
    ["", `${VERDICTS[verdict]} (${distanceText(found.distance)})`],
    ...(others.length > 0 ? [["", `this image cannot tell it from ${others.join("; ")}`] as [string, string]] : []),
    ["recipe", recipe === undefined ? "none fits the model" : recipeText(recipe)],
  ];
  const parts = [fields(p, rows)];
  if (recipe && recipe.mismatches.length > 0) parts.push(mismatchTable(recipe.mismatches, p));
  if (verdict === "none" || others.length === 0) parts.push(rankedTable(ranked, p));
  if (verdict !== "none" && recipe?.agrees !== true) {
    parts.push(`${p.bold("For the recipe:")}\n  "preprocess": ${compact(found.rule)}`);
  }
  return parts.join("\n\n");
}

/** JSON with a line a field, lists on one line. */
function compact(rule: Found["rule"]): string {
  const text = JSON.stringify(rule, null, 2).replaceAll(/\[[^\]]*\]/g, (list) =>
    list.replaceAll(/\s+/g, " ").replace("[ ", "[").replace(" ]", "]"),
  );
  return text.replaceAll("\n", "\n  ");
}

function recipeText({ name, agrees, distance }: NonNullable<PreprocessDiagnosis["recipe"]>): string {
  if (agrees) return `${name} makes the reference`;
  return distance === undefined ? `${name} makes a tensor of another shape or type` : `${name} is ${distanceText(distance)} away`;
}

function mismatchTable(mismatches: readonly Mismatch[], p: Paint): string {
  const shown = (value: unknown): string => (Array.isArray(value) ? three(value.map(Number)) : String(value));
  const rows = mismatches.map((m) => [
    m.field,
    shown(m.recipe),
    shown(m.reference),
    m.costs === undefined ? "does not fit" : levels(m.costs),
  ]);
  return table(p, ["differs", "recipe", "reference", "costs alone"], rows);
}

function rankedTable(ranked: PreprocessDiagnosis["ranked"], p: Paint): string {
  const rows = ranked
    .slice(0, 4)
    .map(({ rule, distance }) => [resizeText(rule.resize), rule.channels, distance.mean.toFixed(2), distance.max.toFixed(1)]);
  return table(p, ["nearest", "channels", "mean", "most"], rows);
}
