/** Control flow that is none: branches whose condition is known, loops that run a known few times, values that a loop only hands on. */
import type { Graph, Node, Value } from "../ir/graph.ts";
import { makeConstant, makeValue } from "../ir/graph.ts";
import { mapRegions } from "../ir/regions.ts";
import type { Patch } from "../ir/patch.ts";
import { rewrite, type RewriteContext, type Rule } from "../ir/rewrite.ts";
import { neededNodes, producersOf } from "../ir/walk.ts";
import { tripCount } from "../ops/control.ts";
import { FOLD_LIMIT } from "../ops/evaluate.ts";
import { isStatic } from "../tensor/dim.ts";
import { zeros } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { uniform } from "./constants.ts";
import { inferOp, type Pass } from "./pass.ts";
import { propagate } from "./propagate.ts";

/** Puts a copy of a region's nodes into the patch; gives what its outputs are then. */
function inline(patch: Patch, region: Graph, inputs: readonly Value[], suffix: string): readonly Value[] {
  const values = new Map<Value, Value>(region.inputs.map((v, i) => [v, must(inputs[i], v.name)]));
  const at = (v: Value): Value => values.get(v) ?? v;
  for (const node of region.nodes) {
    const outputs = node.outputs.map((v) => {
      const copy = makeValue(`${v.name}${suffix}`, v, v.layout);
      values.set(v, copy);
      return copy;
    });
    patch.add({ ...node, name: `${node.name}${suffix}`, inputs: node.inputs.map((v) => v && at(v)), outputs });
  }
  return region.outputs.map(at);
}

const given = (values: readonly (Value | undefined)[]): readonly Value[] => values.map((v) => must(v, "operand"));

const knownBranch: Rule = {
  name: "known-branch",
  match: (node, context) => {
    const cond = uniform(node.inputs[0]);
    if (node.op !== "if" || cond === undefined) return undefined;
    const patch = context.patch(node);
    const outputs = inline(patch, must(node.regions?.[cond === 0 ? 1 : 0], "region"), given(node.inputs.slice(1)), "");
    node.outputs.forEach((v, i) => patch.replace(v, must(outputs[i], v.name)));
    return patch;
  },
};

/** The parts of a loop node. */
interface Parts {
  readonly body: Graph;
  readonly carried: number;
  readonly exits: boolean;
  /** Outputs of the body before the carried ones. */
  readonly skip: number;
  readonly values: readonly Value[];
  readonly trips: number | undefined;
}

function partsOf(node: Node): Parts | undefined {
  const [body] = node.regions ?? [];
  if (node.op !== "loop" || !body) return undefined;
  const exits = node.attrs["exits"] === true;
  const values = given(node.inputs.slice(2));
  const trips = tripCount(node.inputs[0], node.inputs[1], exits);
  return { body, carried: Number(node.attrs["carried"] ?? 0), exits, skip: exits ? 1 : 0, values, trips };
}

/** Nodes that unrolling a loop may make. */
const MAX_UNROLLED = 48;

const fewIterations: Rule = {
  name: "few-iterations",
  match: (node, context) => {
    const loop = partsOf(node);
    if (!loop || loop.trips === undefined) return undefined;
    const { body, carried, trips, values } = loop;
    if (trips > 1 && trips * body.nodes.length > MAX_UNROLLED) return undefined;
    if (trips === 0 && !node.outputs.every((v, i) => i < carried || isStatic(v.shape))) return undefined;
    const patch = context.patch(node);
    let state = values.slice(0, carried);
    const slices: Value[][] = node.outputs.slice(carried).map(() => []);
    for (let i = 0; i < trips; i++) {
      const counter = patch.constant(`${node.name}.iteration`, { type: "int64", dims: [], data: BigInt64Array.of(BigInt(i)) });
      const outputs = inline(patch, body, [counter, ...state, ...values.slice(carried)], trips > 1 ? `#${i}` : "");
      state = outputs.slice(0, carried);
      outputs.slice(carried).forEach((v, k) => {
        slices[k]?.push(patch.op("unsqueeze", [v], { axes: [0] }, { name: `${node.name}.slice${k}#${i}` }));
      });
    }
    state.forEach((v, i) => patch.replace(must(node.outputs[i], "output"), v));
    slices.forEach((list, k) => patch.replace(must(node.outputs[carried + k], "output"), joined(patch, node, list, k + carried)));
    return patch;
  },
};

function joined(patch: Patch, node: Node, slices: readonly Value[], output: number): Value {
  const to = must(node.outputs[output], "output");
  if (slices.length === 0) return makeConstant(to.name, zeros(to.dtype, to.shape.map(Number)));
  return slices.length === 1 ? must(slices[0], "slice") : patch.op("concat", slices, { axis: 0 }, { name: `${node.name}.all${output}` });
}

/** A body that never says stop has no need to say go on. */
const noExit: Rule = {
  name: "no-exit",
  match: (node, context) => {
    const loop = partsOf(node);
    if (!loop) return undefined;
    const goes = loop.exits && uniform(originOf(loop.body, loop.body.outputs[0])) === 1;
    const begins = node.inputs[1] !== undefined && uniform(node.inputs[1]) === 1;
    if (!goes && !begins) return undefined;
    const body = goes ? trimmed({ ...loop.body, outputs: loop.body.outputs.slice(1) }) : loop.body;
    const patch = context.patch(node);
    const inputs = [node.inputs[0], begins ? undefined : node.inputs[1], ...loop.values];
    const attrs = { ...node.attrs, exits: loop.exits && !goes };
    patch.ops("loop", inputs, attrs, { replaces: node.outputs, outputs: node.outputs.length, regions: [body] });
    return patch;
  },
};

/** What an output of a region is a copy of. */
function originOf(region: Graph, value: Value | undefined): Value | undefined {
  const maker = value && producersOf(region).get(value);
  return maker?.op === "identity" ? originOf(region, maker.inputs[0]) : value;
}

const trimmed = (region: Graph): Graph => ({ ...region, nodes: neededNodes(region.nodes, region.outputs) });

/** A value that every iteration hands on as it is is the same in all of them. */
const handedOn: Rule = {
  name: "handed-on",
  match: (node, context) => {
    const loop = partsOf(node);
    if (!loop) return undefined;
    const { body, carried, skip, values } = loop;
    const same = (i: number): boolean => originOf(body, body.outputs[skip + i]) === body.inputs[1 + i];
    const moved = values.slice(0, carried).findIndex((_, i) => same(i));
    if (moved < 0) return undefined;
    const toEnd = <T>(list: readonly T[], at: number): readonly T[] => [
      ...list.slice(0, at),
      ...list.slice(at + 1),
      ...list.slice(at, at + 1),
    ];
    const region = trimmed({
      ...body,
      inputs: toEnd(body.inputs, 1 + moved),
      outputs: body.outputs.filter((_, i) => i !== skip + moved),
    });
    const patch = context.patch(node);
    patch.replace(must(node.outputs[moved], "output"), must(values[moved], "value"));
    const replaces = node.outputs.filter((_, i) => i !== moved);
    const inputs = [node.inputs[0], node.inputs[1], ...toEnd(values, moved)];
    if (replaces.length > 0)
      patch.ops("loop", inputs, { ...node.attrs, carried: carried - 1 }, { replaces, outputs: replaces.length, regions: [region] });
    return patch;
  },
};

/** Inputs that no region reads, and outputs that nothing reads and no iteration needs, are not handed in and out. */
const unusedEnds: Rule = {
  name: "unused-ends",
  match: (node, context) => {
    const { regions } = node;
    if (!regions) return undefined;
    const fixedInputs = node.op === "if" ? 1 : 2;
    const [firstInput, firstOutput] = node.op === "if" ? [0, 0] : [1 + Number(node.attrs["carried"]), Number(node.attrs["carried"])];
    const reads = regions.map(readsOf);
    const keepInput = (i: number): boolean => i < firstInput || regions.some((r, k) => reads[k]?.has(must(r.inputs[i], "input")));
    const keepOutput = (i: number): boolean => i < firstOutput || isRead(must(node.outputs[i], "output"), context);
    const offset = node.op === "if" ? 0 : 1;
    const inputs = [...node.inputs.slice(0, fixedInputs), ...node.inputs.slice(fixedInputs).filter((_, i) => keepInput(i + offset))];
    const outputs = node.outputs.filter((_, i) => keepOutput(i));
    if ((inputs.length === node.inputs.length && outputs.length === node.outputs.length) || outputs.length === 0) return undefined;
    const skip = node.attrs["exits"] === true ? 1 : 0;
    const smaller = regions.map((r) =>
      trimmed({
        ...r,
        inputs: r.inputs.filter((_, i) => keepInput(i)),
        outputs: r.outputs.filter((_, i) => i < skip || keepOutput(i - skip)),
      }),
    );
    const patch = context.patch(node);
    patch.ops(node.op, inputs, node.attrs, { replaces: outputs, outputs: outputs.length, regions: smaller });
    return patch;
  },
};

const readsOf = ({ nodes, outputs }: Graph): ReadonlySet<Value | undefined> => new Set([...nodes.flatMap((n) => n.inputs), ...outputs]);
const isRead = (v: Value, { consumers, isOutput }: RewriteContext): boolean => isOutput(v) || consumers(v).length > 0;

const RULES: readonly Rule[] = [knownBranch, noExit, handedOn, fewIterations, unusedEnds];

const once = (graph: Graph): Graph => mapRegions(rewrite(graph, RULES, inferOp), once);

/** Branches in branches, each of which tells the shapes that decide the next. */
const MAX_ROUNDS = 64;

export const controlFlow: Pass = {
  name: "control-flow",
  reason: "decides what is decided already: what is left of branches and loops depends on data",
  run: (graph) => {
    let at = graph;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const next = once(at);
      if (next === at) break;
      const folded = propagate(next, { limit: FOLD_LIMIT, fold: true });
      at = { ...folded, nodes: neededNodes(folded.nodes, folded.outputs) };
    }
    return at;
  },
};
