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

/** The first target, which is the best, whose CPU features are all there. Throws `engine.cpu` and names what is missing. */
export function selectTarget(targets: readonly ManifestTarget[], features: readonly string[], file?: string): Selection {
  const rejected: { target: string; why: string }[] = [];
  for (const target of targets) {
    const missing = target.features.filter((f) => !features.includes(f));
    if (missing.length === 0) {
      const needs = target.features.length === 0 ? "no special CPU feature" : target.features.join(", ");
      const place = rejected.length === 0 ? "the best target in the file" : "the best target in the file that this CPU can run";
      return { target, why: `${place}: it needs ${needs}`, rejected };
    }
    rejected.push({ target: target.section, why: `the CPU lacks ${missing.join(", ")}` });
  }
  throw new HoneError("engine.cpu", `this CPU cannot run the engine: ${rejected.map((r) => `${r.target}: ${r.why}`).join("; ")}`, {
    at: file === undefined ? {} : { file },
    problems: rejected.map((r) => ({ message: r.why, at: { target: r.target } })),
    hint: `The CPU has ${features.join(", ") || "no SIMD features that are known"}. Rebuild the engine here with \`hone build\`.`,
  });
}
