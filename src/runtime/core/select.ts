import type { Manifest, ManifestTarget } from "../../engine/format.ts";
import { HoneError } from "../../util/errors.ts";

export interface Selection {
  readonly target: ManifestTarget;
  readonly why: string;
  readonly rejected: readonly { readonly target: string; readonly why: string }[];
}

/** The native targets for a platform. Throws `engine.cpu` when the file has none, and says for which it has. */
export function targetsFor(manifest: Manifest, platform: string, file?: string): readonly ManifestTarget[] {
  const native = manifest.targets.filter((t) => t.kind === "so");
  const found = native.filter((t) => t.platform === platform);
  if (found.length > 0) return found;
  const platforms = [...new Set(native.map((t) => t.platform))].join(", ") || "no machine";
  throw new HoneError("engine.cpu", `the engine has native code for ${platforms}, this machine is ${platform}`, {
    at: file === undefined ? {} : { file },
    hint: "Rebuild it here with `hone build`.",
  });
}

/** The WebAssembly targets. Throws `engine.load` when the file has none. */
export function wasmTargets(manifest: Manifest, file?: string): readonly ManifestTarget[] {
  const found = manifest.targets.filter((t) => t.kind === "wasm");
  if (found.length > 0) return found;
  throw new HoneError("engine.load", "the engine has only native code, which was not allowed", {
    at: file === undefined ? {} : { file },
    hint:
      'Native code can do whatever your program can. If you trust where the engine comes from, pass {native: "allow"}; or build ' +
      "it with `hone build --target wasm`, or with `--target native,wasm` for both.",
  });
}

/** The first target, which is the best, whose features are all there. Throws `engine.cpu` and names what is missing. */
export function selectTarget(targets: readonly ManifestTarget[], features: readonly string[], file?: string): Selection {
  const rejected: { target: string; why: string }[] = [];
  for (const target of targets) {
    const missing = target.features.filter((f) => !features.includes(f));
    if (missing.length === 0) {
      const needs = target.features.length === 0 ? "no special feature" : target.features.join(", ");
      const place = rejected.length === 0 ? "the best target in the file" : "the best target in the file that can run here";
      return { target, why: `${place}: it needs ${needs}`, rejected };
    }
    rejected.push({
      target: target.section,
      why: `${target.kind === "so" ? "the CPU" : "JavaScript's engine"} lacks ${missing.join(", ")}`,
    });
  }
  throw new HoneError("engine.cpu", `this CPU cannot run the engine: ${rejected.map((r) => `${r.target}: ${r.why}`).join("; ")}`, {
    at: file === undefined ? {} : { file },
    problems: rejected.map((r) => ({ message: r.why, at: { target: r.target } })),
    hint: `The CPU has ${features.join(", ") || "no SIMD features that are known"}. Rebuild the engine here with \`hone build\`.`,
  });
}
