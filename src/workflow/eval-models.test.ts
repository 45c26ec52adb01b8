import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeImage, saveImage, stemOf, writeCoco, writeVocXml, writeYolo } from "../data.ts";
import { tensor } from "../tensor/tensor.ts";
import { recipeNamed } from "../vision/recipes.ts";
import type { Runner } from "./eval-backends.ts";
import { evaluateModels, STEPS } from "./eval-models.ts";
import { writeCharts, writeRunsReport } from "./eval-report.ts";

const folder = mkdtempSync(join(tmpdir(), "hone-eval-models-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const photos = join(folder, "photos");

/** Photos of 320×240, which Ultra-Light sees as they are; the grey of the first pixel says where the one face is. */
const FACES = [
  { id: 1, file: "a.png", box: [10, 20, 40, 50] },
  { id: 2, file: "deep/b.png", box: [100, 60, 30, 30] },
  { id: 3, file: "c.png", box: [200, 100, 64, 64] },
] as const;
const images = FACES.map(({ id, file }) => ({ id, file, width: 320, height: 240 }));
const categories = [{ id: 1, name: "Face" }];
const truths = FACES.map(({ id, box }) => ({ id, image: id, category: 1, box }));
const annotations = join(folder, "truth.json");

beforeAll(async () => {
  mkdirSync(join(photos, "deep"), { recursive: true });
  for (const { id, file } of FACES) {
    const image = makeImage(320, 240);
    image.data.fill(id * 40, 0, 3);
    await saveImage(image, join(photos, file));
  }
  writeFileSync(annotations, writeCoco({ images, categories, truths }));
});

/** Finds each face where it is, `off` pixels to the right, and something fainter in a corner. */
function fake(off = 0): Runner & { closed: boolean } {
  return {
    backend: "hone",
    target: "fake",
    recipe: recipeNamed("ultra-light-320"),
    input: "input",
    sizes: [{ width: 320, height: 240 }],
    closed: false,
    run(feeds) {
      const grey = Math.round((feeds["input"]?.data[0] as number) * 128 + 127);
      const [x, y, w, h] = FACES[grey / 40 - 1]?.box ?? [0, 0, 1, 1];
      const boxes = new Float32Array(4420 * 4);
      const scores = new Float32Array(4420 * 2);
      boxes.set([(x + off) / 320, y / 240, (x + off + w) / 320, (y + h) / 240, 0.9, 0.9, 1, 1]);
      scores.set([0.1, 0.9, 0.95, 0.05]);
      return Promise.resolve({ boxes: tensor("float32", [1, 4420, 4], boxes), scores: tensor("float32", [1, 4420, 2], scores) });
    },
    close() {
      this.closed = true;
      return Promise.resolve();
    },
  };
}

const request = { models: ["fake.onnx"], images: photos, annotations: [annotations] };

describe("models over photos", () => {
  test("what is found is scored by COCO's rules, with intervals and the time of each step", async () => {
    const runner = fake();
    const events: string[] = [];
    const [run] = await evaluateModels({ ...request, rounds: 50, onEvent: (e) => events.push(e.kind) }, () => Promise.resolve(runner));
    expect(run).toMatchObject({
      ...{ engine: "fake.onnx", backend: "hone", target: "fake", recipe: "ultra-light-320", protocol: "coco", minScore: 0.02 },
      ...{ images: 3, truths: 3, detections: 6, problems: [], intervals: { AP: [1, 1], AP50: [1, 1], AP75: [1, 1] } },
    });
    expect(run?.metrics["AP"]).toBeCloseTo(1, 12);
    for (const step of STEPS) expect(run?.latencyMs[step].min).toBeGreaterThanOrEqual(0);
    expect(runner.closed).toBe(true);
    expect(events.filter((kind) => kind === "progress")).toHaveLength(3);
  });

  test("several models and backends make as many runs, in order", async () => {
    const opened: string[] = [];
    const runs = await evaluateModels({ ...request, models: ["a", "b"], backends: ["hone", "onnxruntime"] }, (path, backend) => {
      opened.push(`${path} ${backend}`);
      return Promise.resolve({ ...fake(path === "b" ? 20 : 0), backend });
    });
    expect(opened).toEqual(["a hone", "a onnxruntime", "b hone", "b onnxruntime"]);
    expect(runs.map((r) => `${r.engine} ${r.backend}`)).toEqual(opened);
    const [a, , b] = runs;
    expect(b?.metrics["AP"]).toBeLessThan(a?.metrics["AP"] ?? 0);
    const page = join(folder, "page.html");
    await writeRunsReport(page, runs, photos);
    const html = readFileSync(page, "utf8");
    for (const name of ["a on hone", "b on onnxruntime", "Side by side"]) expect(html).toContain(name);
    expect(html).toContain("data:image/png");
  });

  test("a photo that cannot be read, and one that is not there, are left out on both sides and named", async () => {
    writeFileSync(join(photos, "broken.png"), "no image");
    const more = [
      { id: 8, file: "broken.png", width: 9, height: 9 },
      { id: 9, file: "gone.png", width: 9, height: 9 },
    ];
    const file = join(folder, "more.json");
    const faces = [8, 9].map((id) => ({ id, image: id, category: 1, box: [0, 0, 5, 5] as const }));
    writeFileSync(file, writeCoco({ images: [...images, ...more], categories, truths: [...truths, ...faces] }));
    const [run] = await evaluateModels({ ...request, annotations: [file] }, () => Promise.resolve(fake()));
    expect([run?.images, run?.truths, run?.metrics["AP"]]).toEqual([3, 3, 1]);
    const text = run?.problems.map((p) => `${p.at?.file ?? ""} ${p.message}`).join("\n");
    expect(text).toContain("gone.png");
    expect(text).toMatch(/broken\.png left out/);
  });

  test("VOC's corners name pixels from 1, by its own rules and by COCO's", async () => {
    const voc = join(folder, "voc");
    mkdirSync(voc, { recursive: true });
    const pixels = truths.map((t) => ({ ...t, box: [t.box[0] + 1, t.box[1] + 1, t.box[2] - 1, t.box[3] - 1] as const }));
    const set = { images: images.map((i) => ({ ...i, id: "abc"[i.id - 1] ?? "" })), categories, truths: pixels };
    for (const { name, text } of writeVocXml({ ...set, truths: pixels.map((t) => ({ ...t, image: "abc"[t.image - 1] ?? "" })) })) {
      writeFileSync(join(voc, name), text);
    }
    const of = async (protocol?: "voc"): Promise<Readonly<Record<string, number>> | undefined> =>
      (
        await evaluateModels({ ...request, annotations: [voc], ...(protocol ? { protocol, iouThreshold: 0.99 } : {}) }, () =>
          Promise.resolve(fake()),
        )
      )[0]?.metrics;
    expect((await of())?.["AP"]).toBeCloseTo(1, 12);
    expect(await of("voc")).toEqual({ mAP: 1 });
  });

  test("YOLO's shares become pixels by the photos' headers; photos without labels have no objects", async () => {
    const yolo = join(folder, "yolo");
    mkdirSync(yolo, { recursive: true });
    const labelled = images.slice(0, 2).map((i) => ({ ...i, id: stemOf(i.file) }));
    const boxes = labelled.map((image, i) => ({ image: image.id, category: 0, box: FACES[i]?.box ?? ([0, 0, 1, 1] as const) }));
    for (const { name, text } of writeYolo({ images: labelled, categories: [{ id: 0 }], truths: boxes }))
      writeFileSync(join(yolo, name), text);
    const [run] = await evaluateModels({ ...request, annotations: [yolo] }, () => Promise.resolve(fake()));
    expect(run?.format).toBe("yolo");
    expect([run?.images, run?.truths]).toEqual([3, 2]);
    expect(run?.metrics["AP50"]).toBeGreaterThan(0.5);
    writeFileSync(join(yolo, "classes.txt"), "face\n");
    const [named] = await evaluateModels({ ...request, annotations: [yolo] }, () => Promise.resolve(fake()));
    expect(named?.perCategory).toMatchObject([{ category: 0, name: "face" }]);
  });

  test("classes that are not the annotations' are an error that names both; --any-class takes them as one", async () => {
    const file = join(folder, "cats.json");
    writeFileSync(file, writeCoco({ images, categories: [{ id: 7, name: "cat" }], truths: truths.map((t) => ({ ...t, category: 7 })) }));
    const cats = { ...request, annotations: [file] };
    await expect(evaluateModels(cats, () => Promise.resolve(fake()))).rejects.toMatchObject({ code: "usage", message: /face.*cat/ });
    const [run] = await evaluateModels({ ...cats, anyClass: true }, () => Promise.resolve(fake()));
    expect(run?.metrics["AP"]).toBeCloseTo(1, 12);
  });

  test("files of one kind make one set; an image that is in two is taken once", async () => {
    const parts = [images.slice(0, 2), images.slice(1)].map((some, i) => {
      const file = join(folder, `part${i}.json`);
      writeFileSync(file, writeCoco({ images: some, categories, truths: truths.filter((t) => some.some((im) => im.id === t.image)) }));
      return file;
    });
    const [run] = await evaluateModels({ ...request, annotations: parts }, () => Promise.resolve(fake()));
    expect([run?.images, run?.truths]).toEqual([3, 3]);
    expect(run?.problems[0]?.message).toMatch(/1 images are annotated before/);
  });

  test("annotations of which none can be read are an error that names them", async () => {
    const broken = join(folder, "broken");
    mkdirSync(broken);
    writeFileSync(join(broken, "a.xml"), "<annotation><object><bndbox><xmin>oops");
    const evaluating = evaluateModels({ ...request, annotations: [broken] }, () => Promise.resolve(fake()));
    await expect(evaluating).rejects.toMatchObject({ code: "annotations.invalid", problems: [{ at: { file: "a.xml" } }] });
  });

  test("an abort ends it and closes what is open", async () => {
    const control = new AbortController();
    const runner = fake();
    const stop = { ...request, signal: control.signal, onEvent: () => control.abort() };
    await expect(evaluateModels(stop, () => Promise.resolve(runner))).rejects.toMatchObject({ code: "aborted" });
    expect(runner.closed).toBe(true);
  });

  test("charts are written as SVG and as PNG", async () => {
    const [run] = await evaluateModels(request, () => Promise.resolve(fake()));
    if (run === undefined) throw new Error("no run");
    const paths = await writeCharts(join(folder, "charts"), run);
    expect(paths.map((p) => p.slice(p.lastIndexOf("/") + 1)).sort()).toEqual([
      "confusion.png",
      "confusion.svg",
      "curves.png",
      "curves.svg",
      "errors.png",
      "errors.svg",
    ]);
    for (const path of paths.filter((p) => p.endsWith(".png"))) {
      expect(existsSync(path)).toBe(true);
      expect([...readFileSync(path).subarray(1, 4)].map((c) => String.fromCharCode(c)).join("")).toBe("PNG");
    }
  });
});
