import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { HoneError } from "../util/errors.ts";
import { findCompiler } from "./compiler.ts";
import { cpuFeatures, procFeatures } from "./cpu.ts";
import { buildHost } from "./host.ts";
import { Toolchain } from "./toolchain.ts";

const compiler = await findCompiler().catch(() => undefined);
if (compiler === undefined) process.stderr.write("skipped: no C compiler (cc, gcc or clang) is installed\n");
const folder = mkdtempSync(join(tmpdir(), "hone-toolchain-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const source = {
  name: "k.c",
  text: '#include "k.h"\n__attribute__((visibility("default"))) int twice(int x) { return FACTOR * x; }\nint hidden(void) { return 1; }\n',
};
const headers = [{ name: "k.h", text: "#define FACTOR 2\n" }];
const request = { name: "lib", sources: [source], headers, flags: ["-O2"], linkFlags: ["-Wl,-z,defs"] } as const;

async function rejection(promise: Promise<unknown>): Promise<HoneError> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (error instanceof HoneError) return error;
  throw new Error("expected a HoneError");
}

describe.skipIf(compiler === undefined)("the toolchain", () => {
  test("stops after each stage, and takes what it has from the cache", async () => {
    const tools = await Toolchain.open({ cache: join(folder, "a") });
    for (const [emit, mark] of [
      ["c", "FACTOR * x"],
      ["i", "2 * x"],
      ["s", "twice:"],
    ] as const) {
      const { outputs } = await tools.build({ ...request, emit });
      expect(outputs.map((o) => o.stage)).toEqual([emit]);
      expect(readFileSync(outputs[0]?.path ?? "", "utf8")).toContain(mark);
    }
    const first = await tools.build({ ...request, emit: "so" });
    expect(first.all.map((a) => a.stage)).toEqual(["c", "i", "s", "o", "so"]);
    expect(first.fromCache).toBe(false);
    const again = await tools.build({ ...request, emit: "so" });
    expect(again.fromCache).toBe(true);
    expect(again.outputs[0]?.path).toBe(first.outputs[0]?.path);
    const other = await tools.build({ ...request, emit: "so", headers: [{ name: "k.h", text: "#define FACTOR 3\n" }] });
    expect(other.fromCache).toBe(false);
    expect(other.outputs[0]?.sha256).not.toBe(first.outputs[0]?.sha256);
    expect(readdirSync(tools.cache).filter((n) => n.startsWith("work-"))).toEqual([]);
  });

  test("gives the same bytes from any folder, with no path and only what is meant visible", async () => {
    const [a, b] = await Promise.all(
      ["b", "c"].map(async (name) => (await Toolchain.open({ cache: join(folder, name) })).build({ ...request, emit: "so" })),
    );
    expect(a?.all.map((x) => x.sha256)).toEqual(b?.all.map((x) => x.sha256));
    const path = a?.outputs[0]?.path ?? "";
    expect(readFileSync(path).includes(folder)).toBe(false);
    if (process.platform === "linux") {
      const symbols = execFileSync("nm", ["-D", "--defined-only", path], { encoding: "utf8" });
      expect(symbols).toContain("twice");
      expect(symbols).not.toContain("hidden");
    }
  });

  test("makes archives and programs", async () => {
    const tools = await Toolchain.open({ cache: join(folder, "d") });
    const archive = await tools.build({ ...request, emit: "a" });
    expect(
      readFileSync(archive.outputs[0]?.path ?? "")
        .subarray(0, 7)
        .toString(),
    ).toBe("!<arch>");
    const main = { name: "main.c", text: "int twice(int); int main(void) { return twice(21); }" };
    const program = await tools.build({ ...request, sources: [source, main], emit: "exe" });
    expect(() => execFileSync(program.outputs[0]?.path ?? "")).toThrow(expect.objectContaining({ status: 42 }));
  });

  test("keeps the source that the compiler refuses and says where", async () => {
    const tools = await Toolchain.open({ cache: join(folder, "e") });
    const error = await rejection(tools.build({ name: "x", sources: [{ name: "bad.c", text: "int f( {" }], emit: "so" }));
    expect(error.code).toBe("toolchain.failed");
    expect(error.message).toMatch(/bad\.c:1/);
    expect(existsSync(error.at.file ?? "")).toBe(true);
    const undefinedSymbol = { name: "u.c", text: "int g(void); int f(void) { return g(); }" };
    const link = await rejection(tools.build({ name: "x", sources: [undefinedSymbol], emit: "so", linkFlags: ["-Wl,-z,defs"] }));
    expect(link.code).toBe("toolchain.failed");
    const name = await rejection(tools.build({ name: "x", sources: [{ name: "../x.c", text: "" }], emit: "c" }));
    expect(name.code).toBe("usage");
  });

  test("stops for an AbortSignal and for its time limit", async () => {
    const forever = { name: "x", sources: [{ name: "inc.c", text: '#include "/dev/zero"\n' }], emit: "i" } as const;
    const tools = await Toolchain.open({ cache: join(folder, "f") });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 100);
    expect((await rejection(tools.build({ ...forever, signal: controller.signal }))).code).toBe("aborted");
    const hasty = await Toolchain.open({ cache: join(folder, "g"), timeoutMs: 100 });
    const late = await rejection(hasty.build(forever));
    expect(late.code).toBe("toolchain.failed");
    expect(late.message).toContain("more than 0.1 s");
  });

  test("builds the host once", async () => {
    const tools = await Toolchain.open({ cache: join(folder, "h") });
    const host = await buildHost(tools);
    expect((await buildHost(tools)).path).toBe(host.path);
    expect(statSync(host.path).size).toBe(host.bytes.length);
    const features = await cpuFeatures(tools);
    const listed = existsSync("/proc/cpuinfo") ? procFeatures(readFileSync("/proc/cpuinfo", "utf8")) : features;
    for (const name of ["avx2", "fma", "avx512f", "avx512vnni", "neon"]) expect(features.includes(name), name).toBe(listed.includes(name));
  });
});

test("a compiler that does not exist is an error that says what to install", async () => {
  const error = await rejection(findCompiler({ cc: "no-such-compiler-at-all" }));
  expect(error.code).toBe("toolchain.missing");
  expect(error.hint).toContain("HONE_CC");
});

test("/proc/cpuinfo is read by hone's names", () => {
  expect(procFeatures("processor : 0\nflags\t\t: fpu avx2 avx512_vnni avx_vnni\n")).toEqual(["fpu", "avx2", "avx512vnni", "avxvnni"]);
  expect(procFeatures("Features\t: fp asimd asimddp\n")).toEqual(["fp", "neon", "dotprod"]);
  expect(procFeatures("")).toEqual([]);
});
