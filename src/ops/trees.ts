/** Ensembles of decision trees (ONNX-ML operator specification: TreeEnsemble). */
import { constant, indexVar, int, variable } from "../loop/expr.ts";
import { forLoop, ifThen, letMutable, letVar, setVar } from "../loop/stmt.ts";
import type { Expr, Stmt } from "../loop/types.ts";
import * as a from "./arith.ts";
import { defineOp, misfit, type Op } from "./define.ts";
import { safeIndex } from "./elements.ts";
import { loops } from "./nests.ts";

/** What a node compares with, in the order of ONNX's modes. */
export const TREE_MODES = ["le", "lt", "ge", "gt", "eq", "ne"] as const;
/** What a column of `nodes` says: which feature is compared, how, whether what is no number passes, and where to go then, and otherwise. */
const FIELDS = { feature: 0, mode: 1, missing: 2, yes: 3, no: 4 } as const;

const COMBINE = { sum: a.add, min: a.min, max: a.max } as const;
/** The largest finite numbers stand for what no leaf has voted on. */
const START = { sum: 0, min: 3.4028234663852886e38, max: -3.4028234663852886e38 } as const;

const isCombine = (name: string): name is keyof typeof COMBINE => Object.hasOwn(COMBINE, name);

/**
 * For each row of x [N,F] every tree is walked from its root in `roots` for `depth` steps at most, and the votes of the leaf that it comes
 * to are combined: [N, targets]. A node is a column of `nodes` [5,K] with a threshold; where it leads is a node, or leaf i as -1-i. The
 * votes of leaf i are those from `leaves`[i] up to `leaves`[i+1], each a weight for a target. No index is trusted: each is held within its table.
 */
export const treeEnsemble: Op = defineOp({
  name: "treeEnsemble",
  inputs: { x: "float", nodes: "integer", thresholds: "float", roots: "integer", leaves: "integer", voted: "integer", weights: "float" },
  attrs: { targets: 1, depth: 1, combine: "sum" },
  traits: { alike: ["x", "thresholds"] },
  infer: ({ x, nodes, thresholds, roots, leaves, voted, weights }, { targets }) => {
    const all = [x, nodes, thresholds, roots, leaves, voted, weights];
    const filled = all.slice(1).every((t) => t.shape.every((d) => typeof d === "number" && d > 0));
    if (x.shape.length !== 2 || nodes.shape.length !== 2 || nodes.shape[0] !== 5 || !filled)
      throw misfit("treeEnsemble", "a table is empty, or x has not two axes", all);
    if (nodes.shape[1] !== thresholds.shape[0] || voted.shape[0] !== weights.shape[0] || Number(leaves.shape[0]) < 2)
      throw misfit("treeEnsemble", "the tables do not fit", all);
    return [{ dtype: weights.dtype, shape: [x.shape[0] ?? 1, targets] }];
  },
  compute: ({ out }, { x, nodes, thresholds, roots, leaves, voted, weights }, { targets, depth, combine }) => {
    const how = isCombine(combine) ? combine : "sum";
    const [rows = 1, features = 1] = x.dims;
    const [trees = 1, count = 1] = [roots.dims[0], nodes.dims[1]];
    const [last, votes = 1] = [(leaves.dims[0] ?? 2) - 2, voted.dims[0]];
    return {
      kind: "serial",
      result: out,
      steps: rows * trees * (depth + 1),
      statements: ({ read, write, name }) => {
        const node = variable(name("node"), { dtype: "index", lanes: 1 });
        const at = variable(name("at"), { dtype: "index", lanes: 1 });
        const value = variable(name("value"), { dtype: x.dtype, lanes: 1 });
        const [t, s, v] = [indexVar(name("tree")), indexVar(name("depth")), indexVar(name("vote"))];
        const field = (which: keyof typeof FIELDS): Expr => read(nodes, [int(FIELDS[which]), at]);
        const holds = (): Expr => {
          const threshold = read(thresholds, [at]);
          const modes = TREE_MODES.map((m) => a[m](value, threshold));
          const compared = modes.reduceRight((otherwise, m, i) => a.select(a.eq(field("mode"), i), m, otherwise));
          return a.or(compared, a.and(a.ne(field("missing"), 0), a.ne(value, value)));
        };
        const step = (row: Expr): Stmt =>
          ifThen(a.ge(node, int(0)), [
            letVar(at, a.min(node, int(count - 1))),
            letVar(value, read(x, [row, safeIndex(field("feature"), features)])),
            setVar(node, a.cast(a.select(holds(), field("yes"), field("no")), "index")),
          ]);
        const leaf = a.clamp(a.sub(int(-1), node), int(0), int(last));
        const bound = (i: Expr): Expr => a.clamp(a.cast(read(leaves, [i]), "index"), int(0), int(votes));
        const vote = (row: Expr): Stmt => {
          const place = [row, safeIndex(read(voted, [v]), targets)];
          return write(out, place, COMBINE[how](read(out, place), read(weights, [v])));
        };
        return loops([rows], name, ([row = int(0)]) => [
          ...loops(
            [targets],
            (base) => name(`${base}target`),
            ([j = int(0)]) => [write(out, [row, j], constant(START[how], out.dtype))],
          ),
          forLoop(t, trees, [
            letMutable(node, a.cast(read(roots, [t]), "index")),
            forLoop(s, depth, [step(row)]),
            forLoop(v, bound(a.add(leaf, int(1))), [vote(row)], { from: bound(leaf) }),
          ]),
        ]);
      },
    };
  },
});
