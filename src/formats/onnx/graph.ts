/** A graph as an ONNX model: the way back from what the importers make, for graphs of plain ops. */
import type { Graph, Node, Value } from "../../ir/graph.ts";
import { dimText } from "../../tensor/dim.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { HoneError, type Problem } from "../../util/errors.ts";
import type { OnnxModel, OnnxNode, OnnxTensor } from "./ast.ts";
import { GRAPH_OPS, type Writing, type Written } from "./graph-ops.ts";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo } from "./write.ts";

/** Names of tensors, each once. */
class Names {
  readonly #taken = new Set<string>();
  readonly #of = new Map<Value, string>();

  /** Takes a name that is free, this one if it can be had. */
  take(wanted: string): string {
    let name = wanted;
    for (let i = 2; this.#taken.has(name); i++) name = `${wanted}_${i}`;
    this.#taken.add(name);
    return name;
  }

  of(v: Value): string {
    const known = this.#of.get(v);
    if (known !== undefined) return known;
    const name = this.take(v.name === "" ? "tensor" : v.name);
    this.#of.set(v, name);
    return name;
  }
}

class GraphWriter {
  readonly #graph: Graph;
  readonly #names = new Names();
  /** ONNX Runtime takes no two nodes of one name. */
  readonly #nodeNames = new Names();
  readonly #nodes: OnnxNode[] = [];
  readonly #constants = new Map<Value, string>();
  readonly #initializers: OnnxTensor[] = [];

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  run(): OnnxModel {
    const { name, inputs, outputs, nodes } = this.#graph;
    // What others know the model by comes first.
    const ends = [inputs, outputs].map((list) => list.map((v) => onnxValueInfo(this.#names.of(v), v.dtype, dimsOf(v))));
    for (const node of nodes) this.#node(node);
    const graph = onnxGraph({ name, node: this.#nodes, initializer: this.#initializers, input: ends[0] ?? [], output: ends[1] ?? [] });
    return onnxModel({ graph });
  }

  readonly #constant = (t: Tensor, name: string): string => {
    const taken = this.#names.take(name);
    this.#initializers.push(onnxTensor(taken, t));
    return taken;
  };

  #nameOf(v: Value | undefined): string {
    if (v === undefined) return "";
    if (!v.data) return this.#names.of(v);
    const known = this.#constants.get(v) ?? this.#constant(v.data, v.name === "" ? "constant" : v.name);
    this.#constants.set(v, known);
    return known;
  }

  #node(node: Node): void {
    const inputs = node.inputs.map((v) => this.#nameOf(v));
    const add = ({ opType, inputs: own, attributes }: Written, outputs: readonly string[], name: string): void => {
      const last = own.findLastIndex((n) => n !== "");
      this.#nodes.push(onnxNode(opType, own.slice(0, last + 1), outputs, attributes, this.#nodeNames.take(name)));
    };
    const writing: Writing = {
      node,
      inputs,
      constant: (t) => this.#constant(t, `${node.name}_constant`),
      step: (written) => {
        const made = this.#names.take(`${node.name}_${written.opType.toLowerCase()}`);
        add(written, [made], made);
        return made;
      },
    };
    const write = GRAPH_OPS[node.op];
    if (write)
      add(
        write(writing),
        node.outputs.map((v) => this.#names.of(v)),
        node.name,
      );
  }
}

const dimsOf = (v: Value): (number | string)[] => v.shape.map((d) => (typeof d === "number" ? d : dimText(d)));

/** Throws `model.unsupported` with every op that ONNX has no single way to say, or that is not written yet. */
export function graphToOnnx(graph: Graph): OnnxModel {
  const problems = graph.nodes
    .filter((n) => GRAPH_OPS[n.op] === undefined || n.regions !== undefined)
    .map((n): Problem => ({ message: `the op ${n.op} cannot be written as ONNX`, at: { node: n.origin[0] ?? n.name, op: n.op } }));
  if (problems.length > 0) {
    throw new HoneError("model.unsupported", `${problems.length} of the model's operations cannot be written as ONNX`, { problems });
  }
  return new GraphWriter(graph).run();
}
