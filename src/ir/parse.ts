/**
 * Reads the text form of graphs:
 *
 *     graph "name"(%x: float32[n,3,8,8]) -> (%y) {
 *       %w = const float32[8,3,3,3] #1a2b3c4d            // a long constant by the hash of its bytes
 *       %b = const float32[2] = [0.5, 1]                 // a short one by its elements
 *       %h = const float32[2] in float16 = [0.5, 1]      // kept in halves, read as float32
 *       %r = const float32[8,3,3,3] random(7)            // pseudo-random elements, for tests
 *       %y = conv(%x, %w, _) {strides=[2, 2], group=1} : float32[n,8,4,4]@c8 @ "Conv_0" from ["Conv_0", "Relu_1"]
 *     }
 *
 * A node with bodies ends in `regions [graph "then"(…) -> (…) {…}, …]`; names in a region are its own.
 * `_` is an absent optional input. After `@` stands the node's name, after `from` the nodes of the model that it stands for.
 * Types of node outputs may be left out when the caller hands in `infer`.
 */
import { addDim, divDim, isStatic, mulDim, sym, type Dim } from "../tensor/dim.ts";
import { DTYPES, isDType, isFloat, type DType } from "../tensor/dtype.ts";
import { toBFloat16, toFloat16 } from "../tensor/half.ts";
import { PLAIN, type Layout } from "../tensor/layout.ts";
import { elementCount, zeros, type Tensor } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import type { Infer } from "./builder.ts";
import { makeConstant, makeValue, type Attr, type Attrs, type Graph, type Node, type Value, type ValueType } from "./graph.ts";
import { Scanner } from "./scan.ts";

export interface ParseOptions {
  /** Types node outputs whose type is not written. */
  readonly infer?: Infer;
  /** The data of a constant that is written by its hash. */
  readonly constant?: (hash: string, dtype: DType, dims: readonly number[]) => Tensor | undefined;
}

type Typed = ValueType & { readonly layout: Layout };
/** Elements of a constant in text; more would be by hash. */
const ELEMENT_LIMIT = 1 << 24;
/** Of regions in regions. */
const MAX_DEPTH = 64;

class Parser {
  readonly #scan: Scanner;
  readonly #options: ParseOptions;
  readonly #values = new Map<string, Value>();
  readonly #depth: number;

  constructor(scan: Scanner, options: ParseOptions, depth = 0) {
    this.#scan = scan;
    this.#options = options;
    this.#depth = depth;
  }

  graph(): Graph {
    const scan = this.#scan;
    if (this.#depth > MAX_DEPTH) throw scan.fail("the regions are nested too deeply");
    scan.expect("graph");
    const name = scan.takeKind("string", "the graph's name");
    const inputs = scan.list("(", ")", () => {
      const input = this.#newName();
      scan.expect(":");
      const type = this.#type();
      return this.#define(makeValue(input, type, type.layout));
    });
    scan.expect("->");
    const names = scan.list("(", ")", () => ({ at: scan.token.at, name: scan.takeKind("value", "an output") }));
    const nodes: Node[] = [];
    scan.expect("{");
    while (!scan.skip("}")) {
      const node = this.#statement();
      if (node) nodes.push(node);
    }
    return { name, inputs, nodes, outputs: names.map(({ name: output, at }) => this.#value(output, at)) };
  }

  #statement(): Node | undefined {
    const scan = this.#scan;
    const names = [this.#newName()];
    while (scan.skip(",")) names.push(this.#newName());
    scan.expect("=");
    if (scan.skip("const")) {
      this.#constant(names[0] ?? "");
      return undefined;
    }
    const { at } = scan.token;
    const op = scan.takeKind("name", "an op");
    const inputs = scan.list("(", ")", () => (scan.skip("_") ? undefined : this.#value(scan.token.text, scan.token.at, true)));
    const attrs = scan.is("{") ? this.#attrs() : {};
    const written = scan.skip(":") ? this.#types() : undefined;
    const origin = this.#origin(names[0] ?? op);
    const regions = this.#regions();
    const types = written ?? this.#inferred(op, inputs, attrs, names.length, regions, at);
    if (types.length !== names.length) throw scan.fail(`${names.length} outputs have ${types.length} types`, at);
    const outputs = names.map((n, i) => {
      const type = must(types[i], "type");
      return this.#define(makeValue(n, type, type.layout));
    });
    return { op, inputs, outputs, attrs, ...origin, ...(regions.length > 0 ? { regions } : {}) };
  }

  #regions(): readonly Graph[] {
    const scan = this.#scan;
    if (!scan.skip("regions")) return [];
    return scan.list("[", "]", () => new Parser(scan, this.#options, this.#depth + 1).graph());
  }

  #origin(fallback: string): Pick<Node, "name" | "origin"> {
    const scan = this.#scan;
    if (!scan.skip("@")) return { name: fallback, origin: [] };
    const name = scan.takeKind("string", "the node's name");
    const origin = scan.skip("from") ? scan.list("[", "]", () => scan.takeKind("string", "a node's name")) : [name];
    return { name, origin };
  }

  #inferred(
    op: string,
    inputs: readonly (Value | undefined)[],
    attrs: Attrs,
    outputs: number,
    regions: readonly Graph[],
    at: number,
  ): readonly Typed[] {
    if (!this.#options.infer) throw this.#scan.fail("expected : and the types of the outputs");
    try {
      return this.#options.infer(op, inputs, attrs, outputs, regions).map((type) => ({ ...type, layout: PLAIN }));
    } catch (error) {
      throw this.#scan.fail(error instanceof Error ? error.message : String(error), at);
    }
  }

  #types(): readonly Typed[] {
    const types = [this.#type()];
    while (this.#scan.skip(",")) types.push(this.#type());
    return types;
  }

  #type(): Typed {
    const scan = this.#scan;
    const { at } = scan.token;
    const dtype = scan.takeKind("name", "a dtype");
    if (!isDType(dtype)) throw scan.fail(`unknown dtype ${dtype}`, at);
    const shape = scan.list("[", "]", () => this.#dim());
    const block = /^@c(\d+)$/.exec(scan.token.text)?.[1];
    if (block === undefined) return { dtype, shape, layout: PLAIN };
    scan.take();
    return { dtype, shape, layout: { kind: "blocked", block: Number(block) } };
  }

  /** number, symbol, "symbol", (a+b), (a*b), floor(a/b) or ceil(a/b). */
  #dim(): Dim {
    const scan = this.#scan;
    const { kind, text } = scan.token;
    if (kind === "number") return this.#number();
    if (kind === "string") return sym(scan.take().text);
    if (!scan.skip("(")) {
      const name = scan.takeKind("name", "a dimension");
      if ((name !== "floor" && name !== "ceil") || !scan.skip("(")) return sym(name);
      const a = this.#dim();
      scan.expect("/");
      const b = this.#dim();
      scan.expect(")");
      return divDim(a, b, text === "ceil");
    }
    const a = this.#dim();
    const times = scan.skip("*");
    // "+3" reads as a number, "+(" and "+n" as a mark.
    if (!times && scan.token.kind !== "number") scan.expect("+");
    const b = this.#dim();
    scan.expect(")");
    return times ? mulDim(a, b) : addDim(a, b);
  }

  #constant(name: string): void {
    const scan = this.#scan;
    const { at } = scan.token;
    const { dtype, shape, layout } = this.#type();
    if (!isStatic(shape) || elementCount(shape) > ELEMENT_LIMIT)
      throw scan.fail("a constant has numbers for dimensions, within memory", at);
    const kept = scan.skip("in") ? this.#keptIn(dtype) : dtype;
    this.#define({ ...makeConstant(name, this.#data(kept, shape), layout), dtype });
  }

  #keptIn(dtype: DType): DType {
    const scan = this.#scan;
    const { at } = scan.token;
    const kept = scan.takeKind("name", "a dtype");
    if (dtype === "float32" && (kept === "float16" || kept === "bfloat16")) return kept;
    throw scan.fail("only constants of float32 may be kept in float16 or bfloat16", at);
  }

  #data(dtype: DType, dims: readonly number[]): Tensor {
    const scan = this.#scan;
    const { text, at } = scan.token;
    if (text.startsWith("#")) {
      scan.take();
      const data = this.#options.constant?.(text.slice(1), dtype, dims);
      if (!data) throw scan.fail(`the data of the constant ${text} is not at hand`, at);
      return data;
    }
    if (scan.skip("random")) {
      const [seed = 0] = scan.list("(", ")", () => this.#number());
      return randomTensor(dtype, dims, seed);
    }
    scan.expect("=");
    const numbers = scan.list("[", "]", () => scan.takeKind("number", "a number"));
    const data = zeros(dtype, dims);
    if (numbers.length !== data.data.length) throw scan.fail(`${numbers.length} elements for ${data.data.length}`, at);
    numbers.forEach((n, i) => setElement(data, i, n));
    return data;
  }

  #attrs(): Attrs {
    const scan = this.#scan;
    const entries = scan.list("{", "}", (): [string, Attr] => {
      const name = scan.takeKind("name", "an attribute");
      scan.expect("=");
      return [name, this.#attr()];
    });
    return Object.fromEntries(entries);
  }

  #attr(): Attr {
    const scan = this.#scan;
    if (scan.is("[")) return scan.list("[", "]", () => this.#number());
    if (scan.token.kind === "string") return scan.take().text;
    if (scan.skip("true")) return true;
    return scan.skip("false") ? false : this.#number();
  }

  #number(): number {
    return Number(this.#scan.takeKind("number", "a number"));
  }

  #newName(): string {
    const { token } = this.#scan;
    const name = this.#scan.takeKind("value", "a value such as %x");
    if (this.#values.has(name)) throw this.#scan.fail(`%${name} is there already`, token.at);
    return name;
  }

  #value(name: string, at: number, take = false): Value {
    if (take) this.#scan.takeKind("value", "a value");
    const value = this.#values.get(name);
    if (!value) throw this.#scan.fail(`there is no value %${name} before`, at);
    return value;
  }

  #define(value: Value): Value {
    this.#values.set(value.name, value);
    return value;
  }
}

function setElement(t: Tensor, i: number, text: string): void {
  if (t.data instanceof BigInt64Array || t.data instanceof BigUint64Array) t.data[i] = BigInt(text);
  else if (t.type === "float16") t.data[i] = toFloat16(Number(text));
  else t.data[i] = t.type === "bfloat16" ? toBFloat16(Number(text)) : Number(text);
}

/** Numbers that look random and are the same for one seed: floats in [-1, 1), integers in [-8, 8) or [0, 8), bools. */
export function randomTensor(dtype: DType, dims: readonly number[], seed: number): Tensor {
  const t = zeros(dtype, dims);
  let state = (seed * 2654435761 + 12345) >>> 0;
  const signed = DTYPES[dtype].class === "signed";
  for (let i = 0; i < t.data.length; i++) {
    // xorshift32 (Marsaglia, 2003)
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const unit = (state >>> 8) / 0x1000000;
    if (isFloat(dtype)) setElement(t, i, String(unit * 2 - 1));
    else if (dtype === "bool") setElement(t, i, unit < 0.5 ? "0" : "1");
    else setElement(t, i, String(Math.floor(unit * (signed ? 16 : 8)) - (signed ? 8 : 0)));
  }
  return t;
}

/** The graph that the text describes. Throws `text.parse` with line and column. */
export function parseGraph(text: string, options: ParseOptions = {}): Graph {
  const scan = new Scanner(text);
  const graph = new Parser(scan, options).graph();
  scan.takeKind("end", "the end of the text");
  return graph;
}
