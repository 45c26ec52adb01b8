/** Patches, rules, order and the rules of the IR. */
import { describe, expect, test } from "vitest";
import { HoneError } from "../util/errors.ts";
import type { Infer } from "./builder.ts";
import { input, makeValue, output, type Graph } from "./graph.ts";
import { parseGraph } from "./parse.ts";
import { printGraph } from "./print.ts";
import { contextOf, rewrite, type Rule } from "./rewrite.ts";
import { verifyGraph } from "./verify.ts";
import { constantsOf, consumersOf, producersOf, sortNodes } from "./walk.ts";

/** Every op of these tests gives what its first input is. */
const infer: Infer = (op, [x], _attrs, outputs) => {
  if (op === "broken") throw new HoneError("graph.shape", "broken");
  return Array.from({ length: outputs }, () => ({ dtype: x?.dtype ?? "float32", shape: x?.shape ?? [] }));
};
const parse = (body: string, outputs: string): Graph =>
  parseGraph(`graph "g"(%x: float32[2], %z: float32[2]) -> (${outputs}) {\n${body}\n}`, { infer });
const body = (graph: Graph): string[] =>
  printGraph(graph)
    .split("\n")
    .slice(1, -2)
    .map((line) => line.trim().replaceAll(" : float32[2]", ""));

/** a(a(x)) is x. */
const undo: Rule = {
  name: "undo",
  match: (node, context) => {
    const inner = context.producer(node.inputs[0]);
    if (node.op !== "a" || inner?.op !== "a") return undefined;
    return context.patch(node, inner).replace(output(node), input(inner, 0));
  },
};

describe("patches", () => {
  test("a replaced output keeps its name, and what nothing needs goes", () => {
    const graph = parse("%p = p(%x)\n%q = a(%p)\n%y = a(%q)\n%dead = b(%q)", "%y");
    const result = rewrite(graph, [undo], infer);
    expect(body(result)).toEqual([`%y = p(%x) @ "p" from []`]);
    verifyGraph(result, infer);
  });

  test("an output that becomes an input or another output is copied", () => {
    const graph = parse("%q = a(%x)\n%y = a(%q)\n%p = p(%x)\n%r = a(%p)\n%s = a(%r)\n%t = a(%r)", "%y, %p, %s, %t");
    const result = rewrite(graph, [undo], infer);
    expect(body(result)).toEqual(["%p = p(%x)", "%y = identity(%x)", "%s = identity(%p)", "%t = identity(%p)"]);
    verifyGraph(result, infer);
  });

  test("added nodes stand before their readers and carry the origins of what they stand for", () => {
    const graph = parse(`%p = p(%x) @ "P"\n%y = q(%p) @ "Q"`, "%y");
    const fuse: Rule = {
      name: "fuse",
      match: (node, context) => {
        const inner = context.producer(node.inputs[0]);
        if (node.op !== "q" || inner?.op !== "p") return undefined;
        const patch = context.patch(node, inner);
        const half = patch.op("half", [inner.inputs[0]]);
        patch.op("pq", [half, input(inner, 0)], {}, { replaces: node.outputs });
        return patch;
      },
    };
    expect(body(rewrite(graph, [fuse], infer))).toEqual([
      `%Q/half = half(%x) @ "Q/half" from ["P", "Q"]`,
      `%y = pq(%Q/half, %x) @ "Q" from ["P", "Q"]`,
    ]);
  });

  test("a value of another type cannot stand in", () => {
    const graph = parse("%y = a(%x)", "%y");
    const [node] = graph.nodes;
    if (!node) throw new Error("a node");
    const patch = contextOf(graph, infer).patch(node);
    expect(() => patch.replace(output(node), makeValue("w", { dtype: "float32", shape: [3] }))).toThrow(
      "float32[3] stands for float32[2] at y",
    );
  });

  test("rules that run in circles are stopped", () => {
    const flip: Rule = {
      name: "flip",
      match: (node, context) => {
        const patch = context.patch(node);
        patch.op(node.op === "a" ? "b" : "a", node.inputs, {}, { replaces: node.outputs });
        return patch;
      },
    };
    expect(() => rewrite(parse("%y = a(%x)", "%y"), [flip], infer)).toThrow("the rules flip do not come to an end");
  });

  test("an error in a rule names the rule and the node", () => {
    const bad: Rule = { name: "bad", match: (node, context) => (context.patch(node).op("broken", []), undefined) };
    let caught: unknown;
    try {
      rewrite(parse(`%y = a(%x) @ "A"`, "%y"), [bad], infer);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(HoneError);
    expect(caught).toMatchObject({ code: "graph.shape", at: { pass: "bad", node: "A/broken" } });
  });
});

describe("walks", () => {
  const graph = parse("%c = const float32[2] = [1, 2]\n%p = p(%x, %c)\n%y = q(%p, %p)", "%y");

  test("producers, consumers, constants", () => {
    const [p, q] = graph.nodes;
    const y = graph.outputs[0];
    if (!p || !q || !y) throw new Error("two nodes");
    expect(producersOf(graph).get(y)).toBe(q);
    expect(consumersOf(graph).get(output(p))).toEqual([q]);
    expect(constantsOf(graph).map((v) => v.name)).toEqual(["c"]);
  });

  test("nodes are sorted, and as they were when they are", () => {
    expect(sortNodes(graph.nodes)).toEqual(graph.nodes);
    expect(sortNodes([...graph.nodes].reverse()).map((n) => n.name)).toEqual(["p", "y"]);
  });
});

describe("verify", () => {
  test("a region reads nothing from outside but what it is handed", () => {
    const graph = parse(`%y = a(%x) regions [graph "r"(%v: float32[2]) -> (%w) { %w = b(%v) }]`, "%y");
    verifyGraph(graph, infer);
    const [node] = graph.nodes;
    const [region] = node?.regions ?? [];
    if (!node || !region) throw new Error("a node with a region");
    const broken = { ...region, nodes: region.nodes.map((n) => ({ ...n, inputs: graph.inputs })) };
    expect(() => verifyGraph({ ...graph, nodes: [{ ...node, regions: [broken] }] }, infer)).toThrow(
      expect.objectContaining({
        problems: [
          expect.objectContaining({ message: "in the region r of y: the node w reads x, which nothing before it makes" }),
          expect.anything(),
        ],
      }),
    );
  });

  const problems = (graph: Graph): string[] => {
    try {
      verifyGraph(graph, infer);
    } catch (error) {
      if (error instanceof HoneError) return error.problems.map((p) => p.message);
      throw error;
    }
    return [];
  };

  test("lists everything that is wrong", () => {
    const graph = parse("%p = p(%x)\n%y = q(%p)", "%y");
    const [p, q] = graph.nodes;
    if (!p || !q) throw new Error("two nodes");
    expect(problems(graph)).toEqual([]);
    expect(problems({ ...graph, nodes: [q, p] })).toEqual(["the node y reads p, which nothing before it makes"]);
    expect(problems({ ...graph, nodes: [p, p, q] })).toEqual(["p is made twice, the second time by the node p"]);
    expect(problems({ ...graph, nodes: [p] })).toEqual(["the list of outputs reads y, which nothing before it makes"]);
    const wide = makeValue("wide", { dtype: "float32", shape: [3] });
    expect(problems({ ...graph, nodes: [p, { ...q, outputs: [wide] }], outputs: [wide, wide] })).toEqual([
      "wide is float32[3], not float32[2]",
      "two outputs of the graph are called wide",
    ]);
    expect(problems({ ...graph, nodes: [p, { ...q, op: "broken" }] })).toEqual(["broken"]);
  });
});
