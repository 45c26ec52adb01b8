import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hone } from "../cli/testing/command.ts";
import { makeImage } from "../data/image.ts";
import { encodeImage } from "../data/node/encode.ts";
import type { OnnxNode, OnnxTensor } from "../formats/onnx/ast.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "../formats/onnx/write.ts";
import type { ReportedLayer } from "../report/layers.ts";
import { readEngineFile } from "../runtime/node/file.ts";
import { Session } from "../runtime/node/session.ts";
import { tensor, zeros } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { readTable, writeTable } from "../quant/table.ts";
import { calibrateModel } from "./calibrate.ts";
import { openOnnxRuntime } from "./peer.ts";

let folder: string;
const path = (name: string): string => join(folder, name);
const SIZE = 24;

/** Convolutions by seeded weights, one channel of the first dead. */
class Layers {
  readonly node: OnnxNode[] = [];
  readonly initializer: OnnxTensor[] = [];

  conv(name: string, x: string, [o, i, k]: readonly [number, number, number], group = 1): string {
    const each = (i / group) * k * k;
    const weights = Float32Array.from({ length: o * each }, (_, n) =>
      name === "first" && Math.floor(n / each) === 1 ? 0 : Math.sin(n * 12.9898 + o) / Math.sqrt(each / 2),
    );
    this.initializer.push(onnxTensor(`${name}.w`, tensor("float32", [o, i / group, k, k], weights)));
    this.initializer.push(
      onnxTensor(
        `${name}.b`,
        tensor(
          "float32",
          [o],
          Float32Array.from({ length: o }, (_, n) => Math.cos(n) / 4),
        ),
      ),
    );
    const pad = BigInt((k - 1) / 2);
    const attrs = { kernel_shape: [BigInt(k), BigInt(k)], pads: [pad, pad, pad, pad], group: BigInt(group) };
    this.node.push(onnxNode("Conv", [x, `${name}.w`, `${name}.b`], [name], attrs, name));
    return name;
  }

  op(type: string, inputs: readonly string[], name: string): string {
    this.node.push(onnxNode(type, inputs, [name], {}, name));
    return name;
  }
}

function writeModel(file: string, change?: (l: Layers, x: string) => string): void {
  const l = new Layers();
  const first = l.op("Relu", [l.conv("first", "x", [16, 3, 3])], "relu1");
  const deep = l.op("Relu", [l.conv("deep", first, [16, 16, 3], 16)], "relu2");
  const sum = l.op("Relu", [l.op("Add", [l.conv("wide", deep, [16, 16, 1]), first], "sum")], "relu3");
  const smooth = l.op("Sigmoid", [l.conv("inner", change ? change(l, sum) : sum, [12, 16, 3])], "smooth");
  const y = l.conv("last", smooth, [5, 12, 1]);
  const io = (name: string, channels: number): ReturnType<typeof onnxValueInfo> =>
    onnxValueInfo(name, "float32", [1, channels, SIZE, SIZE]);
  const graph = onnxGraph({ name: "net", node: l.node, initializer: l.initializer, input: [io("x", 3)], output: [io(y, 5)] });
  writeFileSync(file, writeOnnx(onnxModel({ graph })));
}

async function writePhotos(name: string, count: number): Promise<void> {
  mkdirSync(path(name));
  for (let n = 0; n < count; n++) {
    const data = Uint8Array.from({ length: SIZE * SIZE * 3 }, (_, i) => 128 + 127 * Math.sin((n + 1) * i * 0.013 + n));
    writeFileSync(join(path(name), `${n}.png`), await encodeImage(makeImage(SIZE, SIZE, data), "png"));
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hone-int8-"));
  writeModel(path("net.onnx"));
  await writePhotos("photos", 6);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function outputs(engine: string): Promise<Float32Array> {
  const session = await Session.open(engine, { contexts: 1 });
  try {
    const feed = zeros("float32", [1, 3, SIZE, SIZE]);
    for (let i = 0; i < feed.data.length; i++) feed.data[i] = 0.5 + 0.5 * Math.sin(i * 0.021);
    return must(Object.values(await session.run({ x: feed }))[0], "an output").data as Float32Array;
  } finally {
    await session.close();
  }
}

const norm = (v: Float32Array): number => Math.hypot(...v);

describe("int8, end to end", { timeout: 300_000 }, () => {
  test("an int8 engine computes what the float one does, layer by layer", async () => {
    const fp32 = await hone(["build", path("net.onnx"), "-o", path("f.hone"), "--json"]);
    const int8 = await hone([
      "build",
      path("net.onnx"),
      "--precision",
      "int8",
      "--int8",
      "all",
      "--calib",
      path("photos"),
      "-o",
      path("i.hone"),
      "--json",
    ]);
    expect([fp32.code, int8.code], int8.stderr).toEqual([0, 0]);
    expect(int8.json()).toMatchObject({ precision: "int8", int8: { layers: 5, float: [], method: "best", photos: 6, skipped: [] } });
    const [want, got] = [await outputs(path("f.hone")), await outputs(path("i.hone"))];
    expect(norm(want.map((v, i) => v - (got[i] ?? 0))) / norm(want)).toBeLessThan(0.03);
    expect(got).not.toEqual(want);
    const session = await Session.open(path("i.hone"));
    expect(session.manifest.precision).toBe("int8");
    const layer = (name: string): string | undefined => session.manifest.kernels.find((k) => k.nodes.includes(name))?.precision;
    expect(["first", "deep", "wide", "inner", "last"].map(layer)).toEqual(new Array(5).fill("int8"));
    await session.close();
  });

  test("photos in another order, by other names, twice: the same table to the byte", async () => {
    mkdirSync(path("again"));
    const names = readdirSync(path("photos"));
    names.forEach((name, i) => {
      copyFileSync(join(path("photos"), name), join(path("again"), `${names.length - i}.png`));
    });
    copyFileSync(join(path("photos"), must(names[0], "a photo")), join(path("again"), "twice.png"));
    const tables = ["photos", "again"].map((images) => calibrateModel(path("net.onnx"), { images: path(images), method: "moving" }));
    const [a, b] = await Promise.all(tables);
    expect(writeTable(must(b, "table").table)).toBe(writeTable(must(a, "table").table));
    expect(must(a, "table").photos).toBe(6);
  });

  test.for(["tensorrt", "ncnn", "onnxruntime"])("a table for %s comes back and is as good", async (format) => {
    const table = path(`table.${format}`);
    const made = await hone(["calibrate", path("net.onnx"), "--images", path("photos"), "--format", format, "-o", table, "--json"]);
    expect(made.code, made.stderr).toBe(0);
    const engine = path(`${format}.hone`);
    const built = await hone(["build", path("net.onnx"), "--precision", "int8", "--int8", "all", "--calib", table, "-o", engine, "--json"]);
    // ncnn's knows what convolutions read, and nothing of what other layers join or read: those stay float.
    const unknown = [
      { layer: "smooth", why: "the table has no range for inner" },
      { layer: "sum", why: "the table has no range for wide" },
    ];
    const float = format === "ncnn" ? unknown : [];
    expect(built.json(), built.stderr).toMatchObject({ int8: { layers: 5, method: `table of ${format}`, float } });
    await hone(["build", path("net.onnx"), "-o", path("f.hone")]);
    const [want, got] = [await outputs(path("f.hone")), await outputs(engine)];
    expect(norm(want.map((v, i) => v - (got[i] ?? 0))) / norm(want)).toBeLessThan(0.06);
  });

  test("a table of another tool that knows none of the model's values is refused", async () => {
    writeFileSync(path("other.cache"), "TRT-7000-EntropyCalibration2\nnobody: 3c904204\n");
    const built = await hone([
      "build",
      path("net.onnx"),
      "--precision",
      "int8",
      "--calib",
      path("other.cache"),
      "-o",
      path("o.hone"),
      "--json",
    ]);
    expect(built.json()).toMatchObject({ error: { code: "quant.table" } });
  });

  test("the report tells of every layer by the model's names", async () => {
    await hone(["build", path("net.onnx"), "-o", path("f.hone")]);
    await hone(["build", path("net.onnx"), "--precision", "int8", "--calib", path("photos"), "-o", path("i.hone")]);
    const { manifest } = await readEngineFile(path("i.hone"));
    const built = (name: string): string | undefined => manifest.kernels.find((k) => k.nodes.includes(name))?.precision;
    const page = path("report.html");
    const layers = ["--model", path("net.onnx"), "--calib", path("photos")];
    const made = await hone(["report", path("f.hone"), path("i.hone"), "-o", page, ...layers, "--json"]);
    expect(made.code, made.stderr).toBe(0);
    const json = made.json() as { engines: { latencyMs: { min: number } }[]; layers: ReportedLayer[] };
    expect(json.layers.map((l) => l.nodes[0])).toEqual(["first", "deep", "wide", "inner", "last"]);
    for (const { nodes, sqnr = 0, precision, why, milliseconds } of json.layers) {
      // As the engine is, not as it could have been.
      expect([nodes[0], precision]).toEqual([nodes[0], built(nodes[0] ?? "")]);
      expect(why !== undefined).toBe(precision !== "int8");
      expect(sqnr).toBeGreaterThan(25);
      expect(sqnr).toBeLessThan(70);
      expect(milliseconds).toHaveLength(2);
      for (const ms of milliseconds) expect(ms).toBeGreaterThan(0);
    }
    expect(json.engines.map((e) => e.latencyMs.min > 0)).toEqual([true, true]);
    const html = readFileSync(page, "utf8");
    for (const text of ["i.hone against f.hone", "relu1", "entropy-ncnn", "Accuracy was not measured"]) expect(html).toContain(text);
    await hone(["build", path("net.onnx"), "--precision", "fp16", "-o", path("h.hone")]);
    const halves = (await hone(["report", path("f.hone"), path("h.hone"), "-o", page, ...layers, "--json"])).json();
    expect(halves["layers"]).toMatchObject(Array.from({ length: 5 }, () => ({ precision: "fp16", why: "the engine is in fp16" })));
    const other = await hone(["report", path("f.hone"), "-o", page, "--calib", path("photos"), "--json"]);
    expect(other.json()).toMatchObject({ error: { code: "usage" } });
  });

  test("the int8 ONNX file gives in ONNX Runtime what the engine gives, but for rare steps", async () => {
    const made = await hone([
      ...["convert", path("net.onnx"), "--precision", "int8", "--calib", path("photos"), "-o", path("qdq.onnx"), "--json"],
    ]);
    expect(made.json(), made.stderr).toMatchObject({ precision: "int8", int8: { layers: 5, float: [] } });
    await hone(["build", path("net.onnx"), "--precision", "int8", "--int8", "all", "--calib", path("photos"), "-o", path("i.hone")]);
    const ours = await outputs(path("i.hone"));
    const peer = await openOnnxRuntime(path("qdq.onnx"));
    const feed = zeros("float32", [1, 3, SIZE, SIZE]);
    for (let i = 0; i < feed.data.length; i++) feed.data[i] = 0.5 + 0.5 * Math.sin(i * 0.021);
    const theirs = must(Object.values(await peer.run({ x: feed }))[0], "an output").data as Float32Array;
    await peer.close();
    // The last layer's result is float: a step is what one would be, were it bytes.
    const differences = ours.map((v, i) => Math.abs(v - (theirs[i] ?? NaN)));
    const step = (Math.max(...ours) - Math.min(...ours)) / 255;
    expect(differences.filter((d) => d <= step).length / ours.length).toBeGreaterThanOrEqual(0.999);
    expect(norm(differences) / norm(ours)).toBeLessThan(1e-3);
    // It comes back: hone reads what it wrote.
    await hone(["build", path("qdq.onnx"), "-o", path("qdq.hone")]);
    const back = await outputs(path("qdq.hone"));
    expect(norm(back.map((v, i) => v - (ours[i] ?? NaN))) / norm(ours)).toBeLessThan(2e-3);
  });

  test("a photo that cannot be read is skipped and named; without any the command fails", async () => {
    mkdirSync(path("some"));
    copyFileSync(path("photos/1.png"), path("some/good.png"));
    writeFileSync(path("some/bad.jpg"), "no image");
    const some = await hone(["calibrate", path("net.onnx"), "--images", path("some"), "-o", path("some.json"), "--json"]);
    expect(some.json()).toMatchObject({ photos: 1, skipped: [{ file: path("some/bad.jpg") }] });
    rmSync(path("some/good.png"));
    const none = await hone(["calibrate", path("net.onnx"), "--images", path("some"), "-o", path("none.json"), "--json"]);
    expect(none.code).toBe(1);
    expect(none.json()).toMatchObject({ error: { code: "quant.no-samples" } });
    mkdirSync(path("empty"));
    const empty = await hone([
      "build",
      path("net.onnx"),
      "--precision",
      "int8",
      "--int8",
      "all",
      "--calib",
      path("empty"),
      "-o",
      path("e.hone"),
      "--json",
    ]);
    expect(empty.json()).toMatchObject({ error: { code: "quant.no-samples" } });
  });

  test("a layer that gives NaN is named", async () => {
    writeModel(path("nan.onnx"), (l, x) => l.op("Log", [l.op("Neg", [x], "negative")], "bad log"));
    const ran = await hone(["calibrate", path("nan.onnx"), "--images", path("photos"), "-o", path("nan.json"), "--json"]);
    expect(ran.json()).toMatchObject({ error: { code: "quant.not-finite" } });
    expect(ran.stdout).toContain("bad log");
  });

  test("a table is taken for its model and for no other", async () => {
    const made = await hone(["calibrate", path("net.onnx"), "--images", path("photos"), "-o", path("t.json"), "--json"]);
    expect(made.code, made.stderr).toBe(0);
    const flags = ["--precision", "int8", "--int8", "all", "--calib", path("t.json"), "--json"];
    const own = await hone(["build", path("net.onnx"), "-o", path("own.hone"), ...flags]);
    expect(own.json()).toMatchObject({ int8: { layers: 5, photos: 0 } });
    writeModel(path("other.onnx"), (l, x) => l.op("Neg", [x], "minus"));
    const other = await hone(["build", path("other.onnx"), "-o", path("other.hone"), ...flags]);
    expect(other.json()).toMatchObject({ error: { code: "quant.table" } });
    writeFileSync(path("broken.json"), '{"calibration": 1, "model": "x"}');
    const broken = await hone([
      "build",
      path("net.onnx"),
      "-o",
      path("b.hone"),
      "--precision",
      "int8",
      "--int8",
      "all",
      "--calib",
      path("broken.json"),
      "--json",
    ]);
    expect(broken.json()).toMatchObject({ error: { code: "quant.table" } });
  });

  test("with enough photos some are held back, and each value gets the method that is best for the outputs", async () => {
    await writePhotos("many", 40);
    const flags = ["--images", path("many"), "--method", "auto", "-o", path("auto.json"), "--json"];
    const made = await hone(["calibrate", path("net.onnx"), ...flags]);
    expect(made.code, made.stderr).toBe(0);
    const told = made.json() as { photos: number; heldBack: number; chosen: Record<string, number>; values: number; error: number };
    expect(told).toMatchObject({ photos: 40, judgedApart: true });
    expect(told.heldBack).toBeGreaterThan(0);
    expect(Object.values(told.chosen).reduce((a, b) => a + b, 0)).toBe(told.values);
    const table = readTable(readFileSync(path("auto.json"), "utf8"));
    expect(table.samples.length + (table.heldBack?.length ?? 0)).toBe(40);
    expect(table.samples.filter((hash) => table.heldBack?.includes(hash))).toEqual([]);
    const ncnn = await calibrateModel(path("net.onnx"), { images: path("many"), method: "entropy-ncnn" });
    expect(told.error).toBeLessThan(ncnn.verdict.outputs);
  });

  test("what is tried is kept just when the outputs of held-back photos are better with it", async () => {
    const { trials, table, verdict } = await calibrateModel(path("net.onnx"), { images: path("photos"), method: "minmax" });
    expect(trials.map((t) => t.what)).toContain("bias correction");
    for (const { what, kept, ...errors } of trials) {
      expect(kept).toBe(errors.with.outputs < errors.without.outputs);
      expect(((what === "equalisation" ? table.factors?.size : table.means?.size) ?? 0) > 0).toBe(kept);
    }
    const plain = await calibrateModel(path("net.onnx"), { images: path("photos"), method: "minmax", adjust: false });
    expect(plain.trials).toEqual([]);
    expect(verdict.outputs).toBeLessThanOrEqual(plain.verdict.outputs);
  });

  test("a value that is the same everywhere and for every photo is exact", async () => {
    writeModel(path("constant.onnx"), (l, x) => l.op("Mul", [x, l.op("Sub", [x, x], "nothing")], "zero"));
    const flags = ["--precision", "int8", "--calib", path("photos"), "--json"];
    const built = await hone(["build", path("constant.onnx"), "-o", path("constant.hone"), ...flags]);
    expect(built.code, built.stderr).toBe(0);
    await hone(["build", path("constant.onnx"), "-o", path("constant-f.hone")]);
    const [want, got] = [await outputs(path("constant-f.hone")), await outputs(path("constant.hone"))];
    expect(norm(want.map((v, i) => v - (got[i] ?? 0))) / norm(want)).toBeLessThan(0.03);
  });

  test("sensitivity tells of every layer, the most harmful first", async () => {
    const ran = await hone(["sensitivity", path("net.onnx"), "--calib", path("photos"), "--json"]);
    expect(ran.code, ran.stderr).toBe(0);
    const { layers, outputsSqnr } = ran.json() as { layers: { layer: string; sqnr: number; outputsSqnr: number }[]; outputsSqnr: number };
    expect(layers.map((l) => l.layer.split(",")[0]).sort()).toEqual(["deep", "first", "inner", "last", "wide"]);
    expect(layers.map((l) => l.outputsSqnr)).toEqual(layers.map((l) => l.outputsSqnr).sort((a, b) => a - b));
    // One layer in int8 harms less than all of them.
    expect(Math.min(...layers.map((l) => l.outputsSqnr))).toBeGreaterThan(outputsSqnr);
  });

  test("int8 without photos, and photos without int8, are usage errors", async () => {
    for (const flags of [
      ["--precision", "int8"],
      ["--calib", path("photos")],
    ])
      expect((await hone(["build", path("net.onnx"), "-o", path("u.hone"), ...flags])).code).toBe(2);
  });
});
