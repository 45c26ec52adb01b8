/** What this machine has for hone, and what to do about what it lacks. */
import { access, constants, writeFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { loadSharp } from "../data/node/sharp.ts";
import { platformName } from "../engine/format.ts";
import { wasmFeatures } from "../runtime/core/wasm/features.ts";
import { loadHost } from "../runtime/node/host.ts";
import { C_MACHINES, chooseMachine } from "../targets/c/machines.ts";
import { findCompiler } from "../toolchain/compiler.ts";
import { cpuFeatures } from "../toolchain/cpu.ts";
import { buildHost } from "../toolchain/host.ts";
import { HoneError } from "../util/errors.ts";
import { cacheFolder } from "../util/node/cache.ts";
import { packageFile } from "./detector.ts";

export interface TargetMachine {
  readonly name: string;
  readonly arch: string;
  readonly lanes: number;
  readonly needs: readonly string[];
  /** Whether this machine can run engines for it. */
  readonly here: boolean;
  /** What it lacks; empty when it can. */
  readonly lacks: string;
  /** Whether `hone build` chooses it here. */
  readonly chosen: boolean;
}

export interface Targets {
  readonly platform: string;
  readonly compiler: string | null;
  readonly features: readonly string[];
  readonly targets: readonly TargetMachine[];
}

export async function listTargets(): Promise<Targets> {
  const features = await cpuFeatures();
  const chosen = chooseMachine(process.arch, features).name;
  const compiler = await findCompiler().then(
    (c) => c.identity.split("\n")[0] ?? c.command,
    () => null,
  );
  const targets = C_MACHINES.map(({ name, arch, lanes, features: needs }) => {
    const missing = needs.filter((f) => !features.includes(f));
    const otherArch = arch !== "any" && arch !== process.arch;
    const lacks = otherArch ? `this is ${process.arch}` : missing.length > 0 ? `the CPU lacks ${missing.join(", ")}` : "";
    return { name, arch, lanes, needs, here: lacks === "", lacks, chosen: name === chosen };
  });
  return { platform: platformName(process.arch, process.platform), compiler, features, targets };
}

export interface Check {
  readonly name: string;
  /** `missing`: something optional is not there. */
  readonly state: "ok" | "missing" | "broken";
  readonly found: string;
  /** What to do about it. */
  readonly fix?: string;
}

const attempt = async (name: string, work: () => Promise<string>, fix: string, optional = false): Promise<Check> => {
  try {
    return { name, state: "ok", found: await work() };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const hint = error instanceof HoneError ? error.hint : undefined;
    return { name, state: optional ? "missing" : "broken", found: text.split("\n")[0] ?? "", fix: hint ?? fix };
  }
};

/** Every check, in order. Nothing is changed but the caches that hone keeps anyway. */
export async function checkMachine(): Promise<readonly Check[]> {
  return [
    await attempt("node", checkNode, "Install Node 20.19 or newer."),
    await attempt("platform", checkPlatform, "Engines with native code are built and tried on Linux."),
    await checkCompiler(),
    await attempt("cache folder", checkCache, "Set HONE_CACHE to a folder of yours that can be written."),
    await attempt("native host", checkHost, "Set HONE_CACHE to a folder that is not mounted noexec.", !(await haveCompiler())),
    await attempt("WebAssembly", checkWasm, "Use Node 20.19 or newer."),
    await attempt("CPU features", checkCpu, "Engines use plain code then, which is slower."),
    await attempt("sharp", () => checkPackage("sharp", "for reading photos"), "npm install sharp", true),
    await attempt("onnxruntime-node", () => checkPackage("onnxruntime-node", "for hone compare"), ORT_FIX, true),
    await attempt("face detector", checkDetector, "npm install @mediapipe/face_detection", true),
  ];
}

const ORT_FIX = "ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node";

async function checkNode(): Promise<string> {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return Promise.resolve(process.versions.node);
  throw new HoneError("usage", `${process.versions.node} is too old`);
}

function checkPlatform(): Promise<string> {
  const name = platformName(process.arch, process.platform);
  if (process.platform === "linux") return Promise.resolve(name);
  throw new HoneError("target.unsupported", name);
}

const haveCompiler = (): Promise<boolean> =>
  findCompiler().then(
    () => true,
    () => false,
  );

/** Optional, unless one was named. */
async function checkCompiler(): Promise<Check> {
  const named = (process.env["HONE_CC"] ?? "") !== "";
  const work = async (): Promise<string> => (await findCompiler()).identity.split("\n")[0] ?? "found";
  const check = await attempt("C compiler", work, "Install gcc or clang.", !named);
  if (check.state !== "missing") return check;
  return {
    ...check,
    found: `${check.found}; engines are built as WebAssembly`,
    fix: `With one, engines are native code, which uses all of the CPU's vectors and is faster. ${check.fix ?? ""}`,
  };
}

function checkWasm(): Promise<string> {
  const features = wasmFeatures();
  if (features.includes("simd128")) return Promise.resolve(features.join(", "));
  throw new HoneError("target.unsupported", "this Node has no WebAssembly with vectors");
}

async function checkCache(): Promise<string> {
  const folder = await cacheFolder("toolchain");
  const probe = join(folder, `.probe-${randomUUID()}`);
  await writeFile(probe, "");
  await rm(probe, { force: true });
  await access(folder, constants.R_OK | constants.W_OK);
  return `${folder} can be written`;
}

async function checkHost(): Promise<string> {
  const { bytes } = await buildHost();
  const host = await loadHost(bytes);
  return `loads from ${host.folder}`;
}

async function checkCpu(): Promise<string> {
  const features = await cpuFeatures();
  const machine = chooseMachine(process.arch, features);
  return `${machine.name}: ${machine.features.join(", ") || "nothing special"}`;
}

async function checkPackage(name: "sharp" | "onnxruntime-node", what: string): Promise<string> {
  try {
    await (name === "sharp" ? loadSharp() : import("onnxruntime-node"));
    return `there, ${what}`;
  } catch {
    throw new HoneError("dependency.missing", `not there: optional, ${what}`);
  }
}

async function checkDetector(): Promise<string> {
  if (packageFile("@mediapipe/face_detection", "package.json") !== undefined)
    return Promise.resolve("there, for hone face without --engine");
  throw new HoneError("dependency.missing", "not there: optional, for hone face without --engine");
}
