import { must } from "../../util/errors.ts";
import type { Buffer, Expr, Stmt } from "../types.ts";
import type { Memory } from "./memory.ts";
import type { Scalar } from "./scalar.ts";

export type Vector = readonly Scalar[];

export type EvalNumber = () => number;
export type EvalBig = () => bigint;
export type EvalLanes = () => Vector;

/** Closures for expressions, by how their values are held. Each is built once and runs many times. */
export interface Evaluators {
  /** Scalars other than 64-bit integers; booleans are 0 and 1. */
  readonly number: (e: Expr, s: Scope) => EvalNumber;
  /** 64-bit integers. */
  readonly big: (e: Expr, s: Scope) => EvalBig;
  /** Any expression; a scalar is one lane. */
  readonly lanes: (e: Expr, s: Scope) => EvalLanes;
  /** An expression that gives lanes by its kind, if only one. */
  readonly vector: (e: Expr, s: Scope) => EvalLanes;
  /** Scalar conditions. */
  readonly test: (e: Expr, s: Scope) => () => boolean;
}

/**
 * The variables and buffers in scope while closures are built. A variable is a slot, decided at build time. Loop variables
 * and addresses live in `indices`, so that the JavaScript engine sees small integers; other scalars that are numbers live in
 * `numbers`, which it need not box; 64-bit integers and vectors live in `others`.
 */
export class Scope {
  readonly indices: Int32Array;
  readonly numbers: Float64Array;
  readonly others: (Scalar | Vector)[];
  readonly make: Evaluators;
  readonly #slots: Map<string, number>;
  readonly #memories: Map<Buffer, Memory>;
  readonly #used: { count: number };

  private constructor(parts: {
    indices: Int32Array;
    numbers: Float64Array;
    others: (Scalar | Vector)[];
    make: Evaluators;
    slots: Map<string, number>;
    memories: Map<Buffer, Memory>;
    used: { count: number };
  }) {
    this.indices = parts.indices;
    this.numbers = parts.numbers;
    this.others = parts.others;
    this.make = parts.make;
    this.#slots = parts.slots;
    this.#memories = parts.memories;
    this.#used = parts.used;
  }

  /** The outermost scope of statements that declare `variables` variables in all. */
  static of(variables: number, memories: ReadonlyMap<Buffer, Memory>, make: Evaluators): Scope {
    return new Scope({
      indices: new Int32Array(variables),
      numbers: new Float64Array(variables),
      others: new Array<Scalar | Vector>(variables).fill(0),
      make,
      slots: new Map(),
      memories: new Map(memories),
      used: { count: 0 },
    });
  }

  inner(): Scope {
    return new Scope({
      indices: this.indices,
      numbers: this.numbers,
      others: this.others,
      make: this.make,
      slots: new Map(this.#slots),
      memories: new Map(this.#memories),
      used: this.#used,
    });
  }

  declare(name: string): number {
    const slot = this.#used.count++;
    this.#slots.set(name, slot);
    return slot;
  }

  slot(name: string): number {
    return must(this.#slots.get(name), `variable ${name}`);
  }

  memory(buffer: Buffer): Memory {
    return must(this.#memories.get(buffer), `buffer ${buffer.name}`);
  }

  hold(buffer: Buffer, memory: Memory): void {
    this.#memories.set(buffer, memory);
  }
}

/** How many variables the statements declare. */
export function countVariables(body: readonly Stmt[]): number {
  return body.reduce((sum, s) => {
    if (s.kind === "let") return sum + 1;
    if (s.kind === "for") return sum + 1 + countVariables(s.body);
    if (s.kind === "if") return sum + countVariables(s.then) + countVariables(s.otherwise);
    return s.kind === "while" || s.kind === "alloc" ? sum + countVariables(s.body) : sum;
  }, 0);
}
