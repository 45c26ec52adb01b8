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

/** stride·p + dilation·r - pad; a kernel of one tap may leave r out. */
function spatialMap(e: Expr | undefined, p: string, r: string, kernel: number = 1): SpatialMap | undefined {
  const form = e && affine(e);
  if (!form || [...form.coefficients.keys()].some((name) => name !== p && name !== r)) return undefined;
  const stride = form.coefficients.get(p);
  const dilation = form.coefficients.get(r) ?? (kernel === 1 ? 1 : undefined);
  return stride !== undefined && dilation !== undefined ? { stride, dilation, pad: -form.constant } : undefined;
}

/** The maps of a convolution's weights: [output channel, reduced channel, kernel row, kernel column]. */
const isWeightIndex = (index: readonly Expr[]): boolean =>
  index.length === 4 && ["p1", "r0", "r1", "r2"].every((name, i) => isVar(index[i], name));

/** The nest as a 2-d convolution, dense or depthwise, if its maps are those of one. */
export function matchConv(nest: Nest): ConvMatch | undefined {
  const accesses = nest.kind === "contraction" && nest.result.dims.length === 4 ? productAccesses(nest) : undefined;
  const extents = nest.reduction?.extents ?? [];
  return accesses && extents.length === 3 ? convMaps(accesses, extents) : undefined;
}

export function convMaps([x, w]: readonly [Access, Access], extents: readonly number[]): ConvMatch | undefined {
  if (!isWeightIndex(w.index) || !isVar(x.index[0], "p0")) return undefined;
  const depthwise = isVar(x.index[1], "p1") && extents[0] === 1;
  if (!depthwise && !isVar(x.index[1], "r0")) return undefined;
  const rows = spatialMap(x.index[2], "p2", "r1", extents[1]);
  const columns = spatialMap(x.index[3], "p3", "r2", extents[2]);
  if (!rows || !columns) return undefined;
  return {
    x: x.operand,
    w: w.operand,
    depthwise,
    strides: [rows.stride, columns.stride],
    dilations: [rows.dilation, columns.dilation],
    pads: [rows.pad, columns.pad],
  };
}
