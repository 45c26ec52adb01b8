/** What hone can tell of a model's values by their ONNX names, however much of the model it can read. */
import type { Value } from "../../ir/graph.ts";
import { foldNode } from "../../ops/evaluate.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { HoneError } from "../../util/errors.ts";
import { ImportBuilder } from "../builder.ts";
import { gatherProblems } from "../problems.ts";
import type { OnnxGraph, OnnxModel } from "./ast.ts";
import { countedOf } from "./counted.ts";
import { HostBuilder } from "./host.ts";
import type { ImportOptions } from "./import.ts";
import { opsetOf } from "./versions.ts";
import { addInputs } from "./inputs.ts";
import { GraphImporter, ImportSession } from "./nodes.ts";
import { Scope } from "./scope.ts";
import { isTensor, type Thing } from "./things.ts";

export interface Trace {
  /** The type of a tensor, and its value when it is constant; undefined also when its size depends on data. */
  readonly value: (name: string) => Value | undefined;
  readonly constant: (name: string) => Tensor | undefined;
  /** Whatever the name stands for, as far as it could be read. */
  readonly thing: (name: string) => Thing | undefined;
  /** The same in a subgraph; undefined when that could not be read, or has no one value for a name. */
  readonly inner: (graph: OnnxGraph) => Trace | undefined;
}

/** Elements of a value that is computed here. */
const LARGEST = 1 << 24;

/** Throws `model.damaged` without a graph, and `usage` for shapes that do not fit the inputs; what cannot be read is not known. */
export function traceOnnx(model: OnnxModel, options: ImportOptions): Trace {
  const { graph } = model;
  if (graph === undefined) throw new HoneError("model.damaged", "the model holds no graph", { at: { file: options.file } });
  const problems = gatherProblems(options.file);
  const scope = new Scope(new ImportBuilder(graph.name));
  const host = new HostBuilder(scope.builder);
  const opset = problems.attempt({}, () => opsetOf(model));
  const session = new ImportSession(options, problems, model.functions, host);
  const importer = new GraphImporter(session, scope, opset ?? 0);
  importer.constants(graph);
  addInputs(graph, { scope, host }, options, problems);
  if (opset !== undefined) importer.nodes(graph);
  const known = new Map<Value, Tensor>();
  const constant = (v: Value): Tensor | undefined => v.data ?? known.get(v);
  for (const node of scope.builder.finish().nodes) {
    const results = problems.attempt({ node: node.name }, () => foldNode(node, constant, node.outputs, LARGEST));
    results?.forEach((t, i) => {
      const output = node.outputs[i];
      if (output) known.set(output, t);
    });
  }
  const traceOf = (at: Scope): Trace => {
    const found = (name: string): Thing | undefined => (at.has(name) ? at.get(name) : undefined);
    const value = (name: string): Value | undefined => {
      const thing = found(name);
      return isTensor(thing) && !countedOf(thing) ? thing : undefined;
    };
    return {
      value,
      thing: found,
      constant: (name) => {
        const v = value(name);
        return v && (constant(v) ?? at.builder.known(v));
      },
      inner: (subgraph) => {
        const found = session.scopes.get(subgraph);
        return found && traceOf(found);
      },
    };
  };
  return traceOf(scope);
}
