/**
 * npm run conformance:opset [-- --only REGEXP --opset 7,13,21 --keep FOLDER]
 * Says every model of ONNX's backend test suite in the words of other operator sets, as it is and with all inputs but the first made
 * constants, and runs it by hone's definitions: what passed before must pass after. `--keep` leaves the models in a folder, for
 * scripts/oracles/opset.py to ask onnx.checker and onnxruntime about.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { OnnxModel } from "../../src/formats/onnx/ast.ts";
import { convertOpset } from "../../src/formats/onnx/opset/convert.ts";
import { opsetOf } from "../../src/formats/onnx/versions.ts";
import { readOnnx } from "../../src/formats/onnx/read.ts";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { HoneError } from "../../src/util/errors.ts";
import { interpretBackend } from "./backends.ts";
import { difference, ONNX_TOLERANCE } from "./compare.ts";
import { caseNames, GROUPS, readCases, unpackArchive, withConstants, type Change, type OnnxCase } from "./onnx-cases.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    group: { type: "string" },
    opset: { type: "string", default: "7,9,10,11,12,13,15,17,18,20,21,23,28" },
    keep: { type: "string" },
    list: { type: "boolean", default: false },
  },
});

const VERSIONS = options.opset.split(",").map(Number);
const counts = { models: 0, converted: 0, refused: 0, hone: 0 };
const failures: string[] = [];
const refusals = new Map<string, number>();

/** What is wrong by hone's own definitions; undefined when all is as the suite wants it. */
async function byHone(cases: readonly OnnxCase[]): Promise<string | undefined> {
  for (const c of cases) {
    if (c.graph.host) return "host";
    const [outcome] = await interpretBackend([{ name: c.name, graph: c.graph, feeds: c.feeds as never }]);
    if (!outcome || "error" in outcome) return String(outcome?.error);
    const wrong = c.wanted.flatMap((want, i) => difference(outcome.outputs[i], want, ONNX_TOLERANCE) ?? []);
    if (wrong[0] !== undefined) return wrong[0];
  }
  return undefined;
}

interface Subject {
  readonly label: string;
  readonly folder: string;
  readonly name: string;
  readonly change: Change;
  readonly model: OnnxModel;
}

const attempt = <T>(f: () => T): T | HoneError => {
  try {
    return f();
  } catch (error) {
    if (error instanceof HoneError) return error;
    throw error;
  }
};

async function proveSubject(subject: Subject, out: string): Promise<void> {
  const { label, folder, name, change, model } = subject;
  const cases = attempt(() => readCases(folder, name, change));
  writeFileSync(join(out, `${label}.onnx`), writeOnnx(model));
  // A whole network takes minutes by definitions; onnxruntime judges those.
  const wasGood = !(cases instanceof HoneError) && !name.endsWith(".onnx") && (await byHone(cases)) === undefined;
  for (const opset of VERSIONS) if (opset !== opsetOf(model)) await proveVersion(subject, opset, wasGood, out);
}

function refuse(error: HoneError): void {
  counts.refused++;
  for (const p of error.problems.length > 0 ? error.problems : [error]) {
    const text = `${p.at?.op ?? ""}: ${p.message}`;
    refusals.set(text, (refusals.get(text) ?? 0) + 1);
  }
}

async function proveVersion({ label, folder, name, model }: Subject, opset: number, wasGood: boolean, out: string): Promise<void> {
  const converted = attempt(() => convertOpset(model, { file: name, opset }));
  if (converted instanceof HoneError) {
    refuse(converted);
    return;
  }
  counts.converted++;
  const path = join(out, `${label}.${opset}.onnx`);
  writeFileSync(path, writeOnnx(converted));
  if (wasGood) {
    const after = attempt(() => readCases(folder, name, () => converted));
    const wrong = after instanceof HoneError ? after.describe() : await byHone(after);
    if (wrong === undefined) counts.hone++;
    else failures.push(`${label} at ${opset}, hone: ${wrong}`);
  }
}

async function proveCase(folder: string, name: string, out: string): Promise<void> {
  const file = name.endsWith(".onnx") ? folder : join(folder, "model.onnx");
  const model = readOnnx(readFileSync(file), { file });
  if (attempt(() => opsetOf(model)) instanceof HoneError) return;
  counts.models++;
  const label = name.replace(/\.onnx$/, "");
  await proveSubject({ label, folder, name, change: (m) => m, model }, out);
  if (name.endsWith(".onnx") || (model.graph?.input.length ?? 0) < 2) return;
  const change = attempt(() => withConstants(folder));
  if (!(change instanceof HoneError)) await proveSubject({ label: `${label}.fixed`, folder, name, change, model: change(model) }, out);
}

const folder = unpackArchive();
const out = options.keep ?? mkdtempSync(join(tmpdir(), "hone-opset-"));
mkdirSync(out, { recursive: true });
try {
  for (const group of options.group === undefined ? GROUPS : [options.group]) {
    const names = caseNames(join(folder, group)).filter((n) => new RegExp(options.only).test(n));
    for (const [i, name] of names.entries()) {
      if (i % 100 === 0) process.stderr.write(`${group}: ${i} of ${names.length}\n`);
      await proveCase(join(folder, group, name), name, out);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
  if (options.keep === undefined) rmSync(out, { recursive: true, force: true });
}
if (options.list) for (const [text, n] of [...refusals].sort()) process.stdout.write(`${n} x ${text}\n`);
for (const line of failures) process.stdout.write(`FAILED ${line}\n`);
const { models, converted, refused, hone } = counts;
process.stdout.write(
  `${models} models: ${converted} conversions, ${refused} refused with reasons; ${hone} pass by hone's definitions, ${failures.length} fail\n`,
);
process.exitCode = failures.length > 0 ? 1 : 0;
