import { HoneError } from "../../util/errors.ts";
import type { OnnxGraph, OnnxModel, OnnxValueInfo } from "./ast.ts";

/**
 * The model as another runtime likes it best, its operators untouched: initializers are constants and not inputs with a default, which keep a
 * runtime from folding them; inputs have the numbers of `shapes`; what follows from those is left to be inferred.
 * Throws `model.damaged` without a graph.
 */
export function cleanOnnx(model: OnnxModel, shapes: Readonly<Record<string, readonly number[]>> = {}): OnnxModel {
  const { graph } = model;
  if (graph === undefined) throw new HoneError("model.damaged", "the model holds no graph");
  const initialized = new Set(graph.initializer.map((t) => t.name));
  const input = graph.input.filter((v) => !initialized.has(v.name)).map((v) => withShape(v, shapes[v.name]));
  // Before version 4 every initializer had to be an input too; nothing else of the newer versions needs more than a higher number.
  return { ...model, irVersion: Math.max(4, model.irVersion), graph: { ...graph, input, valueInfo: [] } };
}

function withShape(value: OnnxValueInfo, dims: readonly number[] | undefined): OnnxValueInfo {
  const tensorType = value.type?.tensorType;
  if (dims === undefined || value.type === undefined || tensorType === undefined) return value;
  const shape = { dim: dims.map((d) => ({ dimValue: BigInt(d), denotation: "" })) };
  return { ...value, type: { ...value.type, tensorType: { ...tensorType, shape } } };
}

/** Whether weights of the graph lie in files beside the model. */
export const hasExternalData = (graph: OnnxGraph): boolean => graph.initializer.some((t) => t.dataLocation === 1);
