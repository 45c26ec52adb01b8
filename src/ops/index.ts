/** The ops of hone, one line each. */
import { GraphBuilder } from "../ir/builder.ts";
import { HoneError } from "../util/errors.ts";
import * as attention from "./attention.ts";
import * as binary from "./binary.ts";
import * as bits from "./bits.ts";
import * as convTranspose from "./conv-transpose.ts";
import * as control from "./control.ts";
import * as conv from "./conv.ts";
import * as cumulative from "./cumulative.ts";
import type { Op } from "./define.ts";
import * as deformConv from "./deform-conv.ts";
import * as det from "./det.ts";
import * as einsum from "./einsum.ts";
import * as elements from "./elements.ts";
import * as fixedPoint from "./fixed-point.ts";
import * as fixedPointSoftmax from "./fixed-point-softmax.ts";
import * as gemm from "./gemm.ts";
import * as histogram from "./histogram.ts";
import * as linearAttention from "./linear-attention.ts";
import * as narrow from "./narrow.ts";
import * as normalize from "./normalize.ts";
import * as integer from "./integer.ts";
import * as pool from "./pool.ts";
import * as quantize from "./quantize.ts";
import * as recurrent from "./recurrent.ts";
import * as reduce from "./reduce.ts";
import * as resample from "./resample.ts";
import * as resize from "./resize.ts";
import * as sample from "./sample.ts";
import * as scatter from "./scatter.ts";
import * as select from "./select.ts";
import * as shape from "./shape.ts";
import * as sized from "./sized.ts";
import * as topK from "./top-k.ts";
import * as trees from "./trees.ts";
import * as trig from "./trig.ts";
import * as unary from "./unary.ts";

const isOp = (x: unknown): x is Op => typeof x === "object" && x !== null && "compute" in x;
const families: readonly object[] = [
  unary,
  binary,
  control,
  conv,
  gemm,
  reduce,
  shape,
  select,
  resize,
  bits,
  trig,
  elements,
  cumulative,
  convTranspose,
  pool,
  einsum,
  quantize,
  integer,
  fixedPoint,
  fixedPointSoftmax,
  linearAttention,
  trees,
  sample,
  narrow,
  scatter,
  topK,
  sized,
  det,
  deformConv,
  resample,
  recurrent,
  histogram,
  normalize,
  attention,
];

export const OPS: ReadonlyMap<string, Op> = new Map(families.flatMap((f) => Object.values(f).filter(isOp)).map((op) => [op.name, op]));

export const findOp = (name: string): Op | undefined => OPS.get(name);

/** The op of a name. Throws `graph.invalid`. */
export function getOp(name: string): Op {
  const op = OPS.get(name);
  if (!op) throw new HoneError("graph.invalid", `there is no op ${name}`, { at: { op: name } });
  return op;
}

/** A graph builder that infers every type as it goes. */
export function opBuilder(name: string): GraphBuilder {
  return new GraphBuilder(name, (op, inputs, attrs, outputs, regions) => getOp(op).infer(inputs, attrs, outputs, regions));
}

export type { Op, Traits } from "./define.ts";
