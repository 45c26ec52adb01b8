/** Sums of products by Einstein's notation (ONNX operator specification: Einsum; numpy.einsum). */
import { dimEquals, type Dim, type Shape } from "../tensor/dim.ts";
import { constant, int } from "../loop/expr.ts";
import type { Expr } from "../loop/types.ts";
import { HoneError } from "../util/errors.ts";
import * as a from "./arith.ts";
import { defineOp, misfit, type Op } from "./define.ts";
import { gather, reduction } from "./nests.ts";

interface Equation {
  /** Labels of each operand's axes; axes of an ellipsis are "0", "1", … counted from the last. */
  readonly terms: readonly (readonly string[])[];
  readonly result: readonly string[];
}

const broken = (text: string, why: string): HoneError => new HoneError("graph.shape", `einsum "${text}": ${why}`, { at: { op: "einsum" } });

function labelsOf(text: string, term: string, rank: number | undefined, ellipsis: number): string[] {
  const [left = "", right] = term.split("...");
  const named = left.length + (right ?? "").length;
  const hidden = right === undefined ? 0 : rank === undefined ? ellipsis : rank - named;
  if (hidden < 0 || (rank !== undefined && named + hidden !== rank))
    throw broken(text, `"${term}" does not fit a value of rank ${rank ?? 0}`);
  if (!/^[A-Za-z]*$/.test(left + (right ?? ""))) throw broken(text, `"${term}" holds something other than letters`);
  const middle = Array.from({ length: hidden }, (_, i) => String(hidden - 1 - i));
  return [...left.split(""), ...middle, ...(right ?? "").split("")];
}

function parse(text: string, ranks: readonly number[]): Equation {
  const [left = "", right] = text.replaceAll(" ", "").split("->");
  const parts = left.split(",");
  if (parts.length !== ranks.length) throw broken(text, `${parts.length} terms for ${ranks.length} operands`);
  const terms = parts.map((term, i) => labelsOf(text, term, ranks[i], 0));
  const hidden = Math.max(0, ...terms.map((t) => t.filter((l) => /\d/.test(l)).length));
  if (right !== undefined) return { terms, result: labelsOf(text, right, undefined, hidden) };
  const all = terms.flat();
  const once = [...new Set(all)].filter((l) => /\d/.test(l) || all.filter((m) => m === l).length === 1);
  const letters = once.filter((l) => !/\d/.test(l)).sort();
  return { terms, result: [...Array.from({ length: hidden }, (_, i) => String(hidden - 1 - i)), ...letters] };
}

function sizesOf(text: string, { terms }: Equation, shapes: readonly Shape[]): Map<string, Dim> {
  const sizes = new Map<string, Dim>();
  terms.forEach((labels, k) => {
    labels.forEach((label, i) => {
      const d = shapes[k]?.[i] ?? 1;
      const known = sizes.get(label);
      if (known === undefined || known === 1) sizes.set(label, d);
      else if (d !== 1 && !dimEquals(known, d)) throw broken(text, `the sizes along "${label}" differ`);
    });
  });
  return sizes;
}

export const einsum: Op = defineOp({
  name: "einsum",
  inputs: { xs: "number*" },
  attrs: { equation: "" },
  traits: { alike: ["xs"] },
  infer: ({ xs }, { equation: text }) => {
    const [first] = xs;
    if (!first) throw misfit("einsum", "there are no operands", xs);
    const equation = parse(
      text,
      xs.map((x) => x.shape.length),
    );
    const sizes = sizesOf(
      text,
      equation,
      xs.map((x) => x.shape),
    );
    const shape = equation.result.map((label) => {
      const d = sizes.get(label);
      if (d === undefined) throw broken(text, `"${label}" is not in any operand`);
      return d;
    });
    return [{ dtype: first.dtype, shape }];
  },
  compute: ({ out }, { xs }, { equation: text }) => {
    const equation = parse(
      text,
      xs.map((x) => x.dims.length),
    );
    const sizes = sizesOf(
      text,
      equation,
      xs.map((x) => x.dims),
    );
    const summed = [...sizes.keys()].filter((label) => !equation.result.includes(label));
    const product = (p: readonly Expr[], r: readonly Expr[], read: (k: number, index: readonly Expr[]) => Expr): Expr => {
      const at = (label: string): Expr => p[equation.result.indexOf(label)] ?? r[summed.indexOf(label)] ?? int(0);
      const factors = equation.terms.map((labels, k) =>
        read(
          k,
          labels.map((label, i) => ((xs[k]?.dims[i] ?? 1) === 1 ? int(0) : at(label))),
        ),
      );
      return factors.reduce((all, f) => a.mul(all, f));
    };
    const operand = (k: number): (typeof xs)[number] => xs[k] ?? xs[0] ?? { ...out };
    if (summed.length === 0) return gather(out, ({ p, read }) => product(p, [], (k, index) => read(operand(k), index)));
    return reduction("contraction", out, ({ p, r, read }) => product(p, r, (k, index) => read(operand(k), index)), {
      extents: summed.map((label) => Number(sizes.get(label))),
      combine: "add",
      init: constant(0, out.dtype),
    });
  },
});
