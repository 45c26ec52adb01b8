/**
 * What of a model is done in JavaScript, before and after its kernels: the operators on strings
 * (docs/adr/0016-strings-beside-the-kernels.md). Plain data, but for dims with symbols.
 */
import type { Shape } from "../tensor/dim.ts";
import { HoneError } from "../util/errors.ts";
import type { HostAttrs } from "./op.ts";
import { HOST_OPS } from "./ops.ts";
import { stringTensor, type AnyTensor, type AnyType } from "./tensor.ts";

/** An input or output of the model; `from` is the name of what it is. */
export interface HostValue<S = Shape> {
  readonly name: string;
  readonly type: AnyType;
  readonly dims: S;
  readonly from: string;
}

/** One operator; inputs and outputs are names. */
export interface HostStep {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: HostAttrs;
  /** It is done after the kernels. */
  readonly late: boolean;
  /** The operator of the model, and its node. */
  readonly origin: string;
}

export interface HostConstant {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: readonly string[];
}

/** `S` is how dims are written: with symbols in a graph, with their names in a manifest. */
export interface HostProgram<S = Shape> {
  /** The model's, in its order: those that kernels read too. */
  readonly inputs: readonly HostValue<S>[];
  readonly outputs: readonly HostValue<S>[];
  readonly constants: readonly HostConstant[];
  readonly steps: readonly HostStep[];
}

/** The same with dims in another form. */
export function mapDims<A, B>(program: HostProgram<A>, f: (dims: A) => B): HostProgram<B> {
  const value = ({ dims, ...rest }: HostValue<A>): HostValue<B> => ({ ...rest, dims: f(dims) });
  return { ...program, inputs: program.inputs.map(value), outputs: program.outputs.map(value) };
}

type Tensors = Readonly<Record<string, AnyTensor>>;

/** One run of a model with strings: {@link before}, then its kernels, then {@link after}. */
export class HostRun<S> {
  readonly #program: HostProgram<S>;
  readonly #values = new Map<string, AnyTensor>();

  /** `feeds` are by the names of the model's inputs, and fit them. */
  constructor(program: HostProgram<S>, feeds: Tensors) {
    this.#program = program;
    for (const { name, dims, data } of program.constants) this.#values.set(name, stringTensor(dims, data));
    for (const { name, from } of program.inputs) if (feeds[name]) this.#values.set(from, feeds[name]);
  }

  /** What is known before the kernels run, by name: their inputs are among it. */
  before(): (name: string) => AnyTensor | undefined {
    this.#run(false);
    return (name) => this.#values.get(name);
  }

  /** The model's outputs, from those of its kernels. */
  after(results: Tensors): Record<string, AnyTensor> {
    for (const [name, t] of Object.entries(results)) this.#values.set(name, t);
    this.#run(true);
    return Object.fromEntries(this.#program.outputs.map(({ name, from }) => [name, this.#get(from)]));
  }

  #get(name: string): AnyTensor {
    const value = this.#values.get(name);
    if (value === undefined) throw new HoneError("engine.damaged", `nothing makes "${name}", which an operator on strings reads`);
    return value;
  }

  #run(late: boolean): void {
    for (const step of this.#program.steps) {
      if (step.late !== late) continue;
      const results = hostOp(step.op)(
        step.inputs.map((n) => this.#get(n)),
        step.attrs,
      );
      step.outputs.forEach((n, i) => {
        const result = results[i];
        if (result) this.#values.set(n, result);
      });
    }
  }
}

/** An operator by its name. Throws `engine.damaged`. */
export function hostOp(name: string): (typeof HOST_OPS)[string] {
  const op = Object.hasOwn(HOST_OPS, name) ? HOST_OPS[name] : undefined;
  if (!op) throw new HoneError("engine.damaged", `there is no operator on strings called "${name}"`);
  return op;
}

/** Whether dims fit those that are declared: numbers are the same, symbols anything. */
export const fitsDims = (dims: readonly unknown[], declared: readonly unknown[]): boolean =>
  dims.length === declared.length && declared.every((d, i) => typeof d !== "number" || d === dims[i]);
