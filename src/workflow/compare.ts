/** Whether an engine computes what another implementation of the same model computes. */
import { FORMAT_NAMES } from "../formats/index.ts";
import { Session } from "../runtime/node/session.ts";
import type { AnyTensor } from "../text/tensor.ts";
import { HoneError, must } from "../util/errors.ts";
import { buildModel, type BuildModelOptions, type BuiltModel } from "./build.ts";
import { differenceOfAny, INCOMPARABLE, type Difference } from "./difference.ts";
import { makeFeeds, type FeedInput, type FeedOptions } from "./feeds.ts";
import { importFile, readModelFile } from "./model-file.ts";
import { openOnnxRuntime, type AnyFeeds, type AnyPeer } from "./peer.ts";
import { parseProfiles } from "./shapes.ts";
import { takeStrings } from "./string-feeds.ts";

export interface CompareOptions extends BuildModelOptions, Omit<FeedOptions, "signal"> {
  /** Default: onnxruntime for ONNX, naive for other formats, which ONNX Runtime does not read. */
  readonly against?: "onnxruntime" | "naive" | undefined;
  /** The most relative error of any output. */
  readonly tolerance: number;
}

export interface ComparedOutput extends Difference {
  readonly name: string;
}

export interface ComparedCase {
  /** Shapes of the inputs. */
  readonly profile: string;
  /** What was fed. */
  readonly feeds: string;
  readonly outputs: readonly ComparedOutput[];
}

export interface Comparison {
  readonly model: string;
  readonly against: string;
  readonly recipe: string | null;
  readonly recipeWhy: string;
  readonly target: string;
  readonly cases: readonly ComparedCase[];
  /** The worst of each output over all cases. */
  readonly outputs: readonly ComparedOutput[];
  readonly worst: number;
  readonly tolerance: number;
}

/** Builds the model and runs it beside the other side on the same feeds, for every profile. The gate is the caller's to judge: {@link gate}. */
export async function compareModel(path: string, options: CompareOptions): Promise<Comparison> {
  const model = await readModelFile(path, options.signal);
  const { format } = model;
  const against = options.against ?? (format === "onnx" ? "onnxruntime" : "naive");
  if (against === "onnxruntime" && format !== "onnx") {
    throw new HoneError("usage", `ONNX Runtime reads only ONNX, and this is ${FORMAT_NAMES[format]}`, {
      at: { file: path },
      hint: "Compare with hone's own textbook loops: --against naive.",
    });
  }
  // What is wrong with the model is said in hone's words before the other side says it in its own.
  importFile(model, parseProfiles(options.shapes ?? []));
  const peer = against === "onnxruntime" ? await openOnnxRuntime(path) : await openNaive(path, options);
  try {
    const built = await buildModel(path, options);
    return await compareWith(built, peer, path, options);
  } finally {
    await peer.close();
  }
}

/** The same model with every op's textbook nest. */
async function openNaive(path: string, options: CompareOptions): Promise<AnyPeer> {
  const { engine } = await buildModel(path, { ...options, schedule: "naive" });
  const session = await Session.open(engine, { native: "allow" });
  return {
    name: "naive",
    run: (feeds) => session.run(feeds),
    runAny: (feeds) => session.run<AnyTensor>(feeds),
    close: () => session.close(),
  };
}

async function compareWith(
  built: BuiltModel & { readonly engine: Uint8Array },
  peer: AnyPeer,
  path: string,
  options: CompareOptions,
): Promise<Comparison> {
  const { recipe, build } = built;
  const session = await Session.open(built.engine, { native: "allow", contexts: 1 });
  try {
    const cases: ComparedCase[] = [];
    const { graph, programs } = build.compiled;
    const { others, strings } = await takeStrings(graph.host, options.arrays ?? [], options.signal);
    for (const program of programs) {
      const all = graph.inputs.map((v, i): FeedInput => ({ name: v.name, type: v.dtype, dims: program.inputs[i] ?? [] }));
      // What JavaScript makes for the kernels is not fed.
      const inputs = all.filter((v) => graph.host?.inputs.some((own) => own.name === v.name) ?? true);
      const profile = inputs.map((v) => `${v.name}=${v.dims.join("x")}`).join(" ");
      for (const { label, feeds } of await makeFeeds(inputs, recipe, { ...options, arrays: others })) {
        const texts = Object.keys(strings);
        const fed = texts.length > 0 ? `strings for ${texts.join(", ")}${inputs.length > 0 ? `; ${label}` : ""}` : label;
        options.onEvent?.({ kind: "step", text: `comparing on ${fed}` });
        const outputs = await compareOne(session, peer, { ...feeds, ...strings }, options.signal);
        cases.push({ profile, feeds: fed, outputs });
      }
    }
    const outputs = worstOf(cases);
    return {
      model: path,
      against: peer.name,
      recipe: recipe?.name ?? null,
      recipeWhy: built.recipeWhy,
      target: session.info.target,
      cases,
      outputs,
      worst: Math.max(0, ...outputs.map((o) => o.relativeError)),
      tolerance: options.tolerance,
    };
  } finally {
    await session.close();
  }
}

async function compareOne(session: Session, peer: AnyPeer, feeds: AnyFeeds, signal?: AbortSignal): Promise<readonly ComparedOutput[]> {
  if (signal?.aborted) throw new HoneError("aborted", "the comparison was aborted");
  const [ours, theirs] = [await session.run<AnyTensor>(feeds, { signal }), await peer.runAny(feeds)];
  // What tells a shape is compared by that shape.
  const names = session.outputNames.filter((name) => name in theirs || !session.outputNames.some((other) => name === `${other}.shape`));
  return names.map((name) => {
    const other = theirs[name];
    return { name, ...(other === undefined ? INCOMPARABLE : differenceOfAny(must(ours[name], name), other)) };
  });
}

function worstOf(cases: readonly ComparedCase[]): readonly ComparedOutput[] {
  const worst = new Map<string, ComparedOutput>();
  for (const output of cases.flatMap((c) => c.outputs)) {
    const before = worst.get(output.name);
    if (before === undefined || output.relativeError > before.relativeError) worst.set(output.name, output);
  }
  return [...worst.values()];
}

/** The error of a comparison beyond its tolerance; undefined when it holds. */
export function gate({ worst, tolerance, outputs, model, against }: Comparison): HoneError | undefined {
  if (worst <= tolerance) return undefined;
  const beyond = outputs.filter((o) => o.relativeError > tolerance);
  const worstText = worst === Number.MAX_VALUE ? "cannot be compared" : `differs by ${worst.toExponential(2)}`;
  return new HoneError("gate.accuracy", `the worst output ${worstText} from ${against}, more than the tolerance of ${tolerance}`, {
    at: { file: model },
    problems: beyond.map((o) => ({ message: `${o.name}: relative error ${o.relativeError.toExponential(2)}` })),
    hint: "hone reduce finds the nodes that do it; docs/debugging.md tells how to go on.",
  });
}
