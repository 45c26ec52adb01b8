import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { haveCompiler } from "../runtime/testing/tiny.ts";
import { hone, writeTiny } from "./testing/command.ts";

// The two sides agree, so that they differ has to be pretended.
vi.mock("../workflow/difference.ts", () => ({ differenceOfAny: () => ({ relativeError: 0.25, maxAbs: 0.1, cosine: 0.9 }) }));

const compiler = await haveCompiler();

test.skipIf(!compiler)("a gate that is missed is exit code 3, with the result and the outputs that missed it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hone-gate-"));
  vi.stubEnv("HONE_CACHE", join(folder, "cache"));
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });
  writeTiny(join(folder, "tiny.onnx"));
  const args = ["compare", join(folder, "tiny.onnx"), "--against", "naive"];
  const missed = await hone([...args, "--json"]);
  expect(missed.code).toBe(3);
  expect(missed.json()).toMatchObject({ outputs: [{ name: "y", relativeError: 0.25 }], worst: 0.25, error: { code: "gate.accuracy" } });
  const text = await hone(args);
  expect(text.stdout).toContain("BEYOND");
  expect(text.stderr).toContain("y: relative error 2.50e-1");
  expect((await hone([...args, "--tolerance", "0.25"])).code).toBe(0);
});
