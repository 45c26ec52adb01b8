/** Every op case on every back end, judged by the interpreted definitions. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  cBackend,
  interpretBackend,
  machineWith,
  scheduledBackend,
  wasmBackend,
  type Backend,
  type Outcome,
} from "../../scripts/conformance/backends.ts";
import { difference } from "../../scripts/conformance/compare.ts";
import { findCompiler } from "../../src/toolchain/compiler.ts";
import { must } from "../../src/util/errors.ts";
import { CONTROL_CASES } from "./cases/control.ts";
import { CONV_CASES } from "./cases/conv.ts";
import { ELEMENT_CASES } from "./cases/elements.ts";
import { ELEMENTWISE_CASES } from "./cases/elementwise.ts";
import { FIXED_POINT_CASES } from "./cases/fixed-point.ts";
import { HISTOGRAM_CASES } from "./cases/histogram.ts";
import { NARROW_CASES } from "./cases/narrow.ts";
import { SERIAL_CASES } from "./cases/serial.ts";
import { REDUCE_CASES } from "./cases/reduce.ts";
import { SHAPE_CASES } from "./cases/shape.ts";
import { WINDOW_CASES } from "./cases/window.ts";
import { makeCase, type OpCase } from "./maker.ts";
import { SKIPS } from "./skips.ts";

const LIST: readonly OpCase[] = [
  ...CONV_CASES,
  ...ELEMENTWISE_CASES,
  ...REDUCE_CASES,
  ...SHAPE_CASES,
  ...WINDOW_CASES,
  ...ELEMENT_CASES,
  ...CONTROL_CASES,
  ...NARROW_CASES,
  ...SERIAL_CASES,
  ...HISTOGRAM_CASES,
  ...FIXED_POINT_CASES,
];
const CASES = LIST.map(makeCase);

const thorough = process.env["HONE_THOROUGH"] !== undefined;

/** Sums of a few hundred products in another order, and elementary functions by other polynomials. */
const TOLERANCE = { relative: 2e-5, absolute: 1e-5 };

const hasCompiler = await findCompiler({}).then(
  () => true,
  () => false,
);
if (!hasCompiler) process.stderr.write("skipped: there is no C compiler for the C back ends\n");

const BACKENDS: Readonly<Record<string, () => Promise<Backend>>> = {
  ...(thorough ? { "schedules for 8 lanes, interpreted": () => Promise.resolve(scheduledBackend({ lanes: 8, registers: 16 })) } : {}),
  "schedules for 4 lanes, interpreted": () => Promise.resolve(scheduledBackend({ lanes: 4, registers: 16 })),
  "schedules for 4 lanes, shared by three threads, interpreted": () =>
    Promise.resolve(scheduledBackend({ lanes: 4, registers: 16 }, "auto", 3)),
  WebAssembly: () => Promise.resolve(wasmBackend()),
  ...(hasCompiler
    ? {
        "C, naive": async () => cBackend({ machine: await machineWith(), schedule: "naive" }),
        "C, this machine": async () => cBackend({ machine: await machineWith(), schedule: "auto" }),
        "C, 4 lanes": async () => cBackend({ machine: await machineWith(4), schedule: "auto" }),
      }
    : {}),
};

test("the cases have names of their own", () => {
  expect(new Set(LIST.map((c) => c.name)).size).toBe(LIST.length);
});

let wanted: readonly Outcome[] = [];
beforeAll(async () => {
  wanted = await interpretBackend(CASES);
}, 120_000);

test("the reference computes every case", () => {
  expect(
    CASES.flatMap((c, i) =>
      "error" in must(wanted[i], c.name) ? [`${c.name}: ${String(wanted[i] && "error" in wanted[i] && wanted[i].error)}`] : [],
    ),
  ).toEqual([]);
});

function wrong(want: Outcome, got: Outcome): string | undefined {
  if ("error" in want) return undefined;
  if ("error" in got) return String(got.error);
  return want.outputs.flatMap((t, i) => difference(got.outputs[i], t, TOLERANCE) ?? [])[0];
}

describe.each(Object.keys(BACKENDS))("%s", (name) => {
  const skips = SKIPS[name] ?? [];
  afterAll(() => {
    if (skips.length > 0) process.stdout.write(`${name}: ${skips.length} skips\n`);
  });

  test("gives what the definitions give", { timeout: 600_000 }, async () => {
    const backend = await must(BACKENDS[name], name)();
    const outcomes = await backend(CASES);
    const failures = new Map(
      CASES.flatMap((c, i) => {
        const why = wrong(must(wanted[i], c.name), must(outcomes[i], c.name));
        return why === undefined ? [] : [[c.name, why] as const];
      }),
    );
    const skipped = new Set(skips.map((s) => s.case));
    expect([...failures].filter(([c]) => !skipped.has(c)).map(([c, why]) => `${c}: ${why}`)).toEqual([]);
    expect(
      skips.filter((s) => !failures.has(s.case)),
      "skips that are not needed",
    ).toEqual([]);
  });
});
