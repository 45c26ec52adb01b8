/**
 * What of a model is done in JavaScript (docs/adr/0016-strings-beside-the-kernels.md): collected while its nodes are read. What
 * such operators make for kernels is an input of the graph, and what they read of kernels an output.
 */
import type { Graph, Value } from "../../ir/graph.ts";
import { isStatic, shapeText, type Shape } from "../../tensor/dim.ts";
import { hostOp, type HostConstant, type HostProgram, type HostStep, type HostValue } from "../../text/program.ts";
import type { HostAttrs } from "../../text/op.ts";
import { isStrings, type AnyTensor, type AnyType, type StringTensor } from "../../text/tensor.ts";
import { HoneError } from "../../util/errors.ts";
import type { ImportBuilder } from "../builder.ts";
import { refuseCounted } from "./counted.ts";
import { narrowOf } from "./narrow.ts";
import { isTensor, type Text, type Thing } from "./things.ts";

/** Characters of the constants that lie in an engine's manifest. */
const MAX_CONSTANTS = 1 << 22;
/** Elements of a tensor that is computed while importing. */
const MAX_FOLDED = 1 << 16;

export interface StepType {
  readonly type: AnyType;
  readonly shape: Shape;
}

/** One operator, to be done now or when the model runs. */
export interface HostCall {
  readonly op: string;
  readonly inputs: readonly (Text | Value)[];
  readonly attrs: HostAttrs;
  readonly results: readonly StepType[];
  /** The operator of the model. */
  readonly origin: string;
}

export class HostBuilder {
  readonly #builder: ImportBuilder;
  readonly #inputs: HostValue[] = [];
  readonly #outputs: HostValue[] = [];
  readonly #steps: HostStep[] = [];
  readonly #constants = new Map<string, HostConstant>();
  readonly #read = new Map<Value, string>();
  #count = 0;
  #characters = 0;
  #used = false;

  /** The builder of the model's own graph: kernels and JavaScript meet there and nowhere else. */
  constructor(builder: ImportBuilder) {
    this.#builder = builder;
  }

  /** Whether that is the graph whose nodes are read: strings cannot be in regions. */
  isFor(builder: ImportBuilder): boolean {
    return builder === this.#builder;
  }

  /** An input of the model; one of strings never reaches the graph. */
  input(name: string, type: AnyType, shape: Shape): Text {
    this.#inputs.push({ name, type, dims: shape, from: name });
    this.#used ||= type === "string";
    return { kind: "text", name, type, shape, late: false };
  }

  constant(data: StringTensor): Text {
    return { kind: "text", name: this.#name("constant"), type: "string", shape: data.dims, late: false, data };
  }

  /** An output of the model; `from` is what it is. */
  output(name: string, thing: Text | Value): void {
    if (isTensor(thing)) {
      this.#outputs.push({ name, type: thing.dtype, dims: thing.shape, from: name });
      return;
    }
    this.#used = true;
    this.#outputs.push({ name, type: thing.type, dims: thing.shape, from: this.#nameOf(thing) });
  }

  /** What the operator gives: a constant where all that it reads is known, else a step of JavaScript. */
  call(call: HostCall): readonly Thing[] {
    const known = call.inputs.map((v) => this.#known(v));
    const data = known.flatMap((t) => t ?? []);
    if (data.length === known.length && data.every((t) => t.data.length <= MAX_FOLDED))
      return hostOp(call.op)(data, call.attrs).map((t) => this.#folded(t, call));
    const late = call.inputs.some((v) => isTensor(v) || v.late);
    const outputs = call.results.map(() => this.#name(call.op));
    const inputs = call.inputs.map((v) => this.#nameOf(v));
    this.#used = true;
    this.#steps.push({ op: call.op, inputs, outputs, attrs: call.attrs, late, origin: call.origin });
    return call.results.map(({ type, shape }, i): Thing => {
      const name = outputs[i] ?? "";
      if (!late && type !== "string" && isStatic(shape)) return this.#builder.input(name, type, shape);
      return { kind: "text", name, type, shape, late };
    });
  }

  /** The graph, with what is done around it. */
  finish(graph: Graph): Graph {
    if (!this.#used) return graph;
    const constants = [...this.#constants.values()];
    return { ...graph, host: { inputs: this.#inputs, outputs: this.#outputs, constants, steps: this.#steps } satisfies HostProgram };
  }

  #known(v: Text | Value): AnyTensor | undefined {
    return isTensor(v) ? this.#builder.known(v) : v.data;
  }

  #folded(t: AnyTensor, { op }: HostCall): Thing {
    return isStrings(t) ? this.constant(t) : this.#builder.constant(t, this.#name(op));
  }

  #name(what: string): string {
    return `text.${this.#count++}.${what}`;
  }

  /** The name by which a step reads it. */
  #nameOf(v: Text | Value): string {
    if (!isTensor(v)) {
      if (v.data && isStrings(v.data)) this.#keep(v.name, v.data);
      return v.name;
    }
    refuseCounted(v, "an operator on strings");
    const narrow = narrowOf(v);
    if (narrow) throw new HoneError("model.unsupported", `hone does not support the type ${narrow.name} beside strings`);
    const known = this.#read.get(v);
    if (known !== undefined) return known;
    const name = this.#name("kernels");
    this.#builder.output(v, name);
    this.#read.set(v, name);
    return name;
  }

  #keep(name: string, { dims, data }: StringTensor): void {
    if (this.#constants.has(name)) return;
    this.#characters += data.reduce((n, s) => n + s.length + 4, 0);
    if (this.#characters > MAX_CONSTANTS)
      throw new HoneError(
        "model.unsupported",
        `the model's constant strings have more than ${MAX_CONSTANTS} characters: ${shapeText(dims)}`,
      );
    this.#constants.set(name, { name, dims, data });
  }
}
