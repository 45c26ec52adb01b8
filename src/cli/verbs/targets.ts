import { listTargets } from "../../workflow/machine.ts";
import { fields, table } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

export const targets: Verb = defineVerb({
  summary: "List the machines that engines can be built for, and which this one can run.",
  arguments: [],
  examples: [
    ["targets", "what this machine is"],
    ["build model.onnx --machine avx2", "build for one of them"],
  ],
  options: {},
  run: async (): Promise<Outcome> => {
    const found = await listTargets();
    const rows = found.targets.map((t) => [
      t.chosen ? `${t.name} *` : t.name,
      t.arch,
      String(t.lanes),
      t.here ? "yes" : `no: ${t.lacks}`,
      t.needs.join(" ") || "–",
    ]);
    return {
      json: { ...found },
      text: (p) =>
        `${fields(p, [
          ["platform", found.platform],
          ["compiler", found.compiler ?? p.yellow("none: `hone doctor` says what to do")],
          ["target", "c: loop nests printed as C, compiled by the machine's compiler"],
        ])}\n\n${table(p, ["machine", "arch", "floats", "runs here", "needs"], rows)}\n\n${p.dim("* is what hone build chooses here")}`,
    };
  },
});
