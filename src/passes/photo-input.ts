/**
 * A model that takes photos as decoders give them: bytes, red, green and blue for each pixel. What was done to them before the
 * model becomes its first nodes, which the first convolution computes while it reads.
 */
import { GraphBuilder } from "../ir/builder.ts";
import type { Graph, Value } from "../ir/graph.ts";
import { tensor } from "../tensor/tensor.ts";
import { HoneError, must } from "../util/errors.ts";
import { inferOp } from "./pass.ts";

/** How pixels become what the model was trained on: value = (pixel − mean) / std, mean and std in the order of `channels`. */
export interface Normalization {
  readonly channels: "RGB" | "BGR";
  readonly layout: "NCHW" | "NHWC";
  readonly dtype: "float32" | "uint8";
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** The sizes of a photo for an input of the layout. */
export function photoDims<T>(dims: readonly T[], layout: Normalization["layout"]): readonly T[] {
  const [n, c, h, w] = dims;
  return layout === "NHWC" || n === undefined || c === undefined || h === undefined || w === undefined ? dims : [n, h, w, c];
}

const REVERSED = [2, 1, 0];

/** One constant a channel, in the order of RGB, for axis `axis`; undefined when it changes nothing. */
function channelConstant(values: readonly number[], rule: Normalization, nothing: number): Float32Array | undefined {
  const rgb = rule.channels === "RGB" ? values : REVERSED.map((c) => values[c] ?? nothing);
  return rgb.every((v) => v === nothing) ? undefined : Float32Array.from(rgb);
}

/** The nodes from the photo to the tensor that the model wants. */
function normalize(b: GraphBuilder, photo: Value, rule: Normalization): Value {
  const planar = rule.layout === "NCHW";
  let at = planar ? b.op("transpose", [photo], { perm: [0, 3, 1, 2] }) : photo;
  const dims = planar ? [1, 3, 1, 1] : [1, 1, 1, 3];
  if (rule.dtype === "float32") {
    at = b.op("cast", [at], { to: "float32" });
    const mean = channelConstant(rule.mean, rule, 0);
    if (mean) at = b.op("sub", [at, b.constant(tensor("float32", dims, mean), "photo.mean")]);
    const std = channelConstant(rule.std, rule, 1);
    if (std) at = b.op("div", [at, b.constant(tensor("float32", dims, std), "photo.std")]);
  }
  if (rule.channels === "RGB") return at;
  const axis = b.constant(tensor("int64", [3], BigInt64Array.from(REVERSED, BigInt)), "photo.channels");
  return b.op("gather", [at, axis], { axis: planar ? 1 : 3 });
}

/**
 * The graph with its only input, a picture of three channels normalised by `rule`, replaced by the photo: uint8 of
 * [N, H, W, 3], red first, under the same name. Throws `usage` when its input is no such picture.
 */
export function photoInput(graph: Graph, rule: Normalization): Graph {
  const [x, ...others] = graph.inputs;
  const channels = rule.layout === "NCHW" ? x?.shape[1] : x?.shape[3];
  if (!x || others.length > 0 || x.shape.length !== 4 || channels !== 3 || x.dtype !== rule.dtype)
    throw new HoneError("usage", "the engine cannot take photos: the model's input is not one picture of three channels", {
      hint: "Leave --photo-input away.",
    });
  const b = new GraphBuilder(graph.name, inferOp);
  const y = normalize(b, b.input(x.name, "uint8", photoDims(x.shape, rule.layout)), rule);
  if (y === b.finish().inputs[0]) return graph;
  const use = <T extends Value | undefined>(v: T): T | Value => (v === x ? y : v);
  const { inputs, nodes } = b.finish();
  return {
    ...graph,
    inputs: [must(inputs[0], "the photo")],
    nodes: [...nodes, ...graph.nodes.map((n) => ({ ...n, inputs: n.inputs.map(use) }))],
    outputs: graph.outputs.map(use),
  };
}
