import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { writeCoco, writeCocoResults, writeCsv, writeCsvDetections } from "../data.ts";
import { randomCase } from "../metrics/testing/random-cases.ts";
import { evaluateCoco, evaluateVoc } from "../metrics.ts";
import { evaluateFiles } from "./eval.ts";
import { writeReport } from "./eval-report.ts";

const folder = mkdtempSync(join(tmpdir(), "hone-eval-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const { images = [], categories = [], truths, detections } = randomCase("box", 21);
const annotations = file("truth.json", writeCoco({ images, categories, truths }));
const found = file("found.json", writeCocoResults(detections));
const expected = evaluateCoco({ images, categories, truths, detections }).metrics;

describe("hone eval", () => {
  test("COCO files give COCO's numbers", async () => {
    const result = await evaluateFiles({ annotations, detections: found });
    expect(result.protocol).toBe("coco");
    expect(result.metrics).toEqual(expected);
    expect(result.problems).toEqual([]);
  });

  test("CSV detections may name images by file and categories by name", async () => {
    const named = file("named.json", writeCoco({ images: images.map((i) => ({ ...i, file: `photo${i.id}.jpg` })), categories, truths }));
    const nameOf = new Map(categories.map((c) => [c.id, c.name ?? ""]));
    const csv = file(
      "found.csv",
      writeCsvDetections(detections.map((d) => ({ ...d, image: `photo${d.image}`, category: nameOf.get(d.category) ?? "" }))),
    );
    const result = await evaluateFiles({ annotations: named, detections: csv });
    // The names of these categories are digits, which CSV reads as numbers: they are ids only where no id has that number.
    expect(result.images).toBe(images.length);
    expect(result.warnings.some((w) => w.kind === "image-unknown")).toBe(false);
    const csvTruth = file("truth.csv", writeCsv(truths));
    const other = await evaluateFiles({
      annotations: csvTruth,
      detections: file("ids.csv", writeCsvDetections(detections)),
      protocol: "voc",
    });
    expect(other.metrics.mAP).toBeCloseTo(evaluateVoc({ truths, detections }).metrics.mAP, 12);
  });

  test("a folder of texts is judged by its numbers", async () => {
    file("t/a.txt", "cat 10 10 50 50\n");
    file("d/a.txt", "cat 0.9 10 10 50 50\n");
    const corners = await evaluateFiles({ annotations: join(folder, "t"), detections: join(folder, "d") });
    expect([corners.format, corners.protocol, corners.metrics.mAP]).toEqual(["cartucho", "voc", 1]);
    const sizes = await evaluateFiles({ annotations: join(folder, "t"), detections: join(folder, "d"), format: "odm" });
    expect([sizes.format, sizes.metrics.mAP]).toEqual(["odm", 1]);
  });

  test("--diff walks from one protocol to the other; unknown names are usage errors", async () => {
    const { diff } = await evaluateFiles({ annotations, detections: found, diff: ["coco", "voc"] });
    expect(diff?.values[0]).toBeCloseTo(expected.AP ?? NaN, 11);
    expect(diff?.steps.reduce((sum, s) => sum + s.change, diff.values[0])).toBeCloseTo(diff?.values[1] ?? NaN, 11);
    await expect(evaluateFiles({ annotations, detections: found, diff: ["coco,nonsense"] })).rejects.toMatchObject({ code: "usage" });
  });

  test("--explain names ids of 0 and what they cost", async () => {
    const zero = file(
      "zero.json",
      writeCoco({ images, categories, truths: [{ id: 0, image: images[0]?.id ?? 0, category: 1, box: [0, 0, 50, 50] }] }),
    );
    const one = file("one.json", writeCocoResults([{ image: images[0]?.id ?? 0, category: 1, box: [0, 0, 50, 50], score: 1 }]));
    const { explanations = [] } = await evaluateFiles({ annotations: zero, detections: one, explain: true });
    expect(explanations.find((e) => e.about === "ids")?.text).toMatch(/AP is 0.00 % and would be 100.00 %/);
    expect(explanations.find((e) => e.about === "-1")?.text).toMatch(/APs, APl/);
  });

  test("WIDER's two arithmetics differ by one named rule", async () => {
    const wider = file("wider.txt", "e/a.jpg\n2\n0 0 20 10 0 0 0 0 0 0\n4 0 20 10 0 0 0 1 0 0\n");
    file("w/e/a.txt", "a\n2\n4 0 20 10 0.9\n0 0 20 10 0.5\n");
    const { metrics, diff } = await evaluateFiles({
      annotations: wider,
      detections: join(folder, "w"),
      protocol: "wider",
      diff: ["wider", "wider-float"],
    });
    expect(Object.keys(metrics)).toEqual(["all"]);
    expect(diff?.steps.map((s) => s.rule)).toEqual(["arithmetic"]);
  });

  test("files that are missing, cut or of another kind are named", async () => {
    await expect(evaluateFiles({ annotations: join(folder, "nowhere.json"), detections: found })).rejects.toMatchObject({
      code: "file.not-found",
    });
    const cut = file("cut.json", writeCocoResults(detections).slice(0, -20));
    await expect(evaluateFiles({ annotations, detections: cut })).rejects.toMatchObject({ code: "annotations.invalid", at: { file: cut } });
    await expect(evaluateFiles({ annotations: found, detections: annotations })).rejects.toThrow(/no "images"/);
    mkdirSync(join(folder, "empty"), { recursive: true });
    await expect(evaluateFiles({ annotations: join(folder, "empty"), detections: found })).rejects.toThrow(/no annotation files/);
  });

  test("the report is written, with images only from the folder that was named", async () => {
    const path = join(folder, "page.html");
    file("pics/a.png", "png");
    file("b.png", "outside");
    const box = [0, 0, 5, 5] as const;
    const pictures = [1, 2].map((id) => ({ id, file: id === 1 ? "a.png" : "../b.png" }));
    const missed = writeCoco({
      images: pictures,
      categories: [{ id: 1, name: "cat" }],
      truths: pictures.map(({ id }) => ({ id, image: id, category: 1, box })),
    });
    const evaluation = await evaluateFiles({ annotations: file("missed.json", missed), detections: file("none.json", "[]") });
    await writeReport(path, evaluation, join(folder, "pics"));
    const page = readFileSync(path, "utf8");
    expect(page.match(/data:image[^"]*/g)).toEqual([`data:image/png;base64,${Buffer.from("png").toString("base64")}`]);
    expect(page.match(/missed: cat/g)).toHaveLength(4);
  });
});
