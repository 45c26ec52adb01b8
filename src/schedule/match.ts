/** Recognises nests by their kind and access maps, never by the name of an op. */
import { affine } from "../loop/affine.ts";
import { indexVar, variable, typeOf } from "../loop/expr.ts";
import type { Nest, Operand } from "../loop/nest.ts";
import type { Expr } from "../loop/types.ts";

export interface Access {
  readonly operand: Operand;
  readonly index: readonly Expr[];
  readonly padded: boolean;
}

/** The reads of a product nest `x · w`, with the dimensions as variables p0… and r0…. */
export function productAccesses(nest: Nest): readonly [Access, Access] | undefined {
  if (!nest.reduction || nest.reduction.combine !== "add") return undefined;
  const found: Access[] = [];
  const body = nest.body({
    p: nest.result.dims.map((_, i) => indexVar(`p${i}`)),
    r: nest.reduction.extents.map((_, i) => indexVar(`r${i}`)),
    read: (operand, index, outside) => {
      found.push({ operand, index, padded: outside !== undefined });
      return variable(`read${found.length - 1}`, typeOf(operand.dtype));
    },
  });
  const [a, b] = found;
  const isRead = (e: Expr, name: string): boolean => e.kind === "var" && e.name === name;
  if (!a || !b || found.length !== 2 || body.kind !== "binary" || body.op !== "mul") return undefined;
  if (isRead(body.a, "read0") && isRead(body.b, "read1")) return [a, b];
  return undefined;
}

const isVar = (e: Expr | undefined, name: string): boolean => e?.kind === "var" && e.name === name;

/** A convolution over two spatial axes. */
export interface ConvMatch {
  readonly x: Operand;
  readonly w: Operand;
  readonly depthwise: boolean;
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** Padding at the top and left; the result's size says how much there is at the other ends. */
  readonly pads: readonly [number, number];
}

interface SpatialMap {
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
}

/** stride·p + dilation·r - pad. */
function spatialMap(e: Expr | undefined, p: string, r: string, kernel: number): SpatialMap | undefined {
  const form = e && affine(e);
  if (!form) return undefined;
  const stride = form.coefficients.get(p) ?? 0;
  const dilation = form.coefficients.get(r) ?? 0;
  const known = (stride === 0 ? 0 : 1) + (dilation === 0 ? 0 : 1);
  if (form.coefficients.size !== known || stride === 0 || (dilation === 0 && kernel > 1)) return undefined;
  return { stride, dilation: dilation || 1, pad: -form.constant };
}

/** The nest as a 2-d convolution, dense or depthwise, if its maps are those of one. */
export function matchConv(nest: Nest): ConvMatch | undefined {
  if (nest.kind !== "contraction" || nest.result.dims.length !== 4 || nest.reduction?.extents.length !== 3) return undefined;
  const accesses = productAccesses(nest);
  if (!accesses) return undefined;
  const [{ operand: x, index: xi }, { operand: w, index: wi }] = accesses;
  const [inner = 1, kh = 1, kw = 1] = nest.reduction.extents;
  if (wi.length !== 4 || !isVar(wi[0], "p1") || !isVar(wi[1], "r0") || !isVar(wi[2], "r1") || !isVar(wi[3], "r2")) return undefined;
  const dense = isVar(xi[1], "r0");
  const depthwise = isVar(xi[1], "p1") && inner === 1;
  const rows = spatialMap(xi[2], "p2", "r1", kh);
  const columns = spatialMap(xi[3], "p3", "r2", kw);
  if (!isVar(xi[0], "p0") || (!dense && !depthwise) || !rows || !columns) return undefined;
  return {
    x,
    w,
    depthwise: !dense,
    strides: [rows.stride, columns.stride],
    dilations: [rows.dilation, columns.dilation],
    pads: [rows.pad, columns.pad],
  };
}
