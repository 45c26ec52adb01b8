import type { Graph } from "../ir/graph.ts";
import { bindInputs } from "../passes/bind-shapes.ts";
import { dimText, isStatic, shapeText } from "../tensor/dim.ts";
import { elementCount } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";

/** Dims of inputs by name: one profile of an engine. */
export type Profile = Readonly<Record<string, readonly number[]>>;

const HINT = "Write it as --shape input=1x3x640x640.";

function parseShape(text: string): { readonly name: string; readonly dims: readonly number[] } {
  const cut = text.lastIndexOf("=");
  const name = text.slice(0, cut);
  const parts = text.slice(cut + 1).split(/[x,×]/);
  const dims = parts.map((p) => (/^\d{1,10}$/.test(p.trim()) ? Number(p) : NaN));
  if (cut < 1 || dims.some((d) => !(d >= 1))) throw new HoneError("usage", `"${text}" is not a shape`, { hint: HINT });
  return { name, dims };
}

/**
 * Profiles from the values of --shape, in order. The first shape of each input belongs to the first profile, the second to the second;
 * an input that was given one shape has it in every profile. Throws `usage`.
 */
export function parseProfiles(flags: readonly string[]): readonly Profile[] {
  const byInput = new Map<string, (readonly number[])[]>();
  for (const { name, dims } of flags.map(parseShape)) byInput.set(name, [...(byInput.get(name) ?? []), dims]);
  const count = Math.max(0, ...[...byInput.values()].map((shapes) => shapes.length));
  for (const [name, shapes] of byInput) {
    if (shapes.length !== 1 && shapes.length !== count) {
      throw new HoneError("usage", `the input ${name} has ${shapes.length} shapes, another input ${count}`, {
        hint: "Give every input as many shapes as there are profiles, or one that all share.",
      });
    }
  }
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries([...byInput].map(([name, shapes]) => [name, shapes[i] ?? shapes[0] ?? []])),
  );
}

/**
 * The graph with the profile's shapes, and every shape that follows from them. Throws `shape.unbound` with the flags to add when a symbol of an
 * input is left without a value, and `usage` for shapes that do not fit the model.
 */
export function bindProfile(graph: Graph, profile: Profile, file: string): Graph {
  const bound = Object.keys(profile).length > 0 ? bindInputs(graph, profile) : graph;
  const open = bound.inputs.filter((v) => !isStatic(v.shape));
  if (open.length === 0) {
    checkSizes(bound, file);
    return bound;
  }
  const flags = open.map((v) => `--shape ${v.name}=${v.shape.map((d, i) => (typeof d === "number" ? d : likely(i))).join("x")}`);
  const text = open.map((v) => `${v.name} is ${v.shape.map(dimText).join("x")}`).join(", ");
  throw new HoneError("shape.unbound", `the model leaves dimensions open: ${text}`, {
    at: { file },
    hint: `Give them numbers, for example ${flags.join(" ")}. Repeat the flag for more profiles.`,
  });
}

/** Elements of one tensor: 8 GB of floats is more than any model needs, so such a shape is a slip of the finger. */
const MAX_ELEMENTS = 2 ** 31 - 1;

function checkSizes(graph: Graph, file: string): void {
  for (const v of [...graph.inputs, ...graph.nodes.flatMap((n) => n.outputs)]) {
    const count = isStatic(v.shape) ? elementCount(v.shape) : 0;
    if (count <= MAX_ELEMENTS) continue;
    throw new HoneError(
      "usage",
      `at these shapes ${v.name} is ${shapeText(v.shape)}: ${count.toPrecision(3)} elements, more than ${MAX_ELEMENTS}`,
      {
        at: { file },
        hint: "Give smaller numbers with --shape.",
      },
    );
  }
}

/** A value for an example: batches of 1, images of 3 channels and 640 pixels. */
const likely = (axis: number): number => (axis === 0 ? 1 : axis === 1 ? 3 : 640);
