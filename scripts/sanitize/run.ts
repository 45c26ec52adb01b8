/**
 * npm run sanitize -- [MODEL…] [--only gcc|clang|threads|valgrind] [--precision fp32|int8]
 *
 * Builds the generated C of every shared model that hone reads, in float32 and in int8, with AddressSanitizer and UndefinedBehaviorSanitizer, by gcc
 * and by clang, with ThreadSanitizer, and as it is for valgrind. Each runs as an engine does, then call by call with all memory hidden that is not the
 * call's own, then shared by three threads; all runs must give the same bytes. Exit code 1 when one is not clean.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { compileGraph } from "../../src/compiler/compile.ts";
import { kernelFlags } from "../../src/compiler/node/native.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { legalize } from "../../src/loop/legalize/index.ts";
import { bindInputs } from "../../src/passes/bind-shapes.ts";
import { applyInt8 } from "../../src/quant/apply.ts";
import { planInt8 } from "../../src/quant/plan.ts";
import { C_CAPABILITIES } from "../../src/targets/c/capabilities.ts";
import { C_MACHINES, type CMachine } from "../../src/targets/c/machines.ts";
import { Toolchain } from "../../src/toolchain/toolchain.ts";
import { HoneError, must } from "../../src/util/errors.ts";
import { importFile, readModelFile } from "../../src/workflow/model-file.ts";
import { checkedProgram } from "./program.ts";

const root = join(import.meta.dirname, "../..");
const models = join(root, "../shared/models");
const out = join(root, "out/sanitize");
const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: "string" }, precision: { type: "string" } } });

/** valgrind knows no AVX-512. */
const MACHINE = must(
  C_MACHINES.find((m) => m.name === "avx2"),
  "the machine avx2",
);

interface Checker {
  readonly name: string;
  readonly cc: string;
  /** In place of the optimising ones; undefined: as an engine is compiled. */
  readonly flags?: readonly string[];
  readonly linkFlags: readonly string[];
  readonly under: readonly string[];
}

const SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
/** Without optimisation: that takes a tenth of the time to compile, and what the text does is all there to be seen. */
const sanitized = (cc: string): Checker => ({
  name: cc,
  cc,
  flags: ["-std=gnu11", "-O0", "-g1", "-ffp-contract=fast", "-Wno-psabi", ...SANITIZE],
  linkFlags: [...SANITIZE, "-lm"],
  under: [],
});
/** With some optimisation: without, each access is checked and a model takes minutes. */
const threadFlags = ["-std=gnu11", "-O1", "-g1", "-ffp-contract=fast", "-Wno-psabi", "-fsanitize=thread"];
const CHECKERS: readonly Checker[] = [
  sanitized("gcc"),
  sanitized("clang"),
  { ...sanitized("clang"), name: "threads", flags: threadFlags, linkFlags: ["-fsanitize=thread", "-lm"] },
  { name: "valgrind", cc: "gcc", linkFlags: ["-lm", "-lpthread"], under: ["valgrind", "-q", "--error-exitcode=9", "--leak-check=no"] },
];

/** Its branches can be told only for given shapes: a window that both of its rates can have. */
const SILERO = { input: [1, 256], state: [2, 1, 128] };

function modelFiles(): string[] {
  if (positionals.length > 0) return positionals;
  const found = existsSync(models) ? readdirSync(models, { recursive: true, encoding: "utf8" }) : [];
  const shared = found.filter((f) => /\.(onnx|tflite)$/.test(f)).map((f) => join(models, f));
  const npm = join(root, "node_modules/@mediapipe/face_detection");
  const own = existsSync(npm) ? readdirSync(npm).filter((f) => f.endsWith(".tflite")) : [];
  return [...shared.sort(), ...own.map((f) => join(npm, f))];
}

/** Symbols get small sizes that are no multiple of a tile: a batch of 1, sides of 160 and 96. */
function bound(graph: Graph): Graph {
  const shapes = graph.inputs.map((v) => {
    const rank = v.shape.length;
    return [v.name, v.shape.map((d, i) => (typeof d === "number" ? d : i === 0 ? 1 : i === rank - 1 ? 160 : 96))] as const;
  });
  return graph.inputs.some((v) => v.shape.some((d) => typeof d !== "number")) ? bindInputs(graph, Object.fromEntries(shapes)) : graph;
}

/** Ranges as wide for every value as the integers' sizes need to be tried; what the model would be worth with them does not matter. */
function int8(graph: Graph): Graph {
  const plan = planInt8(graph);
  return applyInt8(plan, new Map(plan.observed.map((v) => [v.name, { min: -4, max: 4 }])));
}

const PRECISIONS = ["fp32", "int8"] as const;
type Precision = (typeof PRECISIONS)[number];

async function check(graph: Graph, name: string, checker: Checker, precision: Precision): Promise<string | undefined> {
  const machine: CMachine = MACHINE;
  const options = { machine, threads: true, ...(precision === "int8" ? { rewrite: int8 } : {}) };
  const compiled = compileGraph(graph, options, (b) => createHash("sha256").update(b).digest("hex"));
  const program = must(compiled.programs[0], "a program");
  const calls = program.calls.map((c) => ({ func: legalize(c.func, C_CAPABILITIES), pointers: c.pointers }));
  const { engine, main } = checkedProgram(program, calls, compiled.weights.length);
  const tools = await Toolchain.open({ cc: checker.cc });
  const built = await tools.build({
    name: "checked",
    sources: [...engine.kernels, engine.entry, { name: "main.c", text: main }],
    headers: [engine.header],
    emit: "exe",
    flags: [...(checker.flags ?? kernelFlags(tools.compiler.family)), ...machine.flags],
    linkFlags: checker.linkFlags,
  });
  const weights = join(out, `${name.replace(/\W+/g, "_")}_${precision}.bin`);
  mkdirSync(out, { recursive: true });
  writeFileSync(weights, compiled.weights);
  const line = [...checker.under, must(built.outputs[0], "a program").path, weights];
  const { status, signal, stdout, stderr } = spawnSync(must(line[0], "a command"), line.slice(1), { encoding: "utf8", maxBuffer: 1 << 26 });
  return status === 0 ? undefined : `${signal ?? `exit code ${String(status)}`}\n${`${stdout}${stderr}`.slice(0, 4000)}`;
}

const checkers = CHECKERS.filter((c) => values.only === undefined || c.name === values.only);
const precisions = PRECISIONS.filter((p) => values.precision === undefined || p === values.precision);
let [broken, clean] = [0, 0];
for (const path of modelFiles()) {
  const name = relative(path.startsWith(models) ? models : root, path);
  let graph: Graph;
  try {
    const shapes = path.includes("silero") ? [SILERO] : [];
    graph = bound(importFile(await readModelFile(path), shapes));
  } catch (error) {
    // A file that is not there or not read must not pass for one that is clean.
    if (!(error instanceof HoneError && error.code === "model.unsupported")) throw error;
    process.stdout.write(`-        ${name}: ${error.code}\n`);
    continue;
  }
  for (const [checker, precision] of checkers.flatMap((c) => precisions.map((p) => [c, p] as const))) {
    const began = performance.now();
    const found = await check(graph, name, checker, precision);
    if (found === undefined) clean++;
    else broken++;
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    process.stdout.write(
      `${found === undefined ? "clean " : "BROKEN"}   ${checker.name.padEnd(8)} ${precision} ${name} (${seconds} s)\n${found ?? ""}`,
    );
  }
}
process.stdout.write(`${clean} clean, ${broken} broken\n`);
process.exitCode = broken > 0 ? 1 : 0;
