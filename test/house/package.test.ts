/** What npm publishes, in an empty project that has only what `dependencies` names: no optional package, no peer, no compiler of TypeScript. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { onnxGraph, onnxModel, onnxNode, onnxValueInfo, writeOnnx } from "../../src/formats/onnx/write.ts";
import { haveCompiler } from "../../src/runtime/testing/tiny.ts";
import { packagePath } from "../models/seeded.ts";

const root = join(import.meta.dirname, "../..");
const compiler = await haveCompiler();
let project: string;

function run(command: string, args: readonly string[], cwd: string = project): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(command, args, { cwd, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
}

const BIN = (): string => join(project, "node_modules/hone-engine/bin/hone.js");
const hone = (...args: string[]): ReturnType<typeof run> => run(process.execPath, [BIN(), ...args]);

/** The packages that `names` need, theirs included, as package.json files say. */
function closure(names: readonly string[], found: Set<string> = new Set()): Set<string> {
  for (const name of names) {
    if (found.has(name)) continue;
    found.add(name);
    const { dependencies = {} } = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")) as Package;
    closure(Object.keys(dependencies), found);
  }
  return found;
}

interface Package {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
}

beforeAll(() => {
  expect(run(process.execPath, ["scripts/build.mjs"], root).status).toBe(0);
  project = mkdtempSync(join(tmpdir(), "hone-project-"));
  const packed = run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], root);
  const [{ filename } = { filename: "" }] = JSON.parse(packed.stdout) as { filename: string }[];
  const to = join(project, "node_modules/hone-engine");
  mkdirSync(to, { recursive: true });
  expect(run("tar", ["xzf", join(project, filename), "-C", to, "--strip-components=1"]).status).toBe(0);
  const { dependencies = {} } = JSON.parse(readFileSync(join(to, "package.json"), "utf8")) as Package;
  for (const name of closure(Object.keys(dependencies))) {
    cpSync(join(root, "node_modules", name), join(project, "node_modules", name), { recursive: true });
  }
  writeFileSync(join(project, "package.json"), '{ "type": "module" }');
}, 120_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

/** The blocks of JavaScript that README.md shows. */
function readmeBlocks(): string[] {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  return [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map((m) => m[1] ?? "");
}

function script(name: string, text: string): ReturnType<typeof run> {
  writeFileSync(join(project, name), text);
  return run(process.execPath, [name]);
}

/** output = 2·input over 1×3×640×640, as the README's example has them. */
function writeExampleModel(): void {
  const graph = onnxGraph({
    node: [onnxNode("Add", ["input", "input"], ["output"])],
    input: [onnxValueInfo("input", "float32", [1, 3, 640, 640])],
    output: [onnxValueInfo("output", "float32", [1, 3, 640, 640])],
  });
  writeFileSync(join(project, "model.onnx"), writeOnnx(onnxModel({ graph })));
}

test("peers are not there", () => {
  const { peerDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Package;
  for (const name of Object.keys(peerDependencies)) expect(existsSync(join(project, "node_modules", name))).toBe(false);
});

test("every door opens", () => {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Package;
  const doors = Object.keys(exports)
    // A worker's program has a page to talk to, and nothing to export.
    .filter((d) => !d.endsWith(".json") && d !== "./web-worker")
    .map((d) => `hone-engine${d.slice(1)}`);
  expect(doors.length).toBeGreaterThanOrEqual(6);
  const text = doors
    .map((d) => `console.log(${JSON.stringify(d)}, Object.keys(await import(${JSON.stringify(d)})).length > 0);`)
    .join("\n");
  const { stdout, stderr } = script("doors.js", text);
  expect(stderr).toBe("");
  expect(stdout).toBe(doors.map((d) => `${d} true\n`).join(""));
});

test("types are whole: a strict checker finds nothing wrong in any of them", { timeout: 120_000 }, () => {
  const text = `import { importModel, buildEngine, HoneError } from "hone-engine";
import { Session } from "hone-engine/runtime";
import { loadImage, readCoco } from "hone-engine/data";
import { detectFaces, parseRecipe } from "hone-engine/vision";
import { evaluateCoco } from "hone-engine/metrics";
import * as report from "hone-engine/report";
const session: Session = await Session.open("model.hone");
const { output } = await session.run({ input: { type: "float32", dims: [1], data: new Float32Array(1) } });
export const dims: readonly number[] | undefined = output?.dims;
export const all: unknown[] = [importModel, buildEngine, HoneError, loadImage, readCoco, detectFaces, parseRecipe, evaluateCoco, report];
`;
  writeFileSync(join(project, "use.mts"), text);
  mkdirSync(join(project, "node_modules/@types"), { recursive: true });
  for (const name of ["@types/node", "undici-types"]) {
    cpSync(join(root, "node_modules", name), join(project, "node_modules", name), { recursive: true });
  }
  const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--types", "node", "--exactOptionalPropertyTypes"];
  const { status, stdout } = run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...options, "use.mts"]);
  expect(stdout).toBe("");
  expect(status).toBe(0);
});

test.skipIf(!compiler)("the command line builds and runs an engine, and names what a peer is needed for", { timeout: 60_000 }, () => {
  writeExampleModel();
  expect(hone("build", "model.onnx", "-o", "model.hone", "--json")).toMatchObject({ status: 0 });
  const ran = hone("run", "model.hone", "--json");
  expect(ran.status).toBe(0);
  expect(JSON.parse(ran.stdout)).toMatchObject({ version: 1, outputs: [{ name: "output", dims: [1, 3, 640, 640] }] });
  const photo = hone("run", "model.hone", "--image", "model.onnx", "--json");
  expect(photo.status).toBe(1);
  expect(JSON.parse(photo.stdout)).toMatchObject({ error: { code: "dependency.missing", hint: "npm install sharp" } });
  const peer = hone("compare", "model.onnx", "--against", "onnxruntime", "--json");
  expect(JSON.parse(peer.stdout)).toMatchObject({ error: { code: "dependency.missing" } });
  expect(JSON.parse(hone("doctor", "--json").stdout)).toMatchObject({ version: 1, well: true });
});

test.skipIf(!compiler)("on another platform native code is refused with a code, and WebAssembly runs", { timeout: 60_000 }, () => {
  writeExampleModel();
  expect(hone("build", "model.onnx", "-o", "native.hone").status).toBe(0);
  for (const [platform, arch] of [
    ["win32", "x64"],
    ["darwin", "arm64"],
  ]) {
    const pretend = `Object.defineProperty(process, "platform", { value: "${platform ?? ""}" }); Object.defineProperty(process, "arch", { value: "${arch ?? ""}" });`;
    const there = (...args: string[]): ReturnType<typeof run> =>
      run(process.execPath, ["--import", `data:text/javascript,${encodeURIComponent(pretend)}`, BIN(), ...args, "--json"]);
    expect(JSON.parse(there("inspect", "model.onnx").stdout)).toMatchObject({ format: "onnx" });
    expect(JSON.parse(there("run", "native.hone").stdout)).toMatchObject({ error: { code: "engine.cpu" } });
    expect(there("build", "model.onnx", "-o", "wasm.hone", "--target", "wasm").status).toBe(0);
    expect(JSON.parse(there("run", "wasm.hone").stdout)).toMatchObject({ target: "wasm:simd128", outputs: [{ name: "output" }] });
  }
});

test.skipIf(!compiler)("the README's first example runs", { timeout: 60_000 }, () => {
  writeExampleModel();
  expect(hone("build", "model.onnx", "-o", "model.hone").status).toBe(0);
  const [first = ""] = readmeBlocks();
  expect(first).toContain("Session.open");
  const before = "const pixels = new Float32Array(3 * 640 * 640).fill(1.5);\n";
  const { stdout, stderr } = script("first.js", `${before}${first}console.log(output.dims.join(), output.data[7]);`);
  expect(stderr).toBe("");
  expect(stdout).toBe("1,3,640,640 3\n");
});

const detector = packagePath("@mediapipe/face_detection", "face_detection_full_range.tflite");
const photo = packagePath("@vladmandic/face-api", "demo/sample1.jpg");
test.skipIf(!compiler || !existsSync(detector) || !existsSync(photo))(
  "the README's second example finds faces, with sharp",
  { timeout: 120_000 },
  () => {
    const sharp = join(project, "node_modules/sharp");
    symlinkSync(join(root, "node_modules/sharp"), sharp);
    try {
      cpSync(photo, join(project, "photo.jpg"));
      expect(hone("build", detector, "-o", "model.hone").status).toBe(0);
      const second = readmeBlocks()[1] ?? "";
      expect(second).toContain("detectFaces");
      const before = 'import { Session } from "hone-engine/runtime";\nconst session = await Session.open("model.hone");\n';
      const after = "console.log(faces.length, faces[0].points.length);\nawait session.close();";
      const { stdout, stderr } = script("second.js", `${before}${second}${after}`);
      expect(stderr).toBe("");
      expect(stdout).toBe("3 6\n");
    } finally {
      rmSync(sharp);
    }
  },
);

test("nothing is published but what is listed", () => {
  const entries = run("tar", ["tzf", join(project, "hone-engine-0.1.0.tgz")])
    .stdout.trim()
    .split("\n")
    .map((e) => dirname(e.replace(/^package\//, "")).split("/")[0]);
  expect([...new Set(entries)].sort()).toEqual([".", "bin", "dist"]);
});
