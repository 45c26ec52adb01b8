/**
 * npm run conformance:onnx [-- --target interpret|c|c-naive|wasm] [--group node] [--only REGEXP] [--json] [--list]
 * Runs ONNX's backend test suite and counts what passes. Fails when a case fails that is not in the list of exclusions, or one
 * in it passes, or when what is unsupported is not what the list of that says.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sized } from "../../src/tensor/sized.ts";
import { HostRun } from "../../src/text/program.ts";
import { isStrings, type AnyTensor } from "../../src/text/tensor.ts";
import { HoneError, must } from "../../src/util/errors.ts";
import { cBackend, interpretBackend, machineWith, wasmBackend, type Backend, type Case, type Outcome } from "./backends.ts";
import { difference, ONNX_TOLERANCE } from "./compare.ts";
import { ARCHIVE, caseNames, GROUPS, readCases, unpackArchive, type OnnxCase } from "./onnx-cases.ts";

interface Count {
  passed: number;
  failed: number;
  unsupported: number;
  excluded: number;
}

interface Verdict {
  readonly group: string;
  readonly name: string;
  readonly state: keyof Count;
  readonly why?: string;
}

const { values: options } = parseArgs({
  options: {
    target: { type: "string", default: "interpret" },
    group: { type: "string" },
    only: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

const TARGETS: Record<string, () => Promise<Backend>> = {
  interpret: () => Promise.resolve(interpretBackend),
  c: async () => cBackend({ machine: await machineWith(), schedule: "auto", onRun: trace }),
  "c-naive": async () => cBackend({ machine: await machineWith(), schedule: "naive", onRun: trace }),
  wasm: () => Promise.resolve(wasmBackend()),
};

/** The last line on stderr names the case during which a kernel crashed the process. */
function trace(name: string): void {
  if (process.env["HONE_TRACE"]) process.stderr.write(`${name}\n`);
}

const EXCLUSIONS = JSON.parse(readFileSync(join(import.meta.dirname, "onnx-exclusions.json"), "utf8")) as Record<string, string>;

interface Unsupported {
  readonly reason: string;
  readonly cases: readonly string[];
}

/** What hone does not read, and why not. */
const UNSUPPORTED = new Set(
  (JSON.parse(readFileSync(join(import.meta.dirname, "onnx-unsupported.json"), "utf8")) as readonly Unsupported[]).flatMap((u) => u.cases),
);

/** Cases whose verdict contradicts the lists, in words; one that is not run is not judged. */
function contradictions(verdicts: readonly Verdict[]): string[] {
  return verdicts.flatMap(({ name, state }) => {
    if (state === "unsupported" && !UNSUPPORTED.has(name)) return [`${name} is unsupported, and not listed as such`];
    return state !== "unsupported" && UNSUPPORTED.has(name) ? [`${name} is read: take it out of the unsupported ones`] : [];
  });
}

function failure(group: string, name: string, error: unknown): Verdict {
  const text = error instanceof HoneError ? error.describe() : String(error instanceof Error ? error.stack : error);
  const unsupported = error instanceof HoneError && (error.code === "model.unsupported" || error.code === "shape.unbound");
  return { group, name, state: unsupported ? "unsupported" : "failed", why: text.split("\n").slice(0, 4).join(" ") };
}

/** A case as kernels are given it: with strings, after what JavaScript does before them. */
interface Begun {
  readonly case: Case;
  readonly after: (results: Readonly<Record<string, AnyTensor>>) => Readonly<Record<string, AnyTensor>>;
}

function begun({ name, graph, feeds }: OnnxCase): Begun {
  const run = new HostRun(graph.host ?? { inputs: [], outputs: [], constants: [], steps: [] }, feeds);
  const made = run.before();
  const given = graph.inputs.flatMap((v) => {
    const t = made(v.name) ?? feeds[v.name];
    return t && !isStrings(t) ? [[v.name, t] as const] : [];
  });
  return { case: { name, graph, feeds: Object.fromEntries(given) }, after: (results) => (graph.host ? run.after(results) : results) };
}

function judged(group: string, c: OnnxCase, { after }: Begun, outcome: Outcome): Verdict {
  if ("error" in outcome) return failure(group, c.name, outcome.error);
  const results = after(sized(Object.fromEntries(outcome.outputs.map((t, i) => [c.graph.outputs[i]?.name ?? "", t]))));
  const names = (c.graph.host ?? c.graph).outputs.map((v) => v.name);
  const outputs = names.filter((n) => !names.some((other) => n === `${other}.shape`)).map((n) => results[n]);
  if (outputs.length !== c.wanted.length)
    return { group, name: c.name, state: "failed", why: `${outputs.length} outputs instead of ${c.wanted.length}` };
  const wrong = c.wanted.flatMap((want, i) => difference(outputs[i], want, ONNX_TOLERANCE) ?? []);
  return wrong[0] === undefined ? { group, name: c.name, state: "passed" } : { group, name: c.name, state: "failed", why: wrong[0] };
}

const BATCH = 300;

async function runGroup(folder: string, group: string, backend: Backend): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const cases: OnnxCase[] = [];
  const names = caseNames(join(folder, group)).filter((n) => new RegExp(options.only).test(n));
  for (const name of names) {
    try {
      cases.push(...readCases(join(folder, group, name), name));
    } catch (error) {
      verdicts.push(failure(group, name, error));
    }
  }
  for (let at = 0; at < cases.length; at += BATCH) {
    const part = cases.slice(at, at + BATCH);
    process.stderr.write(`${group}: ${at + part.length} of ${cases.length}\n`);
    const started = part.map(begun);
    const outcomes = await backend(started.map((s) => s.case));
    part.forEach((c, i) => verdicts.push(judged(group, c, must(started[i], c.name), outcomes[i] ?? { error: new Error("no outcome") })));
  }
  return verdicts.map((v) => (v.state === "failed" && v.name in EXCLUSIONS ? { ...v, state: "excluded" } : v));
}

function count(verdicts: readonly Verdict[]): Count {
  const counts: Count = { passed: 0, failed: 0, unsupported: 0, excluded: 0 };
  for (const v of verdicts) counts[v.state]++;
  return counts;
}

async function main(): Promise<number> {
  const target = TARGETS[options.target];
  if (!target)
    throw new HoneError("usage", `there is no target ${options.target}`, { hint: `Use one of ${Object.keys(TARGETS).join(", ")}.` });
  if (!existsSync(ARCHIVE)) {
    process.stderr.write(`${ARCHIVE} is not there: nothing to run\n`);
    return 0;
  }
  const backend = await target();
  const folder = unpackArchive();
  try {
    const groups = options.group === undefined ? GROUPS : [options.group];
    const verdicts: Verdict[] = [];
    for (const group of groups) verdicts.push(...(await runGroup(folder, group, backend)));
    report(groups, verdicts);
    // Other targets round to half precision at other places, and may pass what the definitions do not.
    const whole = options.only === "" && options.group === undefined && options.target === "interpret";
    const unused = whole ? verdicts.filter((v) => v.state === "passed" && v.name in EXCLUSIONS) : [];
    unused.forEach((v) => process.stderr.write(`${v.name} passes: take it out of the exclusions\n`));
    const contradicted = contradictions(verdicts);
    contradicted.forEach((line) => process.stderr.write(`${line}\n`));
    return contradicted.length > 0 || verdicts.some((v) => v.state === "failed") || unused.length > 0 ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(groups: readonly string[], verdicts: readonly Verdict[]): void {
  const counts = Object.fromEntries(groups.map((g) => [g, count(verdicts.filter((v) => v.group === g))]));
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ version: 1, target: options.target, ...counts }, undefined, 2)}\n`);
    return;
  }
  for (const v of verdicts)
    if (v.state === "failed" || (options.list && v.state === "unsupported")) process.stdout.write(`${v.state} ${v.name}: ${v.why ?? ""}\n`);
  for (const g of groups) {
    const { passed, failed, unsupported, excluded } = counts[g] ?? count([]);
    process.stdout.write(`${options.target} ${g}: ${passed} passed, ${failed} failed, ${unsupported} unsupported, ${excluded} excluded\n`);
  }
}

process.exitCode = await main();
