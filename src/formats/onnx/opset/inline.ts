/** A model without functions of its own: every call is written out as the nodes of the body. */
import { HoneError } from "../../../util/errors.ts";
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxTensor } from "../ast.ts";
import { bodyOf, FunctionTable } from "../functions.ts";
import { madeNames, renameNode, withSubgraphs } from "../rename.ts";
import { isOnnxDomain, opsetOf, opsetOfFunction } from "../versions.ts";

/** Says the nodes of a graph at another operator set. */
export type Rewrite = (graph: OnnxGraph, from: number, to: number, file: string) => OnnxGraph;

/** Nodes of bodies, as often as they are written out, and of functions in functions. */
const MAX_NODES = 1 << 16;
const MAX_DEPTH = 64;
/** Of all names that are made. */
const MAX_CHARACTERS = 1 << 26;

/** Bodies of other operator sets than the model's are rewritten for that. Throws `model.unsupported` for a model without end. */
export function inlined(model: OnnxModel, file: string, rewrite: Rewrite): OnnxModel {
  const { graph } = model;
  if (graph === undefined || model.functions.length === 0) return model;
  const opset = opsetOf(model);
  const table = new FunctionTable(model.functions);
  let calls = 0;
  let nodes = 0;
  let characters = 0;

  const longer = (prefix: string, name: string): string => {
    characters += prefix.length + name.length;
    if (characters > MAX_CHARACTERS)
      throw new HoneError("model.unsupported", "the names of the model's functions, written out, are too long", { at: { file } });
    return `${prefix}${name}`;
  };

  const expanded = (g: OnnxGraph, depth: number): OnnxGraph => {
    if (depth > MAX_DEPTH) throw new HoneError("model.unsupported", "the model's functions are nested too deeply", { at: { file } });
    const constants: OnnxTensor[] = [];
    const node = g.node.flatMap((n): readonly OnnxNode[] => {
      const inner = withSubgraphs(n, (sub) => expanded(sub, depth + 1));
      const callee = table.find(n);
      if (!callee) return [inner];
      const from = opsetOfFunction(callee, opset);
      const given = new Set(callee.input.filter((_, i) => (n.input[i] ?? "") !== ""));
      const body = bodyOf(inner, callee, given);
      nodes += body.node.length;
      if (nodes > MAX_NODES)
        throw new HoneError("model.unsupported", `the model's functions, written out, have more than ${MAX_NODES} nodes`, { at: { file } });
      const written = expanded(from === opset ? body : rewrite(body, from, opset, file), depth + 1);
      const names = new Map(callee.input.map((name, i) => [name, n.input[i] ?? ""]));
      callee.output.forEach((name, i) => {
        if (!names.has(name) && (n.output[i] ?? "") !== "") names.set(name, n.output[i] ?? "");
      });
      const prefix = `${n.name === "" ? n.opType : n.name}.call${calls++}/`;
      const own = new Set(madeNames(written));
      const rename = (name: string): string => names.get(name) ?? (own.has(name) ? longer(prefix, name) : name);
      constants.push(...written.initializer.map((t) => ({ ...t, name: rename(t.name) })));
      const copies = copiesOf(callee.input, callee.output, n);
      return [...written.node.map((b) => ({ ...renameNode(b, rename), name: b.name === "" ? "" : longer(prefix, b.name) })), ...copies];
    });
    return { ...g, node, initializer: [...g.initializer, ...constants] };
  };
  const written = expanded(graph, 0);
  const domains = new Set(model.functions.map((f) => f.domain));
  return { ...model, graph: written, functions: [], opsetImport: opsetsOf(model, written, domains) };
}

/** A function may hand on what it is given. */
const copiesOf = (inputs: readonly string[], outputs: readonly string[], call: OnnxNode): readonly OnnxNode[] =>
  outputs.flatMap((name, i) => {
    const [from = "", to = ""] = [call.input[inputs.indexOf(name)], call.output[i]];
    if (!inputs.includes(name) || from === "" || to === "") return [];
    const none = { attribute: [], docString: "", domain: "", overload: "", metadataProps: [] };
    return [{ ...none, opType: "Identity", name: "", input: [from], output: [to] }];
  });

/** What the bodies import beside ONNX's own operators, without the domains of functions that no node is of any more. */
function opsetsOf(model: OnnxModel, graph: OnnxGraph, functions: ReadonlySet<string>): OnnxModel["opsetImport"] {
  const left = domainsOf(graph);
  const all = [...model.opsetImport, ...model.functions.flatMap((f) => f.opsetImport.filter((o) => !isOnnxDomain(o.domain)))];
  const seen = new Set<string>();
  return all.filter(({ domain }) => {
    const needed = isOnnxDomain(domain) || left.has(domain) || !functions.has(domain);
    return needed && !seen.has(domain) && seen.add(domain);
  });
}

const domainsOf = (graph: OnnxGraph): ReadonlySet<string> => {
  const domains = new Set<string>();
  const visit = (g: OnnxGraph): void => {
    for (const n of g.node) {
      domains.add(n.domain);
      withSubgraphs(n, (sub) => (visit(sub), sub));
    }
  };
  visit(graph);
  return domains;
};
