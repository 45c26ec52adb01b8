/** Functions that a model brings along: operators that are written as graphs of others. */
import type { OnnxAttribute, OnnxFunction, OnnxGraph, OnnxNode } from "./ast.ts";
import { isOnnxDomain } from "./versions.ts";
import { onnxGraph } from "./write.ts";

const keyOf = (domain: string, name: string, overload: string): string =>
  JSON.stringify([isOnnxDomain(domain) ? "" : domain, name, overload]);

export class FunctionTable {
  readonly #functions = new Map<string, OnnxFunction>();

  constructor(functions: readonly OnnxFunction[]) {
    for (const f of functions) this.#functions.set(keyOf(f.domain, f.name, f.overload), f);
  }

  find({ domain, opType, overload }: OnnxNode): OnnxFunction | undefined {
    return this.#functions.get(keyOf(domain, opType, overload));
  }
}

/** The function's nodes for one call: its attributes are put where they are referred to, and inputs that are not given are left out. */
export function bodyOf(call: OnnxNode, callee: OnnxFunction, given: ReadonlySet<string>): OnnxGraph {
  const attributes = new Map([...callee.attributeProto, ...call.attribute].map((a) => [a.name, a]));
  const absent = new Set(callee.input.filter((name) => !given.has(name)));
  const node = callee.node.map((n) => bound(n, attributes, absent));
  const output = callee.output.map((name) => ({ name, docString: "", metadataProps: [] }));
  return onnxGraph({ name: callee.name, node, output });
}

function bound(node: OnnxNode, attributes: ReadonlyMap<string, OnnxAttribute>, absent: ReadonlySet<string>): OnnxNode {
  const inner = (g: OnnxGraph): OnnxGraph => ({ ...g, node: g.node.map((n) => bound(n, attributes, absent)) });
  const attribute = node.attribute.flatMap((a): OnnxAttribute[] => {
    if (a.refAttrName === "") return [{ ...a, ...(a.g ? { g: inner(a.g) } : {}), graphs: a.graphs.map(inner) }];
    const value = attributes.get(a.refAttrName);
    return value ? [{ ...value, name: a.name }] : [];
  });
  return { ...node, attribute, input: node.input.map((name) => (absent.has(name) ? "" : name)), name: node.name };
}
