/** How a conformance case is written: a graph of one or a few ops, with data that its name seeds. */
import type { Attrs, Graph, Value } from "../../src/ir/graph.ts";
import type { GraphBuilder } from "../../src/ir/builder.ts";
import { opBuilder } from "../../src/ops/index.ts";
import { isFloat, type DType } from "../../src/tensor/dtype.ts";
import { toBFloat16, toFloat16 } from "../../src/tensor/half.ts";
import { elementCount, zeros, type Tensor } from "../../src/tensor/tensor.ts";
import type { Case } from "../../scripts/conformance/backends.ts";

export interface OpCase {
  readonly name: string;
  readonly build: (m: Maker) => Value | readonly Value[];
}

interface DataOptions {
  readonly dtype?: DType;
  /** Values are from low to high; integers include both. */
  readonly low?: number;
  readonly high?: number;
}

/** Equal names give equal numbers, in [0, 1) (Mulberry32 by Tommy Ettinger). */
export function randomFrom(name: string): () => number {
  let state = Array.from(name, (c) => c.charCodeAt(0)).reduce((h, c) => Math.imul(h ^ c, 16777619), 2166136261);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function randomTensor(random: () => number, dims: readonly number[], options: DataOptions = {}): Tensor {
  const { dtype = "float32" } = options;
  const [low, high] = dtype === "bool" ? [0, 1] : [options.low ?? -1, options.high ?? 1];
  const t = zeros(dtype, dims);
  const next = (): number => (isFloat(dtype) ? low + (high - low) * random() : Math.floor(low + (high - low + 1) * random()));
  for (let i = 0; i < elementCount(dims); i++) {
    const v = next();
    if (t.data instanceof BigInt64Array || t.data instanceof BigUint64Array) t.data[i] = BigInt(v);
    else t.data[i] = dtype === "float16" ? toFloat16(v) : dtype === "bfloat16" ? toBFloat16(v) : v;
  }
  return t;
}

export class Maker {
  readonly feeds: Record<string, Tensor> = {};
  readonly #builder: GraphBuilder;
  readonly #random: () => number;
  readonly #name: string;
  #count = 0;

  constructor(name: string) {
    this.#name = name;
    this.#builder = opBuilder(name);
    this.#random = randomFrom(name);
  }

  /** A graph input. */
  x(dims: readonly number[], options: DataOptions = {}): Value {
    const name = `x${this.#count++}`;
    const data = randomTensor(this.#random, dims, options);
    this.feeds[name] = data;
    return this.#builder.input(name, data.type, dims);
  }

  /** A random constant. */
  w(dims: readonly number[], options: DataOptions = {}): Value {
    return this.#builder.constant(randomTensor(this.#random, dims, options), `w${this.#count++}`);
  }

  constant(data: Tensor): Value {
    return this.#builder.constant(data, `c${this.#count++}`);
  }

  /** A constant vector of 64-bit integers. */
  i64(values: readonly number[], dims: readonly number[] = [values.length]): Value {
    return this.#builder.constant({ type: "int64", dims, data: BigInt64Array.from(values, BigInt) }, `i${this.#count++}`);
  }

  f32(values: readonly number[], dims: readonly number[] = [values.length]): Value {
    return this.#builder.constant({ type: "float32", dims, data: Float32Array.from(values) }, `f${this.#count++}`);
  }

  op(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs = {}): Value {
    return this.#builder.op(op, inputs, attrs);
  }

  ops(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs, outputs: number): readonly Value[] {
    return this.#builder.ops(op, inputs, attrs, { outputs });
  }

  /** A region whose inputs are like these values. */
  region(inputs: readonly Pick<Value, "dtype" | "shape">[], build: (m: Maker, ...inputs: Value[]) => Value | readonly Value[]): Graph {
    const inner = new Maker(`${this.#name}, region ${this.#count++}`);
    const given = inputs.map((v, i) => inner.#builder.input(`a${i}`, v.dtype, v.shape));
    return inner.finish(build(inner, ...given));
  }

  /** A node with regions. */
  control(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs, outputs: number, regions: readonly Graph[]): readonly Value[] {
    return this.#builder.ops(op, inputs, attrs, { outputs, regions });
  }

  finish(outputs: Value | readonly Value[]): Graph {
    const list: readonly Value[] = "dtype" in outputs ? [outputs] : outputs;
    list.forEach((v, i) => {
      this.#builder.output(v, `y${i}`);
    });
    return this.#builder.finish();
  }
}

export function makeCase({ name, build }: OpCase): Case {
  const m = new Maker(name);
  const graph = m.finish(build(m));
  return { name, graph, feeds: m.feeds };
}
