import type { Value } from "../../ir/graph.ts";
import type { ImportBuilder } from "../builder.ts";
import { refuseCounted } from "./counted.ts";
import { mark, narrowOf } from "./narrow.ts";
import { mapTensors, type Thing } from "./things.ts";

/** The names of one graph of a model. A subgraph sees those of the graphs around it. */
export class Scope {
  readonly builder: ImportBuilder;
  readonly #parent: Scope | undefined;
  /** `undefined`: it could not be mapped, and its users need no complaint of their own. */
  readonly #names = new Map<string, Thing | undefined>();
  /** What a region uses from outside: the value there, and the region's input that stands for it. */
  readonly captures: Map<Value, Value> = new Map<Value, Value>();
  readonly #inputs = new Set<string>();

  /** With a builder of its own, what lies between is a region. */
  constructor(builder: ImportBuilder, parent?: Scope) {
    this.builder = builder;
    this.#parent = parent;
  }

  has(name: string): boolean {
    return this.#names.has(name) || (this.#parent?.has(name) ?? false);
  }

  set(name: string, thing: Thing | undefined): void {
    this.#names.set(name, thing);
  }

  get(name: string): Thing | undefined {
    if (this.#names.has(name) || !this.#parent) return this.#names.get(name);
    const outer = this.#parent.get(name);
    return outer && mapTensors(outer, (v) => this.use(v));
  }

  /** A value of the scope around this one, as it is read in here. */
  use(outer: Value): Value {
    const parent = this.#parent;
    if (outer.data || !parent || parent.builder === this.builder) return outer;
    refuseCounted(outer, "a subgraph");
    const known = this.captures.get(outer);
    if (known) return known;
    const input = mark(this.input(outer.name, outer), narrowOf(outer));
    this.captures.set(outer, input);
    const data = parent.builder.known(outer);
    if (data) this.builder.inform(input, data);
    return input;
  }

  /** An input of the region, under a name that it has to itself. */
  input(name: string, type: Pick<Value, "dtype" | "shape">): Value {
    let free = name;
    for (let i = 1; this.#inputs.has(free); i++) free = `${name}:${i}`;
    this.#inputs.add(free);
    return this.builder.input(free, type.dtype, type.shape);
  }
}
