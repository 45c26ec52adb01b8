import { HoneError } from "../../util/errors.ts";
import { checkMachine, type Check } from "../../workflow/machine.ts";
import type { Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const doctor: Verb = defineVerb({
  summary: "Check what this machine has and lacks for hone, with what to do about each.",
  arguments: [],
  examples: [["doctor", "exit code 1 when something that is needed is broken"]],
  options: {},
  run: async (): Promise<Outcome> => {
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
