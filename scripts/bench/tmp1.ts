import { writeFileSync, mkdirSync } from "node:fs";
import { CASES } from "./cases.ts";
import { compileGraph } from "../../src/compiler/compile.ts";
import { printEngine } from "../../src/targets/c/engine.ts";
import { legalize } from "../../src/loop/legalize/index.ts";
import { C_CAPABILITIES } from "../../src/targets/c/capabilities.ts";
const machine = process.argv[2] === "512" ? { lanes: 16, registers: 32 } : { lanes: 8, registers: 16 };
CASES.forEach((c, i) => {
  const g = compileGraph(c.graph, {
    machine,
    onEvent: (e) => {
      if (e.kind === "kernel") console.log(JSON.stringify(e));
    },
  });
  const p = g.programs[0]!;
  const e = printEngine([{ calls: p.calls.map((c) => ({ ...c, func: legalize(c.func, C_CAPABILITIES) })) }]);
  mkdirSync(`/tmp/ct/c${i}`, { recursive: true });
  for (const f of [...e.kernels, e.header, e.entry]) writeFileSync(`/tmp/ct/c${i}/${f.name}`, f.text);
  console.log(c.name, e.names, p.arenaBytes, g.weights.length);
  // find kernel call of interest: conv
  p.calls.forEach((call, k) =>
    console.log(k, e.names[0]![k], call.func.params.map((x) => x.name + ":" + x.length).join(" "), call.kernel.schedules.join()),
  );
});
