import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeCoco, writeCocoResults } from "../data.ts";
import { hone, writeTiny } from "./testing/command.ts";

const folder = mkdtempSync(join(tmpdir(), "hone-cli-eval-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

/** Twenty images of one object; of every second one it is found, of the rest something else. */
const shots = Array.from({ length: 20 }, (_, i) => i);
const half = {
  truth: writeCoco({
    images: shots.map((id) => ({ id })),
    categories: [{ id: 1, name: "cat" }],
    truths: shots.map((i) => ({ id: i + 1, image: i, category: 1, box: [0, 0, 50, 50] as const })),
  }),
  found: writeCocoResults(
    shots.map((i) => ({ image: i, category: 1, score: 1 - i / 100, box: [i % 2 === 0 ? 0 : 80, 0, 50, 50] as const })),
  ),
};
writeFileSync(at("truth.json"), half.truth);
writeFileSync(at("found.json"), half.found);
const files = ["--detections", at("found.json"), "--annotations", at("truth.json")];

test("the table and the JSON have intervals; charts come as SVG and PNG", async () => {
  const { code, json } = await hone(["eval", ...files, "--rounds", "100", "--charts", at("charts"), "--json"]);
  expect(code).toBe(0);
  const [run] = json()["runs"] as Record<string, unknown>[];
  expect(run).toMatchObject({ engine: null, latencyMs: null, bootstrap: { rounds: 100 } });
  const [low = NaN, high = NaN] = (run?.["intervals"] as Record<string, number[]>)["AP"] ?? [];
  expect(low).toBeLessThan(high);
  expect(readdirSync(at("charts")).sort()).toEqual(["confusion", "curves", "errors"].flatMap((n) => [`${n}.png`, `${n}.svg`]));
  const table = await hone(["eval", ...files, "--rounds", "100"]);
  expect(table.stdout).toMatch(/AP50 +\S+ +\[0\.\d{4}, 0\.\d{4}\]/);
  expect(table.stdout).toContain("100 resamples");
  expect((await hone(["eval", ...files, "--rounds", "0"])).stdout).not.toContain("resamples");
});

test("a model needs photos; a file that is none, and a model without a recipe, are named", async () => {
  writeTiny(at("tiny.onnx"));
  const photos = ["--images", folder, "--annotations", at("truth.json")];
  expect(await hone(["eval", at("tiny.onnx"), "--annotations", at("truth.json")])).toMatchObject({ code: 2 });
  expect((await hone(["eval"])).stderr).toContain("--detections");
  writeFileSync(at("0.png"), "");
  const none = await hone(["eval", at("gone.onnx"), ...photos]);
  expect(none).toMatchObject({ code: 1 });
  expect(none.stderr).toContain("gone.onnx");
  const engine = await hone(["eval", at("tiny.onnx"), ...photos, "--backend", "onnxruntime"]);
  expect(engine.stderr).toMatch(/no recipe fits/);
  writeFileSync(at("fake.hone"), "HONE and no more");
  expect((await hone(["eval", at("fake.hone"), ...photos, "--backend", "onnxruntime"])).stderr).toMatch(/this is an engine/);
});
