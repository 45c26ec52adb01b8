/** A piece of `npm run fuzz` that is the same every time: mutants of every kind of file end in a result or in an error of hone's own. */
import { expect, test } from "vitest";
import { Random } from "../../scripts/fuzz/random.ts";
import { outcomeOf, SUBJECTS } from "../../scripts/fuzz/subjects.ts";
import { haveCompiler } from "../../src/runtime/testing/tiny.ts";

/** Models take longest: these are compiled. */
const MUTANTS = { onnx: 100, tflite: 100, engine: 150, image: 150 } as const;
const compiler = await haveCompiler();

test.each(["onnx", "tflite", "engine", "image"] as const)("mutants of %s break nothing", { timeout: 120_000 }, async (kind) => {
  if (kind === "engine" && !compiler) return;
  const subject = await SUBJECTS[kind]?.();
  expect(subject).toBeDefined();
  if (subject === undefined) return;
  const findings: string[] = [];
  let passed = 0;
  for (let i = 0; i < MUTANTS[kind]; i++) {
    const bytes = subject.mutant(new Random(4242 * 1_000_003 + i));
    if (await subject.passes(bytes)) passed++;
    const { code, detail } = await outcomeOf(subject, bytes);
    if (code === "crash" || code === "internal") findings.push(`${i}: ${code} ${detail}`);
  }
  expect(findings).toEqual([]);
  expect(passed).toBeGreaterThan(MUTANTS[kind] / 2);
});
