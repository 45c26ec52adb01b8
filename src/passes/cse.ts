import type { Graph, Node, Value } from "../ir/graph.ts";
import { applyPatches, Patch } from "../ir/patch.ts";
import { everywhere } from "../ir/regions.ts";
import { shapeText } from "../tensor/dim.ts";
import { must } from "../util/errors.ts";
import { inferOp, type Pass } from "./pass.ts";

/** Constants up to this many elements are the same when their elements are. */
const COMPARED_ELEMENTS = 4096;

/** A word for each value that is the same for equal values. */
class Numbering {
  readonly #words = new Map<Value, string>();
  readonly #replaced = new Map<Value, Value>();
  #next = 0;

  word(value: Value): string {
    const at = this.#replaced.get(value) ?? value;
    let word = this.#words.get(at);
    if (word === undefined) {
      word =
        at.data && at.data.data.length <= COMPARED_ELEMENTS
          ? `${at.dtype}${shapeText(at.shape)}=${at.data.data.join()}`
          : `v${this.#next++}`;
      this.#words.set(at, word);
    }
    return word;
  }

  replace(from: Value, to: Value): void {
    this.#replaced.set(from, this.#replaced.get(to) ?? to);
  }
}

function shareEqual(graph: Graph): Graph {
  const numbering = new Numbering();
  const seen = new Map<string, Node>();
  const patches: Patch[] = [];
  for (const node of graph.nodes) {
    if (node.regions) continue;
    const attrs = JSON.stringify(Object.entries(node.attrs).sort(([a], [b]) => (a < b ? -1 : 1)));
    const key = `${node.op}|${attrs}|${node.outputs.length}|${node.inputs.map((v) => (v ? numbering.word(v) : "_")).join("|")}`;
    const first = seen.get(key);
    if (!first) {
      seen.set(key, node);
      continue;
    }
    const patch = new Patch(inferOp, [first, node]).credit(first, node.origin);
    node.outputs.forEach((v, i) => {
      const same = must(first.outputs[i], `output ${i} of ${first.name}`);
      patch.replace(v, same);
      numbering.replace(v, same);
    });
    patches.push(patch);
  }
  return patches.length > 0 ? applyPatches(graph, patches) : graph;
}

export const cse: Pass = {
  name: "cse",
  reason: "computes equal things once; exporters repeat shape arithmetic and resizes",
  run: (graph) => everywhere(graph, shareEqual),
};
