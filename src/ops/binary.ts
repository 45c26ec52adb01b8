/** Elementwise ops of several inputs, with numpy broadcasting (ONNX operator specification). */
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";
import { broadcastShapes } from "./broadcast.ts";
import { defineOp, misfit, type InputClass, type Op } from "./define.ts";
import { map } from "./nests.ts";

function binary(name: string, cls: InputClass, body: (x: Expr, y: Expr) => Expr, result?: "bool"): Op {
  return defineOp({
    name,
    inputs: { a: cls, b: cls },
    attrs: {},
    traits: { elementwise: true },
    infer: ({ a: x, b: y }) => {
      if (x.dtype !== y.dtype) throw misfit(name, "dtypes differ", [x, y]);
      return [{ dtype: result ?? x.dtype, shape: broadcastShapes(name, [x, y]) }];
    },
    compute: ({ out }, { a: x, b: y }) => map(out, [x, y], body),
  });
}

export const add: Op = binary("add", "number", a.add);
export const sub: Op = binary("sub", "number", a.sub);
export const mul: Op = binary("mul", "number", a.mul);
export const div: Op = binary("div", "number", a.div);
export const min: Op = binary("min", "number", a.min);
export const max: Op = binary("max", "number", a.max);
export const equal: Op = binary("equal", "any", a.eq, "bool");
export const less: Op = binary("less", "number", a.lt, "bool");
export const lessOrEqual: Op = binary("lessOrEqual", "number", a.le, "bool");
export const greater: Op = binary("greater", "number", a.gt, "bool");
export const greaterOrEqual: Op = binary("greaterOrEqual", "number", a.ge, "bool");
export const and: Op = binary("and", "bool", a.and);
export const or: Op = binary("or", "bool", a.or);
export const xor: Op = binary("xor", "bool", a.xor);

/** The exponent may have another dtype than the base. */
export const pow: Op = defineOp({
  name: "pow",
  inputs: { x: "number", y: "number" },
  attrs: {},
  traits: { elementwise: true },
  infer: ({ x, y }) => [{ dtype: x.dtype, shape: broadcastShapes("pow", [x, y]) }],
  compute: ({ out }, { x, y }) => map(out, [x, y], (u, v) => power(u, a.cast(v, out.dtype))),
});

/** Squares and roots are common enough to be spelled out. */
function power(x: Expr, y: Expr): Expr {
  if (y.kind === "const" && Number(y.value) === 2) return a.mul(x, x);
  return a.pow(x, y);
}

/** The sign follows the divisor, or the dividend with `fmod`. */
export const mod: Op = defineOp({
  name: "mod",
  inputs: { x: "number", y: "number" },
  attrs: { fmod: false },
  traits: { alike: ["x", "y"], elementwise: true },
  infer: ({ x, y }) => [{ dtype: x.dtype, shape: broadcastShapes("mod", [x, y]) }],
  compute: ({ out }, { x, y }, { fmod }) =>
    map(out, [x, y], (u, v) => {
      const rest = a.mod(u, v);
      if (fmod || out.dtype.startsWith("uint")) return rest;
      const wrong = a.and(a.ne(rest, 0), a.ne(a.lt(rest, 0), a.lt(v, 0)));
      return a.select(wrong, a.add(rest, v), rest);
    }),
});

/** x where x >= 0, slope·x elsewhere; the slope broadcasts to x. */
export const prelu: Op = defineOp({
  name: "prelu",
  inputs: { x: "number", slope: "number" },
  attrs: {},
  traits: { alike: ["x", "slope"], elementwise: true },
  infer: ({ x, slope }) => {
    const shape = broadcastShapes("prelu", [x, slope]);
    if (shape.length !== x.shape.length) throw misfit("prelu", "the slope does not broadcast to x", [x, slope]);
    return [{ dtype: x.dtype, shape }];
  },
  compute: ({ out }, { x, slope }) => map(out, [x, slope], (v, s) => a.select(a.lt(v, 0), a.mul(v, s), v)),
});

export const where: Op = defineOp({
  name: "where",
  inputs: { condition: "bool", a: "any", b: "any" },
  attrs: {},
  traits: { elementwise: true },
  infer: ({ condition, a: x, b: y }) => {
    if (x.dtype !== y.dtype) throw misfit("where", "dtypes differ", [condition, x, y]);
    return [{ dtype: x.dtype, shape: broadcastShapes("where", [condition, x, y]) }];
  },
  compute: ({ out }, { condition, a: x, b: y }) => map(out, [condition, x, y], (c, u, v) => a.select(a.ne(c, 0), u, v)),
});

/** (x - mean) / sqrt(variance + epsilon) · scale + bias, per channel: batch normalisation at inference. */
export const batchNorm: Op = defineOp({
  name: "batchNorm",
  inputs: { x: "float", scale: "float", bias: "float", mean: "float", variance: "float" },
  attrs: { epsilon: 1e-5 },
  traits: { channels: "same" },
  infer: ({ x }) => [{ dtype: x.dtype, shape: x.shape }],
  compute: ({ out }, { x, scale, bias, mean, variance }, { epsilon }) => ({
    kind: "map",
    result: out,
    body: ({ p, read }) => {
      const channel = [p[1] ?? p[0]].flatMap((c) => (c ? [c] : []));
      const factor = a.div(read(scale, channel), a.sqrt(a.add(read(variance, channel), epsilon)));
      return a.add(a.mul(a.sub(read(x, p), read(mean, channel)), factor), read(bias, channel));
    },
  }),
});
