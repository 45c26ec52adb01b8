import { runFile, type OutputSummary, type RunResult } from "../../workflow/run.ts";
import { list, number, text } from "../options.ts";
import { fields, msText, smallText, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const run: Verb = defineVerb({
  summary: "Run an engine once, on arrays, an image or random numbers. An engine is a program: run only those you trust.",
  arguments: [{ name: "<engine>", about: "a .hone file" }],
  examples: [
    ["run model.hone --image photo.jpg", "through the engine's recipe"],
    ["run model.hone --input x=x.npy -o results", "outputs as results/NAME.npy"],
    ["run model.hone", "on seeded random numbers"],
  ],
  options: {
    input: list("--input <name=file>", "a .npy file for an input, of strings a .json file; repeat for more inputs"),
    image: text("--image <file>", "a photo: through the recipe, or stretched to the input and scaled to 0–1"),
    recipe: text("--recipe <name|file>", "instead of the engine's own"),
    output: text("-o, --output <folder>", "write every output as a .npy file into this folder, strings as .json"),
    profile: number("--profile <number>", "which of the engine's shapes images and random numbers are for", 0, { min: 0, integer: true }),
    seed: number("--seed <number>", "of the random numbers", 1, { min: 0, max: 2 ** 32 - 1, integer: true }),
  },
  run: async ({ signal, onEvent }, [engine = ""], values): Promise<Outcome> => {
    const result = await runFile(engine, {
      signal,
      onEvent,
      arrays: values.input,
      image: values.image,
      recipe: values.recipe,
      outputFolder: values.output,
      profile: values.profile,
      seed: values.seed,
    });
    return { json: { ...result }, text: (p) => runText(result, p) };
  },
});

function runText({ engine, target, feeds, milliseconds, outputs }: RunResult, p: Paint): string {
  const head = fields(p, [
    ["engine", `${engine}, ${target}`],
    ["fed", feeds],
    ["one run", msText(milliseconds)],
  ]);
  const rows = outputs.map((o) => [o.name, `${o.type}[${o.dims.join(",")}]`, ...numbersOf(o), o.file ?? ""]);
  const texts = outputs.flatMap(({ name, strings }) => (strings ? [`${name}: ${JSON.stringify(strings)}`] : []));
  const written = texts.length > 0 ? `\n\n${texts.join("\n")}` : "";
  return `${head}\n\n${table(p, ["output", "type", "min", "max", "mean", "not finite", outputs[0]?.file === undefined ? "" : "file"], rows)}${written}`;
}

/** Strings have no smallest one. */
const numbersOf = (o: OutputSummary): string[] =>
  o.strings ? ["", "", "", ""] : [smallText(o.min), smallText(o.max), smallText(o.mean), String(o.notFinite)];
