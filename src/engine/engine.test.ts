import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HoneError } from "../util/errors.ts";
import { alignUp, hostSection, platformName, type Manifest } from "./format.ts";
import { checkManifest } from "./manifest.ts";
import { readEngine } from "./read.ts";
import { canonicalJson, writeEngine } from "./write.ts";

const manifest: Manifest = {
  hone: "0.1.0",
  model: { name: "m", sha256: "00" },
  inputs: [{ name: "x", type: "float32", dims: [1, "h"] }],
  outputs: [{ name: "y", type: "int64", dims: [3] }],
  profiles: [{ arenaBytes: 64, inputs: [[1, 7]], outputs: [[3]] }],
  precision: "fp32",
  kernels: [{ name: "k", nodes: ["a", "b"] }],
  targets: [{ section: "so:x86_64-linux-avx2", kind: "so", platform: "x86_64-linux", features: ["avx2"] }],
};
const sections = [
  { name: "weights", bytes: Uint8Array.from({ length: 100 }, (_, i) => i) },
  { name: "so:x86_64-linux-avx2", bytes: Uint8Array.of(1, 2, 3) },
  { name: "empty", bytes: new Uint8Array(0) },
];
const hash = (b: Uint8Array): string => createHash("sha256").update(b).digest("hex");
const file = writeEngine({ manifest, sections });

function codeOf(bytes: Uint8Array): string {
  try {
    readEngine(bytes, { file: "f.hone" });
    return "none";
  } catch (error) {
    if (!(error instanceof HoneError)) throw error;
    expect(error.hint).toBeTruthy();
    expect(error.at.file).toBe("f.hone");
    return error.code;
  }
}

/** The file with a change and a hash that fits again, as an attacker would make it. */
function forged(change: (copy: Uint8Array, view: DataView) => void): Uint8Array {
  const copy = file.slice();
  change(copy, new DataView(copy.buffer));
  const digest = Buffer.from(hash(copy.subarray(0, -32)), "hex");
  copy.set(digest, copy.length - 32);
  return copy;
}

function withHeader(header: unknown): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const copy = new Uint8Array(alignUp(32 + text.length) + 64 + 32);
  copy.set(file.subarray(0, 8));
  copy.set(text, 32);
  const view = new DataView(copy.buffer);
  view.setUint32(8, text.length, true);
  view.setBigUint64(16, BigInt(copy.length), true);
  copy.set(Buffer.from(hash(copy.subarray(0, -32)), "hex"), copy.length - 32);
  return copy;
}

describe("the engine file", () => {
  test("gives back what was written, aligned", () => {
    const engine = readEngine(file);
    expect(engine.manifest).toEqual(manifest);
    for (const { name, bytes } of sections) {
      const found = engine.sections.get(name);
      expect(found).toEqual(bytes);
      expect((found?.byteOffset ?? 1) % 64).toBe(0);
    }
    expect(engine.sha256).toBe(hash(file.subarray(0, -32)));
  });

  test("is the same bytes for the same parts, whatever the order of keys or the hash function", () => {
    const shuffled = JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(manifest).reverse()))) as Manifest;
    expect(writeEngine({ manifest: shuffled, sections }, hash)).toEqual(file);
    expect(canonicalJson({ b: undefined, a: [{ d: 1, c: 2 }] })).toBe('{"a":[{"c":2,"d":1}]}');
  });

  test("refuses every truncation and every flipped bit", () => {
    for (let length = 0; length < file.length; length += length < 40 ? 1 : 37) expect(codeOf(file.slice(0, length))).toBe("engine.damaged");
    for (let bit = 0; bit < file.length * 8; bit += 101) {
      const copy = file.slice();
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(codeOf(copy)).toBe(bit >> 3 >= 4 && bit >> 3 < 8 ? "engine.version" : "engine.damaged");
    }
    expect(codeOf(Uint8Array.of(...file, 0))).toBe("engine.damaged");
    expect(codeOf(new TextEncoder().encode("<!doctype html> this is a page that says 404"))).toBe("engine.damaged");
  });

  test("of another version says which", () => {
    const newer = forged((_, view) => view.setUint32(4, 7, true));
    expect(codeOf(newer)).toBe("engine.version");
    expect(() => readEngine(newer)).toThrow(/version 7/);
  });

  test("with a hash that fits but lengths that do not is refused before anything is followed", () => {
    expect(codeOf(forged((_, view) => view.setUint32(8, 0xffffffff, true)))).toBe("engine.damaged");
    expect(codeOf(forged((_, view) => view.setBigUint64(16, 2n ** 63n, true)))).toBe("engine.damaged");
    const section = { name: "weights", offset: 0, bytes: 64 };
    const bad = [
      [{ ...section, bytes: 65 }],
      [{ ...section, offset: 1 }],
      [{ ...section, offset: -64 }],
      [{ ...section, offset: 2 ** 60 }],
      [{ ...section, bytes: 1.5 }],
      [section, section],
      [{ offset: 0, bytes: 1 }],
      [null],
      "none",
    ];
    for (const list of bad) expect(codeOf(withHeader({ manifest: { ...manifest, targets: [] }, sections: list }))).toBe("engine.damaged");
    expect(codeOf(withHeader({ manifest: { ...manifest, targets: [] }, sections: [section] }))).toBe("none");
    expect(codeOf(withHeader("[1,2"))).toBe("engine.damaged");
    expect(codeOf(withHeader("[]"))).toBe("engine.damaged");
  });

  test("survives any header that is JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(codeOf(withHeader({ manifest: a, sections: b }))).toBe("engine.damaged");
        expect(checkManifest(a, []).length).toBeGreaterThan(0);
      }),
      { numRuns: 100 },
    );
  });
});

test("a manifest is checked in every field", () => {
  const names = sections.map((s) => s.name);
  expect(checkManifest(manifest, names)).toEqual([]);
  const [x] = manifest.inputs;
  const wrong: [string, Partial<Record<keyof Manifest, unknown>>][] = [
    ["hone", { hone: 3 }],
    ["precision", { precision: "" }],
    ["model", { model: { name: "m" } }],
    ["inputs", { inputs: {} }],
    ["inputs[0]", { inputs: [{ ...x, type: "float31" }] }],
    ["inputs[0]", { inputs: [{ ...x, dims: [-1, 2] }] }],
    ["inputs[1]", { inputs: [x, x] }],
    ["profiles", { profiles: [] }],
    ["arenaBytes", { profiles: [{ arenaBytes: 2 ** 50, inputs: [[1, 7]], outputs: [[3]] }] }],
    ["contradicts", { profiles: [{ arenaBytes: 0, inputs: [[2, 7]], outputs: [[3]] }] }],
    ["rank 2", { profiles: [{ arenaBytes: 0, inputs: [[1]], outputs: [[3]] }] }],
    ["larger", { profiles: [{ arenaBytes: 0, inputs: [[1, 2 ** 40]], outputs: [[3]] }] }],
    ["kernels", { kernels: [{ name: "k" }] }],
    ["targets[0]", { targets: [{ ...manifest.targets[0], section: "so:other" }] }],
    ["features", { targets: [{ ...manifest.targets[0], features: "avx2" }] }],
  ];
  for (const [part, change] of wrong) expect(checkManifest({ ...manifest, ...change }, names).join("\n")).toContain(part);
});

test("platforms have the names that sections use", () => {
  expect(platformName("x64", "linux")).toBe("x86_64-linux");
  expect(platformName("arm64", "darwin")).toBe("aarch64-darwin");
  expect(hostSection("x86_64-linux")).toBe("host:x86_64-linux");
});
