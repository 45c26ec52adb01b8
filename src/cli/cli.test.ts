import { describe, expect, test } from "vitest";
import { HONE_VERSION } from "../index.ts";
import { hone } from "./testing/command.ts";
import { VERBS } from "./verbs.ts";

describe("usage", () => {
  test("help lists every verb, with examples first", async () => {
    const { code, stdout, stderr } = await hone(["--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.startsWith("Examples:\n  hone demo")).toBe(true);
    for (const name of Object.keys(VERBS)) expect(stdout).toContain(`\n  ${name} `);
  });

  test.each(Object.keys(VERBS))("the help of %s starts with examples of it and names --json", async (name) => {
    const { code, stdout } = await hone([name, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Examples:\n  hone ${name}`));
    expect(stdout).toContain("--json");
  });

  test("`help build` is `build --help`", async () => {
    expect((await hone(["help", "build"])).stdout).toBe((await hone(["build", "--help"])).stdout);
  });

  test("the version", async () => {
    expect(await hone(["--version"])).toMatchObject({ code: 0, stdout: `${HONE_VERSION}\n` });
  });

  test("without a verb: help on stderr, exit code 2", async () => {
    const { code, stdout, stderr } = await hone([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("Examples:");
  });

  test.each([
    [["biuld"], "unknown command 'biuld'", "Did you mean build?"],
    [["build", "m.onnx", "--otput", "x"], "unknown option '--otput'", "Did you mean --output?"],
    [["build"], "missing required argument 'model'", "hint:"],
    [["build", "m.onnx", "--emit", "exe"], "argument 'exe' is invalid", "Allowed choices are c, i, s, o, so"],
    [["build", "m.onnx", "--dump", "grahp"], 'does not know "grahp"', "graph,pass,loop,source,asm"],
    [["compare", "m.onnx", "--tolerance", "much"], "--tolerance must be a number of at least 0", "much"],
    [["targets", "more"], "too many arguments", "hint:"],
  ])("%j is refused in words", async (args, message, hint) => {
    const { code, stdout, stderr } = await hone(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("error usage:");
    expect(stderr).toContain(message);
    expect(stderr).toContain(hint);
  });
});

test("with --json an error is one object on stdout, and words on stderr", async () => {
  const { code, json, stdout, stderr } = await hone(["inspect", "no/such.onnx", "--json"]);
  expect(code).toBe(1);
  expect(stdout.trimEnd().split("\n")).toHaveLength(1);
  expect(json()).toMatchObject({ version: 1, error: { code: "file.not-found", at: { file: "no/such.onnx" }, problems: [] } });
  expect(stderr).toMatch(/^error file.not-found: there is no such file .*no\/such.onnx/);
  expect((await hone(["bulid", "--json"])).json()).toMatchObject({ version: 1, error: { code: "usage", hint: "Did you mean build?" } });
});

test("colours only on a terminal, and never with NO_COLOR", async () => {
  const escape = "\u001b[";
  expect((await hone(["targets"])).stdout).not.toContain(escape);
  expect((await hone(["targets"], { tty: true })).stdout).toContain(escape);
  expect((await hone(["targets"], { tty: true, env: { NO_COLOR: "1" } })).stdout).not.toContain(escape);
});

test("targets and doctor answer as objects", async () => {
  const targets = (await hone(["targets", "--json"])).json();
  expect(targets).toMatchObject({ version: 1, platform: expect.any(String) as string });
  expect(targets["targets"]).toContainEqual(expect.objectContaining({ name: "generic", here: true }));
  const doctor = (await hone(["doctor", "--json"])).json();
  expect(doctor["checks"]).toContainEqual({ name: "node", state: "ok", found: process.versions.node });
});
