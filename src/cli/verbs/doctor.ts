import { HoneError } from "../../util/errors.ts";
import { diagnosePreprocess } from "../../workflow/doctor-preprocess.ts";
import { checkMachine, type Check } from "../../workflow/machine.ts";
import { text } from "../options.ts";
import type { Paint } from "../text.ts";
import { preprocessOutcome } from "./doctor-preprocess-text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const doctor: Verb = defineVerb({
  summary: "Check what this machine has and lacks for hone, or which preprocessing a model was fed with.",
  arguments: [],
  examples: [
    ["doctor", "exit code 1 when something that is needed is broken"],
    [
      "doctor --preprocess model.onnx --reference fed.npy --image photo.jpg",
      "which preprocessing made a tensor, and where the recipe differs",
    ],
  ],
  options: {
    preprocess: text("--preprocess <model>", "a model or engine whose recipe is held against a reference tensor"),
    reference: text("--reference <file.npy>", "what another program feeds the model for the image"),
    image: text("--image <file>", "the photo that the reference was made from"),
    recipe: text("--recipe <name|file>", "in place of the model's own recipe"),
  },
  run: async ({ signal, onEvent }, _args, { preprocess, reference, image, recipe }): Promise<Outcome> => {
    if (preprocess !== undefined || reference !== undefined || image !== undefined) {
      if (preprocess === undefined || reference === undefined || image === undefined) {
        throw new HoneError("usage", "--preprocess, --reference and --image are needed together", {
          hint: "hone doctor --preprocess MODEL --reference tensor.npy --image photo.jpg",
        });
      }
      const diagnosis = await diagnosePreprocess({ model: preprocess, reference, image, recipe, signal, onEvent });
      return preprocessOutcome(diagnosis, preprocess);
    }
    const checks = await checkMachine();
    const broken = checks.filter((c) => c.state === "broken");
    const failure = broken.length > 0 && new HoneError("toolchain.missing", `not well: ${broken.map((c) => c.name).join(", ")}`);
    return {
      json: { well: broken.length === 0, checks },
      text: (p) => checks.map((c) => line(c, p)).join("\n"),
      ...(failure ? { failure } : {}),
    };
  },
});

function line({ name, state, found, fix }: Check, p: Paint): string {
  const mark = { ok: p.green("ok     "), missing: p.yellow("missing"), broken: p.red("BROKEN ") }[state];
  return `${mark}  ${name.padEnd(16)}  ${found}${fix === undefined ? "" : `\n${" ".repeat(27)}fix: ${fix}`}`;
}
