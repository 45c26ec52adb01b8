/**
 * One file a pass: the command that reruns it, a graph before, the graph after. UPDATE_GOLDENS=1 writes what the passes do now.
 * Both graphs must also compute the same.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Graph } from "../../src/ir/graph.ts";
import { parseGraph, randomTensor } from "../../src/ir/parse.ts";
import { printGraph, printGroups } from "../../src/ir/print.ts";
import { verifyGraph } from "../../src/ir/verify.ts";
import { evaluateGraph } from "../../src/ops/evaluate.ts";
import { bindInputs } from "../../src/passes/bind-shapes.ts";
import { fuse } from "../../src/passes/fuse.ts";
import { chooseLayouts } from "../../src/passes/layout.ts";
import { inferOp, type Pass } from "../../src/passes/pass.ts";
import { PIPELINE } from "../../src/passes/pipeline.ts";
import { isStatic } from "../../src/tensor/dim.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const AFTER = "// ---- after ----\n";
const bindShapes: Pass = {
  name: "bind-shapes",
  reason: "stands in for --shape",
  run: (graph) => bindInputs(graph, { x: [2, 3, 8, 6] }),
};
const layout: Pass = { name: "layout", reason: "stands in for the compiler's choice of vector", run: (graph) => chooseLayouts(graph, 8) };
const passes: readonly Pass[] = [...PIPELINE, bindShapes, layout];
const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".ir") && name !== "fuse.ir");

function feedsOf(graph: Graph): Record<string, Tensor> | undefined {
  if (!graph.inputs.every((v) => isStatic(v.shape))) return undefined;
  return Object.fromEntries(graph.inputs.map((v, i) => [v.name, randomTensor(v.dtype, v.shape.map(Number), i + 1)]));
}

describe("golden texts", () => {
  test.each(files)("%s", (name) => {
    const pass = passes.find((p) => `${p.name}.ir` === name);
    if (!pass) throw new Error(`there is no pass for ${name}`);
    const path = join(import.meta.dirname, name);
    const text = readFileSync(path, "utf8");
    const [before = "", after = ""] = text.split(AFTER);
    const graph = parseGraph(before, { infer: inferOp });
    verifyGraph(graph, inferOp);
    const result = pass.run(graph);
    verifyGraph(result, inferOp);
    expect(result.outputs.map((v) => v.name)).toEqual(graph.outputs.map((v) => v.name));
    const printed = printGraph(result);
    if (process.env.UPDATE_GOLDENS) writeFileSync(path, `${before.trimEnd()}\n${AFTER}${printed}`);
    else expect(printed).toBe(after);
    const feeds = feedsOf(result);
    if (!feeds) return;
    const [want, got] = [evaluateGraph(graph, feeds), evaluateGraph(result, feeds)];
    for (const [output, t] of Object.entries(want)) {
      expect(got[output]?.dims).toEqual(t.dims);
      t.data.forEach((x: number | bigint, i: number) => expect(Number(got[output]?.data[i])).toBeCloseTo(Number(x), 4));
    }
  });

  test("fuse.ir", () => {
    const path = join(import.meta.dirname, "fuse.ir");
    const [before = "", after = ""] = readFileSync(path, "utf8").split(AFTER);
    const grouped = fuse(parseGraph(before, { infer: inferOp }));
    const printed = printGroups(grouped);
    if (process.env.UPDATE_GOLDENS) writeFileSync(path, `${before.trimEnd()}\n${AFTER}${printed}`);
    else expect(printed).toBe(after);
    // Every node is in one group, and every group finds what it reads.
    expect(grouped.groups.flatMap((g) => g.nodes).length).toBe(grouped.graph.nodes.length);
    const known = new Set<unknown>(grouped.graph.inputs);
    for (const g of grouped.groups) {
      for (const v of g.inputs) expect(known.has(v) || v.data !== undefined, v.name).toBe(true);
      g.outputs.forEach((v) => known.add(v));
    }
  });

  test("every pass has one", () => {
    expect(files.map((f) => f.replace(".ir", "")).sort()).toEqual(passes.map((p) => p.name).sort());
  });
});
