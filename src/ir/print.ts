/** Graphs as text. `parse.ts` reads the same form; its header gives the grammar. */
import type { Dim } from "../tensor/dim.ts";
import type { DType } from "../tensor/dtype.ts";
import { fromBFloat16, fromFloat16 } from "../tensor/half.ts";
import { layoutText } from "../tensor/layout.ts";
import { bytesOf, type Tensor } from "../tensor/tensor.ts";
import { sha256 } from "../util/hash.ts";
import type { Attr, Graph, GroupedGraph, Node, Value, ValueType } from "./graph.ts";
import type { Layout } from "../tensor/layout.ts";

/** Constants of more elements are printed by hash. */
const INLINE_LIMIT = 16;
const BARE = /^[A-Za-z0-9_./-]+$/;
const BARE_SYMBOL = /^[A-Za-z_?][\w.?]*$/;
const BARE_DIM = /^[\w?.+*/()-]+$/;

/** The start of the hash of a constant's bytes, by which long constants are named. */
export const constantHash = (t: Tensor): string => sha256(bytesOf(t)).slice(0, 8);

function dimWord(d: Dim): string {
  if (typeof d === "number") return String(d);
  const bare = d.free.includes(d.text) ? BARE_SYMBOL : BARE_DIM;
  return bare.test(d.text) ? d.text : JSON.stringify(d.text);
}
const typeText = (v: ValueType & { readonly layout: Layout }): string =>
  `${v.dtype}[${v.shape.map(dimWord).join(",")}]${layoutText(v.layout)}`;

function decoder(dtype: DType): (x: number) => number {
  if (dtype === "float16") return fromFloat16;
  return dtype === "bfloat16" ? fromBFloat16 : (x) => x;
}

/** The shortest decimal that is this number in its dtype. */
function numberText(x: number | bigint, dtype: DType): string {
  if (typeof x === "bigint") return x.toString();
  if (Object.is(x, -0)) return "-0";
  if (dtype === "float32") {
    for (let digits = 1; digits < 9; digits++) {
      const short = Number(x.toPrecision(digits));
      if (Math.fround(short) === x) return String(short);
    }
  }
  return String(x);
}

function dataText(t: Tensor): string {
  if (t.data.length > INLINE_LIMIT) return `#${constantHash(t)}`;
  const decode = decoder(t.type);
  const numbers = Array.from(t.data as ArrayLike<number | bigint>, (x) =>
    numberText(typeof x === "bigint" ? x : decode(x), t.type === "float16" || t.type === "bfloat16" ? "float32" : t.type),
  );
  return `= [${numbers.join(", ")}]`;
}

const keptText = (value: Value, { type }: Tensor): string => (type === value.dtype ? "" : `in ${type} `);

function attrText(attr: Attr): string {
  if (typeof attr === "string") return JSON.stringify(attr);
  return typeof attr === "number" || typeof attr === "boolean" ? String(attr) : `[${attr.map(String).join(", ")}]`;
}

class Printer {
  readonly lines: string[] = [];
  readonly #pad: string;
  readonly #names = new Map<Value, string>();
  readonly #taken = new Set<string>();

  constructor(pad = "  ") {
    this.#pad = pad;
  }

  /** A unique name for the value, its own when that is free. */
  name(value: Value): string {
    let text = this.#names.get(value);
    if (text !== undefined) return text;
    let free = value.name || "v";
    for (let i = 1; this.#taken.has(free); i++) free = `${value.name}.${i}`;
    this.#taken.add(free);
    text = `%${BARE.test(free) ? free : JSON.stringify(free)}`;
    this.#names.set(value, text);
    return text;
  }

  constant(value: Value, data: Tensor): void {
    if (!this.#names.has(value))
      this.lines.push(`${this.#pad}${this.name(value)} = const ${typeText(value)} ${keptText(value, data)}${dataText(data)}`);
  }

  node(node: Node): void {
    for (const v of node.inputs) if (v?.data) this.constant(v, v.data);
    const inputs = node.inputs.map((v) => (v ? this.name(v) : "_")).join(", ");
    const attrs = Object.entries(node.attrs).map(([key, attr]) => `${key}=${attrText(attr)}`);
    const outputs = node.outputs.map((v) => this.name(v)).join(", ");
    const types = node.outputs.map(typeText).join(", ");
    const attrsText = attrs.length > 0 ? ` {${attrs.join(", ")}}` : "";
    this.lines.push(`${this.#pad}${outputs} = ${node.op}(${inputs})${attrsText} : ${types}${originText(node)}${this.regions(node)}`);
  }

  regions({ regions = [] }: Node): string {
    if (regions.length === 0) return "";
    const pad = `${this.#pad}  `;
    return ` regions [\n${regions.map((g) => `${pad}${graphText(g, pad)}`).join(",\n")}\n${this.#pad}]`;
  }
}

/** `@ name` says that the node is called so and comes from the model's node of that name; `from` lists other origins. */
function originText(node: Node): string {
  const [only] = node.origin;
  if (node.origin.length === 1 && only === node.name) return ` @ ${JSON.stringify(node.name)}`;
  if (node.origin.length === 0 && node.name === node.outputs[0]?.name) return "";
  return ` @ ${JSON.stringify(node.name)} from [${node.origin.map((o) => JSON.stringify(o)).join(", ")}]`;
}

export const printGraph = (graph: Graph): string => `${graphText(graph, "")}\n`;

/** Without the end of the last line; `pad` is before each line but the first. */
function graphText(graph: Graph, pad: string): string {
  const printer = new Printer(`${pad}  `);
  // Inputs and outputs first, so that they keep their names when inner values are called the same.
  const inputs = graph.inputs.map((v) => `${printer.name(v)}: ${typeText(v)}`).join(", ");
  const outputs = graph.outputs.map((v) => printer.name(v)).join(", ");
  for (const node of graph.nodes) printer.node(node);
  return [`graph ${JSON.stringify(graph.name)}(${inputs}) -> (${outputs}) {`, ...printer.lines, `${pad}}`].join("\n");
}

/** The groups of a graph in the order in which they run: what each computes, reads and writes. */
export function printGroups({ graph, groups }: GroupedGraph): string {
  const printer = new Printer();
  const names = (values: readonly Value[]): string => values.map((v) => `${printer.name(v)}: ${typeText(v)}`).join(", ");
  [...graph.inputs, ...graph.outputs].forEach((v) => printer.name(v));
  const lines = groups.map((g) => {
    const nodes = g.nodes.map((n) => (n === g.anchor ? `${n.op}*` : n.op)).join(" > ");
    return `  ${nodes}\n    reads ${names(g.inputs)}\n    writes ${names(g.outputs)}`;
  });
  return [`groups of ${JSON.stringify(graph.name)} {`, ...lines, "}", ""].join("\n");
}
