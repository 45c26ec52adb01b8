import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { makeImage, saveImage, writeCoco, writeCocoResults, writeCsv, writeCsvDetections, writeDlibXml, type Annotation } from "../data.ts";
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

  test("YOLO folders are read on both sides, with sizes from the images' headers", async () => {
    mkdirSync(join(folder, "shots"), { recursive: true });
    await saveImage(makeImage(200, 100), join(folder, "shots/a.png"));
    file("yt/a.txt", "1 0.5 0.5 0.2 0.4\n");
    file("yd/a.txt", "1 0.5 0.5 0.2 0.4 0.9\n");
    const sides = { annotations: join(folder, "yt"), detections: join(folder, "yd") };
    const result = await evaluateFiles({ ...sides, images: join(folder, "shots") });
    expect([result.format, result.truths, result.metrics.AP]).toEqual(["yolo", 1, expect.closeTo(1, 12)]);
    expect(result.task.truths[0]?.box).toEqual([80, 30, 40, 40].map((v) => expect.closeTo(v, 9) as number));
    const without = await evaluateFiles(sides);
    expect(without.problems[0]?.message).toMatch(/size of this image is not known/);
  });

  test("intervals hold the value and are asked for by their number of resamples", async () => {
    const sides = { annotations: file("half.json", half.truth), detections: file("half-found.json", half.found) };
    const result = await evaluateFiles({ ...sides, rounds: 200 });
    expect(result.bootstrap).toEqual({ confidence: 0.95, rounds: 200 });
    for (const name of ["AP", "AP50", "AP75"]) {
      const [low, high] = result.intervals?.[name] ?? [NaN, NaN];
      expect(low).toBeLessThan(high);
      expect(low).toBeLessThanOrEqual(result.metrics[name] ?? NaN);
      expect(high).toBeGreaterThanOrEqual(result.metrics[name] ?? NaN);
    }
    expect((await evaluateFiles({ annotations, detections: found })).intervals).toBeUndefined();
    const voc = await evaluateFiles({ annotations, detections: found, protocol: "voc", rounds: 100 });
    expect(Object.keys(voc.intervals ?? {})).toEqual(["mAP"]);
    const any = await evaluateFiles({ annotations, detections: found, anyClass: true });
    expect(any.perCategory).toHaveLength(1);
  });

  test("annotations of two kinds are no set", async () => {
    const two = [annotations, file("also.csv", writeCsv(truths))];
    await expect(evaluateFiles({ annotations: two, detections: found })).rejects.toMatchObject({ code: "usage", message: /coco and csv/ });
  });

  test("landmarks: dlib's XML on both sides; a face without a prediction is a failure", async () => {
    const points = Array.from({ length: 68 }, (_, i) => [10 + (i % 10) * 4, 20 + Math.floor(i / 10) * 5, 2]);
    const face = (image: string, off: number): Annotation => ({
      ...{ image, category: "face", box: [0, 0, 60, 60] as const },
      keypoints: points.flatMap(([x = 0, y = 0, v = 0]) => [x + off, y, v]),
    });
    const shotsOf = ["a.jpg", "b.jpg"].map((id) => ({ id, file: id }));
    const labels = file("l.xml", writeDlibXml({ images: shotsOf, truths: [face("a.jpg", 0), face("b.jpg", 0)] }));
    const predicted = file("p.xml", writeDlibXml({ images: shotsOf, truths: [face("a.jpg", 1)] }));
    const { metrics } = await evaluateFiles({ annotations: labels, detections: predicted, protocol: "landmarks" });
    // The outer eye corners 36 and 45 lie at (34, 35) and (30, 40); every point is 1 off.
    const error = 1 / Math.hypot(4, 5);
    expect(metrics.NME).toBeCloseTo(error, 12);
    expect([metrics.FR8, metrics.FR10]).toEqual([1, 1]);
    const exact = await evaluateFiles({ annotations: labels, detections: labels, protocol: "landmarks" });
    expect(exact.metrics).toEqual({ NME: 0, AUC8: 1, FR8: 0, AUC10: 1, FR10: 0 });
    const boxes = { annotations, detections: found, protocol: "landmarks" } as const;
    await expect(evaluateFiles(boxes)).rejects.toMatchObject({ code: "metrics.invalid" });
  });
});
