import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { haveCompiler } from "../runtime/testing/tiny.ts";
import { Session } from "../runtime/node/session.ts";
import { tensor } from "../tensor/tensor.ts";
import { readNpy, writeNpy } from "../workflow/npy.ts";
import { hone, writeTiny, writeUnsupported } from "./testing/command.ts";

const compiler = await haveCompiler();
const folder = mkdtempSync(join(tmpdir(), "hone-cli-"));
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  vi.stubEnv("HONE_CACHE", at("cache"));
  writeTiny(at("tiny.onnx"));
  writeTiny(at("dynamic.onnx"), "size");
  writeUnsupported(at("unsupported.onnx"));
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const leftovers = (where: string): string[] => readdirSync(where).filter((name) => name.endsWith(".tmp"));

test("WebAssembly needs no compiler, and lies beside native code where both are asked for", async () => {
  const wasm = await hone(["build", at("tiny.onnx"), "-o", at("wasm.hone"), "--target", "wasm", "--keep", at("modules"), "--json"]);
  expect(wasm.json()).toMatchObject({ target: "wasm", targetWhy: "asked for", kernels: 2 });
  expect(readdirSync(at("modules")).sort()).toEqual([
    "engine.relaxed.wasm",
    "engine.relaxed.wat",
    "engine.simd128.wasm",
    "engine.simd128.wat",
    "weights.bin",
  ]);
  expect(readFileSync(at("modules/engine.simd128.wat"), "utf8")).toContain('(export "hone_run_0")');
  const ran = await hone(["run", at("wasm.hone"), "--json"]);
  expect(ran.json()["target"]).toMatch(/^wasm:/);
  expect(ran.json()["outputs"]).toMatchObject([{ name: "y", notFinite: 0 }]);
  expect((await hone(["build", at("tiny.onnx"), "--target", "wasm,cuda"])).stderr).toContain('does not know "cuda"');
});

test.each([
  ["fp16", 2 ** -10],
  ["bf16", 2 ** -7],
])("weights in %s are kept in half the bytes, and the engine says so", async (precision, step) => {
  const common = [at("tiny.onnx"), "--target", "wasm", "--json"];
  const float = (await hone(["build", ...common, "-o", at("whole.hone")])).json();
  const half = (await hone(["build", ...common, "-o", at(`${precision}.hone`), "--precision", precision])).json();
  expect(half).toMatchObject({ precision, halves: { half: 1, float: [] } });
  expect(Number(half["weightsBytes"])).toBeLessThan(Number(float["weightsBytes"]));
  const { stdout } = await hone(["inspect", at(`${precision}.hone`)]);
  expect(stdout).toMatch(new RegExp(`kernels +\\d, ${precision}: \\d ${precision}, 1 fp32`));
  const x = tensor(
    "float32",
    [1, 3, 8, 8],
    Float32Array.from({ length: 192 }, (_, i) => Math.sin(i)),
  );
  const [want, got] = await Promise.all(
    [at("whole.hone"), at(`${precision}.hone`)].map(async (path) => {
      const session = await Session.open(path);
      const { y } = await session.run({ x });
      await session.close();
      return Array.from((y?.data ?? []) as ArrayLike<number>);
    }),
  );
  const error = Math.max(...(want ?? []).map((v, i) => Math.abs(v - (got?.[i] ?? NaN))));
  expect(error).toBeGreaterThan(0);
  expect(error).toBeLessThan(step * Math.max(...(want ?? []).map(Math.abs)));
});

describe.skipIf(!compiler)("a model becomes an engine that runs", () => {
  beforeAll(async () => {
    const { code, stderr } = await hone(["build", at("tiny.onnx"), "-o", at("made/tiny.hone")]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  test("build tells what it made, and from what", async () => {
    const { code, json } = await hone(["build", at("tiny.onnx"), "-o", at("made/tiny.hone"), "--json"]);
    expect(code).toBe(0);
    expect(json()).toMatchObject({
      version: 1,
      engine: at("made/tiny.hone"),
      bytes: readFileSync(at("made/tiny.hone")).length,
      precision: "fp32",
      fromCache: true,
      recipe: null,
      nodes: { before: 3 },
      files: [],
    });
    expect(json()["target"]).toMatch(/^c:/);
    expect(leftovers(at("made"))).toEqual([]);
  });

  test("native code and WebAssembly in one engine", async () => {
    const both = await hone(["build", at("tiny.onnx"), "-o", at("both.hone"), "--target", "native,wasm", "--json"]);
    expect(both.json()["target"]).toMatch(/^c:\w+,wasm$/);
    const [native, wasm] = [await Session.open(at("both.hone")), await Session.open(at("both.hone"), { native: "never" })];
    expect(native.info.target).toMatch(/^so:/);
    expect(wasm.info).toMatchObject({
      target: expect.stringMatching(/^wasm:/) as unknown,
      why: expect.stringContaining("not allowed") as unknown,
    });
    const x = tensor(
      "float32",
      [1, 3, 8, 8],
      Float32Array.from({ length: 192 }, (_, i) => Math.sin(i)),
    );
    const [a, b] = [(await native.run({ x }))["y"], (await wasm.run({ x }))["y"]];
    b?.data.forEach((v: number | bigint, i: number) => expect(Number(v)).toBeCloseTo(Number(a?.data[i]), 6));
    await Promise.all([native.close(), wasm.close()]);
  });

  test("the same command gives the same bytes", async () => {
    await hone(["build", at("tiny.onnx"), "-o", at("again.hone")]);
    expect(readFileSync(at("again.hone")).equals(readFileSync(at("made/tiny.hone")))).toBe(true);
  });

  test("run feeds arrays and writes arrays", async () => {
    writeFileSync(at("x.npy"), writeNpy(tensor("float32", [1, 3, 8, 8], new Float32Array(192))));
    const { code, json } = await hone(["run", at("made/tiny.hone"), "--input", `x=${at("x.npy")}`, "-o", at("results"), "--json"]);
    expect(code).toBe(0);
    expect(json()["outputs"]).toMatchObject([{ name: "y", type: "float32", dims: [1, 4, 8, 8], notFinite: 0, file: at("results/y.npy") }]);
    const y = readNpy(new Uint8Array(readFileSync(at("results/y.npy"))), "y.npy");
    // With x all zeros only the biases are left: 0.1, -0.2, 0.3, 0.
    const expected = [0.1, 0, 0.3, 0].map((bias) => 1 / (1 + Math.exp(-bias)));
    expected.forEach((value, channel) => expect(y.data[channel * 64 + 9]).toBeCloseTo(value, 6));
  });

  test("compare holds it against the textbook loops and against ONNX Runtime", async () => {
    const good = await hone(["compare", at("tiny.onnx"), "--against", "naive", "--json"]);
    expect(good.code).toBe(0);
    expect(good.json()).toMatchObject({ version: 1, against: "naive", outputs: [{ name: "y" }] });
    expect(good.json()["worst"]).toBeLessThan(1e-5);
    const peer = await hone(["compare", at("tiny.onnx"), "--against", "onnxruntime", "--json"]);
    expect(peer.json()["worst"]).toBeLessThan(1e-5);
  });

  test("inspect describes an engine without running it", async () => {
    const { code, json } = await hone(["inspect", at("made/tiny.hone"), "--json"]);
    expect(code).toBe(0);
    expect(json()).toMatchObject({
      format: "hone",
      opset: null,
      problems: [],
      inputs: [{ name: "x", type: "float32", dims: [1, 3, 8, 8] }],
    });
  });

  test("wrong feeds are told with what is expected", async () => {
    writeFileSync(at("small.npy"), writeNpy(tensor("float32", [1, 3, 4, 4], new Float32Array(48))));
    const { code, stderr } = await hone(["run", at("made/tiny.hone"), "--input", `x=${at("small.npy")}`]);
    expect(code).toBe(2);
    expect(stderr).toContain("error feeds.invalid");
    expect(stderr).toContain("expected float32[1x3x8x8], got float32[1x3x4x4]");
    writeFileSync(at("no.npy"), "no array");
    expect((await hone(["run", at("made/tiny.hone"), "--input", at("no.npy")])).stderr).toContain("does not begin as a .npy file");
  });

  test("damaged and foreign engines are refused", async () => {
    const bytes = readFileSync(at("made/tiny.hone"));
    writeFileSync(at("cut.hone"), bytes.subarray(0, bytes.length - 100));
    const flipped = Buffer.from(bytes);
    flipped[bytes.length >> 1] = (flipped[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(at("flipped.hone"), flipped);
    for (const [name, word] of [
      ["cut.hone", "truncated"],
      ["flipped.hone", "hash does not match"],
      ["tiny.onnx", "not an engine file"],
    ] as const) {
      const { code, stderr } = await hone(["run", at(name)]);
      expect(code).toBe(1);
      expect(stderr).toContain("error engine.damaged");
      expect(stderr).toContain(word);
    }
    expect((await hone(["build", at("made/tiny.hone")])).stderr).toContain("It is built already");
  });

  test("symbols need shapes, and two shapes make two profiles", async () => {
    const without = await hone(["build", at("dynamic.onnx"), "-o", at("d.hone")]);
    expect(without.code).toBe(2);
    expect(without.stderr).toContain("--shape x=1x3x640x640");
    expect(existsSync(at("d.hone"))).toBe(false);
    const flags = ["--shape", "x=1x3x8x8", "--shape", "x=1x3x8x16"];
    const { code, json } = await hone(["build", at("dynamic.onnx"), "-o", at("d.hone"), ...flags, "--json"]);
    expect(code).toBe(0);
    expect(json()["profiles"]).toMatchObject([{ inputs: [[1, 3, 8, 8]] }, { inputs: [[1, 3, 8, 16]] }]);
    expect((await hone(["run", at("d.hone"), "--profile", "1", "--json"])).json()["outputs"]).toMatchObject([{ dims: [1, 4, 8, 16] }]);
    expect((await hone(["run", at("d.hone"), "--profile", "2"])).code).toBe(2);
    const wrong = await hone(["build", at("dynamic.onnx"), "-o", at("d.hone"), "--shape", "x=1x4x8x8"]);
    expect(wrong.code).toBe(2);
    const absurd = await hone(["build", at("dynamic.onnx"), "-o", at("d.hone"), "--shape", "x=1x3x9999999x9999999"]);
    expect(absurd.code).toBe(2);
    expect(absurd.stderr).toContain("more than 2147483647");
  });

  test("stages, dumps and the graph after a pass", async () => {
    const c = await hone(["build", at("tiny.onnx"), "-o", at("stages/t.hone"), "--emit", "c", "--json"]);
    expect(c.json()).toMatchObject({ engine: null, bytes: 0 });
    expect(readFileSync(at("stages/t.stages/engine.c"), "utf8")).toContain("hone_run_0");
    expect(existsSync(at("stages/t.hone"))).toBe(false);
    await hone(["build", at("tiny.onnx"), "-o", at("stages/u.hone"), "--keep", at("stages/all"), "--dump", "graph,pass,loop,source,asm"]);
    const kept = readdirSync(at("stages/all"));
    for (const file of ["engine.c", "engine.i", "engine.s", "engine.o", "engine.so", "engine.h", "weights.bin"])
      expect(kept).toContain(file);
    expect(existsSync(at("stages/u.hone"))).toBe(true);
    const dumped = readdirSync(at("stages/u.dump"));
    for (const file of ["graph.ir", "profile-0.ir", "profile-0.loop", "00-imported.ir", "engine.c", "engine.s"])
      expect(dumped).toContain(file);
    const after = await hone(["build", at("tiny.onnx"), "--stop-after", "import"]);
    expect(after.stdout).toContain('graph "tiny"(%x: float32[1,3,8,8])');
    expect((await hone(["build", at("tiny.onnx"), "--stop-after", "nothing"])).stderr).toContain("The passes are import, ");
  });
});

describe("bad input", () => {
  test("unsupported operators are all listed, by inspect and by build", async () => {
    const inspected = await hone(["inspect", at("unsupported.onnx"), "--json"]);
    expect(inspected.code).toBe(4);
    expect(inspected.json()).toMatchObject({
      format: "onnx",
      opset: 17,
      ops: { Frobnicate: 1, Unheard: 1 },
      macs: null,
      error: { code: "model.unsupported" },
    });
    expect(inspected.json()["problems"]).toHaveLength(2);
    const built = await hone(["build", at("unsupported.onnx"), "-o", at("u.hone")]);
    expect(built.code).toBe(4);
    expect(built.stderr).toContain("Frobnicate");
    expect(built.stderr).toContain("Unheard");
    expect(existsSync(at("u.hone"))).toBe(false);
  });

  test("damaged models, and files that are none", async () => {
    const bytes = readFileSync(at("tiny.onnx"));
    writeFileSync(at("cut.onnx"), bytes.subarray(0, bytes.length >> 1));
    writeFileSync(at("page.onnx"), "<!DOCTYPE html><title>404</title>");
    for (const verb of ["inspect", "build", "compare"]) {
      expect(await hone([verb, at("cut.onnx")])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("error model.damaged") as string,
      });
      expect(await hone([verb, at("page.onnx")])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("error model.format") as string,
      });
      expect(await hone([verb, at("none.onnx")])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("error file.not-found") as string,
      });
      expect(await hone([verb, folder])).toMatchObject({ code: 1, stderr: expect.stringContaining("error file.unreadable") as string });
    }
  });

  test("an output that cannot be written is told, and nothing else is touched", async () => {
    writeFileSync(at("file"), "");
    mkdirSync(at("taken"), { recursive: true });
    for (const output of [at("file/x.hone"), at("taken"), "/dev/null", "/proc/none/x.hone"]) {
      const { code, stderr } = await hone(["build", at("tiny.onnx"), "-o", output]);
      expect(code).toBe(1);
      expect(stderr).toContain("error file.unwritable");
    }
    expect(readdirSync(at("taken"))).toEqual([]);
  });

  test("a compiler that was named and does not work is an error that says how to get one", async () => {
    vi.stubEnv("HONE_CC", at("no-such-cc"));
    try {
      const { code, stderr } = await hone(["build", at("tiny.onnx"), "-o", at("n.hone")]);
      expect(code).toBe(1);
      expect(stderr).toContain("error toolchain.missing");
      expect(stderr).toContain("hint: Install one");
      expect(leftovers(folder)).toEqual([]);
      expect((await hone(["doctor"])).code).toBe(1);
    } finally {
      vi.stubEnv("HONE_CC", "");
    }
  });

  test("without a compiler everything works through WebAssembly, and says so", async () => {
    vi.stubEnv("PATH", at("no-commands"));
    vi.stubEnv("CC", "");
    try {
      const built = await hone(["build", at("tiny.onnx"), "-o", at("plain.hone"), "--json"]);
      expect(built.json()).toMatchObject({ target: "wasm", targetWhy: expect.stringContaining("no C compiler was found") as unknown });
      expect((await hone(["run", at("plain.hone"), "--json"])).json()["target"]).toMatch(/^wasm:/);
      const bench = await hone(["bench", at("tiny.onnx"), "--iterations", "3", "--seconds", "0", "--json"]);
      expect(bench.json()["target"]).toMatch(/^wasm:/);
      expect(bench.json()["peakGflops"]).toBeGreaterThan(0.1);
      const profile = await hone(["profile", at("tiny.onnx"), "--seconds", "0", "--json"]);
      expect(profile.json()["ms"]).toBeGreaterThan(0);
      expect((await hone(["compare", at("tiny.onnx"), "--against", "naive", "--json"])).json()["worst"]).toBeLessThan(1e-5);
      const doctor = await hone(["doctor", "--json"]);
      expect(doctor.code).toBe(0);
      expect(doctor.json()["checks"]).toContainEqual({
        name: "C compiler",
        state: "missing",
        found: "no C compiler was found: cc, gcc and clang are not in PATH; engines are built as WebAssembly",
        fix: expect.stringContaining("native code") as unknown,
      });
      expect((await hone(["build", at("tiny.onnx"), "--target", "native"])).stderr).toContain("error toolchain.missing");
    } finally {
      vi.unstubAllEnvs();
      vi.stubEnv("HONE_CACHE", at("cache"));
    }
  });

  test("an interrupt is exit code 130 with nothing half-written", async () => {
    const controller = new AbortController();
    controller.abort();
    const { code, stderr } = await hone(["build", at("tiny.onnx"), "-o", at("i.hone")], { signal: controller.signal });
    expect(code).toBe(130);
    expect(stderr).toContain("error aborted");
    expect(existsSync(at("i.hone"))).toBe(false);
    expect(leftovers(folder)).toEqual([]);
  });

  test("a damaged photo, and an engine that is not for faces", async () => {
    writeFileSync(at("photo.jpg"), "no photo");
    const { code, stderr } = await hone(["face", at("photo.jpg"), "--engine", at("made/tiny.hone"), "-o", at("drawn.png")]);
    expect(code).toBe(1);
    expect(stderr).toContain("error image.unreadable");
    expect(existsSync(at("drawn.png"))).toBe(false);
    expect((await hone(["face", at("photo.jpg"), "-o", at("drawn.gif")])).code).toBe(2);
  });
});
