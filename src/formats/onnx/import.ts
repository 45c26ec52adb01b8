import type { Graph } from "../../ir/graph.ts";
import { HoneError } from "../../util/errors.ts";
import { ImportBuilder } from "../builder.ts";
import { gatherProblems } from "../problems.ts";
import type { OnnxModel } from "./ast.ts";
import type { ResolveExternal } from "./external.ts";
import { HostBuilder } from "./host.ts";
import { addInputs, addOutput, type InputOptions } from "./inputs.ts";
import { GraphImporter, ImportSession } from "./nodes.ts";
import { Scope } from "./scope.ts";
import { OLDEST_OPSET, opsetOf } from "./versions.ts";

export interface ImportOptions extends InputOptions {
  readonly file: string;
  readonly resolveExternal?: ResolveExternal;
}

/**
 * Builds hone's graph of an ONNX model. Initializers are constants, also those that are listed as inputs; unknown dims become symbols.
 * Throws one error with all problems: `model.unsupported`, or `graph.shape` and `model.damaged` when it is only such.
 */
export function importOnnx(model: OnnxModel, options: ImportOptions): Graph {
  const problems = gatherProblems(options.file);
  const { graph } = model;
  if (graph === undefined) throw new HoneError("model.damaged", "the model holds no graph", { at: { file: options.file } });
  const opset = problems.attempt({}, () => opsetOf(model)) ?? OLDEST_OPSET;
  const scope = new Scope(new ImportBuilder(graph.name === "" ? "main" : graph.name));
  const host = new HostBuilder(scope.builder);
  const importer = new GraphImporter(new ImportSession(options, problems, model.functions, host), scope, opset);
  importer.constants(graph);
  addInputs(graph, { scope, host }, options, problems);
  importer.nodes(graph);
  for (const { name } of graph.output) {
    problems.attempt({}, () => {
      const thing = importer.output(name);
      if (thing !== undefined) addOutput({ builder: scope.builder, host }, thing, name);
    });
  }
  problems.throwIfAny();
  return host.finish(scope.builder.finish());
}
