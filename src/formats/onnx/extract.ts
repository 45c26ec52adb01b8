/** A model of some nodes of another one: what comes from the other nodes becomes an input. */
import { isStatic } from "../../tensor/dim.ts";
import { HoneError } from "../../util/errors.ts";
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxValueInfo } from "./ast.ts";
import { narrowOf } from "./narrow.ts";
import { usedNames } from "./nodes.ts";
import type { Trace } from "./trace.ts";
import { onnxTensor, onnxValueInfo } from "./write.ts";

/** A model whose nodes can be taken out. Its shapes are numbers. */
export class Extractor {
  /** Nodes of the model, in its order, that only go together: what is between them can be no input of a model. */
  readonly units: readonly (readonly OnnxNode[])[];
  readonly #model: OnnxModel;
  readonly #graph: OnnxGraph;
  readonly #trace: Trace;
  readonly #outputs: ReadonlySet<string>;
  readonly #wanted: ReadonlySet<string>;

  /** Throws `model.damaged` without a graph. */
  constructor(model: OnnxModel, trace: Trace) {
    const { graph } = model;
    if (graph === undefined) throw new HoneError("model.damaged", "the model holds no graph");
    this.#model = model;
    this.#graph = graph;
    this.#trace = trace;
    this.#outputs = new Set(graph.output.map((v) => v.name));
    this.#wanted = usedNames(graph);
    this.units = this.#connected();
  }

  /**
   * The model of these nodes. What they use is an input, or a constant where its value is known; what they make for others, or for
   * nobody else among them, is an output. `inner`: also all else that they make.
   */
  extract(nodes: ReadonlySet<OnnxNode>, inner = false): OnnxModel {
    const node = this.#graph.node.filter((n) => nodes.has(n));
    const made = new Set(node.flatMap((n) => n.output).filter((name) => name !== ""));
    const used = usedNames({ ...this.#graph, node, output: [] });
    const needed = [...used].filter((name) => name !== "" && !made.has(name));
    const own = new Set(this.#graph.initializer.map((t) => t.name));
    const sparse = this.#graph.sparseInitializer.filter((t) => used.has(t.values?.name ?? ""));
    const others = needed.filter((name) => !own.has(name) && !sparse.some((t) => t.values?.name === name));
    const known = others.flatMap((name) => {
      const value = this.#trace.constant(name);
      return value === undefined ? [] : [onnxTensor(name, value)];
    });
    const constants = new Set(known.map((t) => t.name));
    const given = new Map(this.#graph.input.map((v) => [v.name, v]));
    const input = others.flatMap((name) => (constants.has(name) ? [] : (given.get(name) ?? this.#typed(name) ?? [])));
    const shown = (name: string): boolean => this.#outputs.has(name) || !used.has(name) || (inner && this.#canBeCut(name));
    const output = [...made].filter((name) => this.#wanted.has(name) && shown(name)).flatMap((name) => this.#typed(name) ?? []);
    const initializer = [...this.#graph.initializer.filter((t) => used.has(t.name)), ...known];
    const graph = {
      ...this.#graph,
      node,
      input,
      output,
      initializer,
      sparseInitializer: sparse,
      valueInfo: [],
      quantizationAnnotation: [],
    };
    return { ...this.#model, graph };
  }

  #typed(name: string): OnnxValueInfo | undefined {
    const value = this.#trace.value(name);
    if (value === undefined) return this.#graph.output.find((v) => v.name === name);
    return onnxValueInfo(
      name,
      value.dtype,
      value.shape.map((d) => (typeof d === "number" ? d : "")),
    );
  }

  #canBeCut(name: string): boolean {
    const value = this.#trace.value(name);
    return value !== undefined && isStatic(value.shape) && narrowOf(value) === undefined;
  }

  /** Nodes joined by lists, by types that no input has, and by what the importer cannot tell. */
  #connected(): readonly (readonly OnnxNode[])[] {
    const { node } = this.#graph;
    const leader = node.map((_, i) => i);
    const find = (i: number): number => {
      const up = leader[i] ?? i;
      return up === i ? i : find(up);
    };
    const maker = new Map(node.flatMap((n, i) => n.output.map((name) => [name, i] as const)));
    node.forEach((n, i) => {
      for (const name of usedNames({ ...this.#graph, node: [n], output: [] })) {
        const from = maker.get(name);
        if (from !== undefined && from !== i && name !== "" && !this.#canBeCut(name)) leader[find(i)] = find(from);
      }
    });
    const units = new Map<number, OnnxNode[]>();
    node.forEach((n, i) => units.set(find(i), [...(units.get(find(i)) ?? []), n]));
    return [...units.values()];
  }
}
