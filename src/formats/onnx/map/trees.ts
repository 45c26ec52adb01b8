/** Ensembles of decision trees of ONNX-ML, in the two ways that the standard has written them down. */
import type { Value } from "../../../ir/graph.ts";
import { TREE_MODES } from "../../../ops/trees.ts";
import type { DType } from "../../../tensor/dtype.ts";
import { tensor, type Tensor } from "../../../tensor/tensor.ts";
import { HoneError } from "../../../util/errors.ts";
import type { Mapper, NodeView } from "./node.ts";

interface TreeNode {
  readonly feature: number;
  readonly mode: number;
  readonly value: number;
  readonly missing: boolean;
  /** A node, or leaf i as -1-i. */
  readonly yes: number;
  readonly no: number;
}

interface Vote {
  readonly target: number;
  readonly weight: number;
}

interface Ensemble {
  readonly nodes: readonly TreeNode[];
  readonly leaves: readonly (readonly Vote[])[];
  readonly roots: readonly number[];
}

/** Of nodes, while the depth is found and while a row is judged. */
const MAX_VISITS = 1 << 24;
const MEMBER = 6;
const EQUAL = TREE_MODES.indexOf("eq");

const damaged = (what: string): HoneError => new HoneError("model.damaged", `the trees: ${what}`);

/** The longest way from a root to a leaf, level by level. Throws `model.damaged` for one without end. */
function depthOf(n: NodeView, { nodes, leaves, roots }: Ensemble): number {
  let visits = 0;
  let level: ReadonlySet<number> = new Set(roots);
  for (let depth = 0; ; depth++) {
    const next = new Set<number>();
    for (const at of level) {
      const node = nodes[at];
      if (at < 0 ? -1 - at >= leaves.length : node === undefined) throw damaged("a branch leads nowhere");
      if (node) next.add(node.yes).add(node.no);
    }
    visits += level.size;
    if (next.size === 0) return depth;
    if (depth >= nodes.length) throw damaged("a branch leads back to where it came from");
    if (visits > MAX_VISITS) throw n.unsupported("trees that share their branches so deeply");
    level = next;
  }
}

/** The nodes with each test for a set as a chain of tests for its members: only the first of them sees to what is no number. */
function withoutSets(nodes: readonly TreeNode[], members: Tensor | undefined): readonly TreeNode[] {
  const values = Array.from(members?.data ?? [], Number);
  const ends = values.flatMap((v, i) => (Number.isNaN(v) ? [i] : []));
  const more: TreeNode[] = [];
  let from = 0;
  const chain = (node: TreeNode): TreeNode => {
    if (node.mode !== MEMBER) return node;
    const end = ends.shift();
    if (end === undefined) throw damaged("a set of members is missing");
    const set = values.slice(from, end);
    from = end + 1;
    let no = node.no;
    const test = (value: number, missing: boolean): TreeNode => ({ ...node, mode: EQUAL, value, missing, no });
    for (const value of set.slice(1).reverse()) no = nodes.length + more.push(test(value, false)) - 1;
    return test(set[0] ?? NaN, node.missing);
  };
  return [...nodes.map(chain), ...more];
}

/** The lists of an attribute each, all of one length. */
function columns(n: NodeView, names: readonly string[]): readonly (readonly number[])[] {
  const lists = names.map((name) => n.ints(name) ?? []);
  if (lists.some((list) => list.length !== lists[0]?.length)) throw damaged(`${names.join(", ")} are not of one length`);
  return lists;
}

const numbersOf = (n: NodeView, name: string): readonly number[] => Array.from(n.tensor(name)?.data ?? n.floats(name) ?? [], Number);

function sameLength(list: readonly unknown[], length: number, what: string): void {
  if (list.length !== length) throw damaged(`${what} has ${list.length} values for ${length}`);
}

/** TreeEnsemble of ai.onnx.ml 5: branches are places in lists, and leaves lie apart. */
function ensemble(n: NodeView): Ensemble {
  const names = ["featureids", "truenodeids", "falsenodeids", "trueleafs", "falseleafs"].map((name) => `nodes_${name}`);
  const [features = [], yes = [], no = [], yesLeaf = [], noLeaf = []] = columns(n, names);
  const [modes, splits] = [numbersOf(n, "nodes_modes"), numbersOf(n, "nodes_splits")];
  sameLength(modes, features.length, "nodes_modes");
  sameLength(splits, features.length, "nodes_splits");
  const [targets = []] = columns(n, ["leaf_targetids"]);
  const weights = numbersOf(n, "leaf_weights");
  sameLength(weights, targets.length, "leaf_weights");
  const missing = n.ints("nodes_missing_value_tracks_true") ?? [];
  const place = (at: number, leaf: number | undefined): number => (at < 0 ? Infinity : leaf === 0 ? at : -1 - at);
  const nodes = features.map((feature, i) => ({
    feature,
    mode: modes[i] ?? 0,
    value: splits[i] ?? 0,
    missing: missing[i] === 1,
    yes: place(yes[i] ?? -1, yesLeaf[i]),
    no: place(no[i] ?? -1, noLeaf[i]),
  }));
  return {
    nodes: withoutSets(nodes, n.tensor("membership_values")),
    leaves: targets.map((target, i) => [{ target, weight: weights[i] ?? 0 }]),
    roots: n.ints("tree_roots") ?? [],
  };
}

const NAMED_MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];

/** TreeEnsembleRegressor: nodes and votes have the number of their tree and one within it; a tree's first node is its root. */
function regressor(n: NodeView): Ensemble {
  const ids = ["treeids", "nodeids", "featureids", "truenodeids", "falsenodeids"].map((name) => `nodes_${name}`);
  const [trees = [], numbers = [], features = [], yes = [], no = []] = columns(n, ids);
  const [voters = [], voting = [], targets = []] = columns(n, ["target_treeids", "target_nodeids", "target_ids"]);
  const weights = eitherOf(n, "target_weights");
  sameLength(weights, targets.length, "target_weights");
  const modes = n.texts("nodes_modes") ?? [];
  const values = eitherOf(n, "nodes_values");
  sameLength(modes, trees.length, "nodes_modes");
  sameLength(values, trees.length, "nodes_values");
  const missing = n.ints("nodes_missing_value_tracks_true") ?? [];
  const key = (tree: number | undefined, node: number | undefined): string => `${tree ?? 0} ${node ?? 0}`;
  const leaves = new Map<string, Vote[]>();
  trees.forEach((tree, i) => {
    if (modes[i] === "LEAF") leaves.set(key(tree, numbers[i]), []);
  });
  targets.forEach((target, i) => leaves.get(key(voters[i], voting[i]))?.push({ target, weight: weights[i] ?? 0 }));
  const places = new Map([...leaves.keys()].map((k, i) => [k, -1 - i]));
  let count = 0;
  trees.forEach((tree, i) => {
    if (modes[i] !== "LEAF") places.set(key(tree, numbers[i]), count++);
  });
  const place = (tree: number, node: number | undefined): number => places.get(key(tree, node)) ?? Infinity;
  const nodes = trees.flatMap((tree, i): TreeNode[] => {
    if (modes[i] === "LEAF") return [];
    const mode = NAMED_MODES.indexOf(modes[i] ?? "");
    const where = { yes: place(tree, yes[i]), no: place(tree, no[i]) };
    return [{ feature: features[i] ?? 0, mode, value: values[i] ?? 0, missing: missing[i] === 1, ...where }];
  });
  const seen = new Set<number>();
  const roots = trees.flatMap((tree, i) => (seen.size < seen.add(tree).size ? [place(tree, numbers[i])] : []));
  return { nodes, leaves: [...leaves.values()], roots };
}

/** Numbers in float32, or in an attribute of their own in float64. */
const eitherOf = (n: NodeView, name: string): readonly number[] =>
  n.has(`${name}_as_tensor`) ? numbersOf(n, `${name}_as_tensor`) : numbersOf(n, name);

function checked(n: NodeView, e: Ensemble, features: number, targets: number): void {
  if (e.roots.length === 0 || e.leaves.length === 0) throw damaged("there are none, or they have no leaves");
  if (!e.nodes.every((t) => t.feature >= 0 && t.feature < features))
    throw damaged(`a node compares a feature beyond the ${features} of the input`);
  if (!e.nodes.every((t) => TREE_MODES[t.mode] !== undefined)) throw damaged("a node compares in a way that there is not");
  if (!e.leaves.every((votes) => votes.every((v) => v.target >= 0 && v.target < targets)))
    throw damaged(`a leaf votes for a target beyond ${targets}`);
}

const int32 = (n: NodeView, values: readonly number[], dims: readonly number[] = [values.length]): Value =>
  n.constant(tensor("int32", dims, Int32Array.from(values)));

function floats(n: NodeView, values: readonly number[], dtype: DType): Value {
  const data = n.constant(tensor("float64", [values.length], Float64Array.from(values)));
  return dtype === "float64" ? data : n.step("cast", [data], { to: dtype });
}

const AGGREGATES = ["AVERAGE", "SUM", "MIN", "MAX"];
const TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];

/** The name of a choice, which older versions say in words and the newest by number. */
const choice = (n: NodeView, name: string, names: readonly string[], otherwise: number): string =>
  n.node.attribute.find((a) => a.name === name)?.s === undefined ? (names[n.int(name, otherwise)] ?? "") : n.text(name, "");

function transformed(n: NodeView, scores: Value): Value {
  const transform = choice(n, "post_transform", TRANSFORMS, 0);
  if (transform === "NONE") return n.emit("identity", [scores]);
  if (transform === "SOFTMAX") return n.emit("softmax", [scores], { axis: -1 });
  if (transform === "LOGISTIC") return n.emit("sigmoid", [scores]);
  throw n.unsupported(`the transform ${transform}`);
}

const trees =
  (read: (n: NodeView) => Ensemble, typeOf: (x: Value) => DType): Mapper =>
  (n) => {
    const given = n.input(0);
    const features = given.shape[1];
    if (given.shape.length !== 2 || typeof features !== "number")
      throw n.unsupported("an unknown number of features", "Give the input shapes with --shape.");
    const e = read(n);
    const targets = n.int("n_targets", 1);
    checked(n, e, features, targets);
    const x = given.dtype === "float64" || given.dtype === "float32" ? given : n.step("cast", [given], { to: "float32" });
    const depth = depthOf(n, e);
    if (depth * e.roots.length > MAX_VISITS) throw n.unsupported("trees so many and so deep");
    const combine = choice(n, "aggregate_function", AGGREGATES, 1);
    if (!AGGREGATES.includes(combine)) throw n.unsupported(`the sum "${combine}"`);
    const votes = e.leaves.flat();
    let count = 0;
    const ends = e.leaves.map((own) => (count += own.length));
    const nodes = e.nodes.length > 0 ? e.nodes : [{ feature: 0, mode: 0, value: 0, missing: false, yes: -1, no: -1 }];
    const fields = (
      [(t) => t.feature, (t) => t.mode, (t) => Number(t.missing), (t) => t.yes, (t) => t.no] as ((t: TreeNode) => number)[]
    ).flatMap((f) => nodes.map(f));
    const tables = [
      int32(n, fields, [5, nodes.length]),
      floats(
        n,
        nodes.map((t) => t.value),
        x.dtype,
      ),
      int32(n, [...e.roots]),
      int32(n, [0, ...ends]),
      int32(
        n,
        votes.map((v) => v.target),
      ),
      floats(
        n,
        votes.map((v) => v.weight),
        typeOf(x),
      ),
    ];
    const attrs = { targets, depth, combine: combine === "MIN" ? "min" : combine === "MAX" ? "max" : "sum" };
    const sums = n.step("treeEnsemble", [x, ...tables], attrs);
    const scores = combine === "AVERAGE" ? n.step("div", [sums, n.scalarLike(sums, e.roots.length)]) : sums;
    const base = eitherOf(n, "base_values");
    return transformed(n, base.length > 0 ? n.step("add", [scores, floats(n, base, scores.dtype)]) : scores);
  };

export const TREES: Readonly<Record<string, Mapper>> = {
  TreeEnsemble: trees(ensemble, (x) => x.dtype),
  TreeEnsembleRegressor: trees(regressor, () => "float32"),
};
