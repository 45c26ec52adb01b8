import type { Attrs, Value } from "../../../ir/graph.ts";
import type { ImportBuilder } from "../../builder.ts";
import { tensor, type Tensor } from "../../../tensor/tensor.ts";
import { int64Tensor } from "../../int64.ts";
import { HoneError, must } from "../../../util/errors.ts";
import type { TfliteOperator } from "../ast.ts";
import { ACTIVATIONS, type OptionName, type OptionTables } from "../options.ts";
import { optionsOf } from "../read.ts";

/** Turns a TFLite operator into graph nodes; gives its outputs. */
export type Mapper = (n: OperatorView) => Value | readonly Value[];

const TO_CHANNELS_FIRST = [0, 3, 1, 2];
const TO_CHANNELS_LAST = [0, 2, 3, 1];

/** One TFLite operator while it is mapped. Values keep TFLite's order of axes, channels last. */
export class OperatorView {
  readonly operator: TfliteOperator;
  /** `undefined` where an optional input is not given. */
  readonly inputs: readonly (Value | undefined)[];
  /** Names for the outputs, unique in the graph; the first is also the node's. */
  readonly outputNames: readonly string[];
  readonly #builder: ImportBuilder;
  /** Shared by the views of one operator: numbers what is made on the way. */
  readonly #made: { count: number };

  constructor(
    operator: TfliteOperator,
    inputs: readonly (Value | undefined)[],
    outputNames: readonly string[],
    builder: ImportBuilder,
    made: { count: number } = { count: 0 },
  ) {
    this.operator = operator;
    this.inputs = inputs;
    this.outputNames = outputNames;
    this.#builder = builder;
    this.#made = made;
  }

  /** The same operator with other inputs. */
  with(inputs: readonly (Value | undefined)[]): OperatorView {
    return new OperatorView(this.operator, inputs, this.outputNames, this.#builder, this.#made);
  }

  get name(): string {
    return this.outputNames[0] ?? this.operator.op;
  }

  input(i: number): Value {
    const value = this.inputs[i];
    if (value === undefined) throw new HoneError("model.damaged", `the operator has no input ${i}`);
    return value;
  }

  options<K extends OptionName>(table: K): OptionTables[K] {
    return optionsOf(this.operator, table);
  }

  /** The values of an integer input when they are known. */
  known(i: number): readonly number[] | undefined {
    const value = this.inputs[i];
    const known = value && this.#builder.known(value);
    return known && Array.from<number | bigint, number>(known.data, Number);
  }

  /** The values of an integer input that must be known now. */
  fixed(i: number, what: string): readonly number[] {
    this.input(i);
    const values = this.known(i);
    if (values === undefined) throw this.unsupported(`${what} that are computed while the model runs`);
    return values;
  }

  /** The size of an axis as a number. */
  size(x: Value, axis: number): number {
    const d = x.shape[axis];
    if (typeof d !== "number") throw this.unsupported(`an input whose axis ${axis} has no fixed size`);
    return d;
  }

  /** The axis, counted from the front. */
  axis(x: Value, axis: number, rank: number = x.shape.length): number {
    return axis < 0 ? axis + rank : axis;
  }

  ints64(values: readonly number[], dims: readonly number[] = [values.length]): Value {
    return this.constant(int64Tensor(values, dims));
  }

  constant(data: Tensor): Value {
    return this.#builder.constant(data, `${this.name}.const${this.#made.count++}`);
  }

  /** A scalar of a value's own dtype, to calculate with it. */
  scalarLike(x: Value, value: number): Value {
    const one = tensor("float32", [], Float32Array.of(value));
    return x.dtype === "float32" ? this.constant(one) : this.step("cast", [this.constant(one)], { to: x.dtype });
  }

  /** The node that gives the operator's output. */
  emit(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs = {}): Value {
    return this.#one(op, inputs, attrs, this.name, this.outputNames.slice(0, 1));
  }

  emitAll(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs): readonly Value[] {
    const outputNames = this.outputNames;
    return this.#builder.ops(op, inputs, attrs, { name: this.name, outputNames, origin: [this.name], outputs: outputNames.length });
  }

  /** A node on the way to the one that is emitted last. */
  step(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs = {}): Value {
    const name = `${this.name}.${op}${this.#made.count++}`;
    return this.#one(op, inputs, attrs, name, [name]);
  }

  #one(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs, name: string, outputNames: readonly string[]): Value {
    return must(this.#builder.ops(op, inputs, attrs, { name, outputNames, origin: [this.name] })[0], `output of ${op}`);
  }

  /** As `step`, with several outputs. */
  stepAll(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs, outputs: number): readonly Value[] {
    const name = `${this.name}.${op}${this.#made.count++}`;
    const outputNames = Array.from({ length: outputs }, (_, i) => `${name}:${i}`);
    return this.#builder.ops(op, inputs, attrs, { name, outputNames, origin: [this.name], outputs });
  }

  /** As `emit`, followed by the activation that the operator carries. */
  emitFused(op: string, inputs: readonly (Value | undefined)[], attrs: Attrs, activation: number): Value {
    const kind = ACTIVATIONS[activation];
    if (kind === "NONE") return this.emit(op, inputs, attrs);
    const value = this.step(op, inputs, attrs);
    switch (kind) {
      case "RELU":
        return this.emit("relu", [value]);
      case "RELU6":
        return this.emit("clip", [value], { min: 0, max: 6 });
      case "RELU_N1_TO_1":
        return this.emit("clip", [value], { min: -1, max: 1 });
      case "TANH":
        return this.emit("tanh", [value]);
      default:
        throw this.unsupported(`the fused activation ${kind ?? activation}`);
    }
  }

  /** NHWC to NCHW, for the ops that work on channels first. */
  channelsFirst(x: Value): Value {
    if (x.shape.length !== 4) throw this.unsupported(`an input of rank ${x.shape.length}`);
    return this.step("transpose", [x], { perm: TO_CHANNELS_FIRST });
  }

  /** NCHW back to NHWC, then the activation. */
  emitChannelsLast(y: Value, activation = 0): Value {
    return this.emitFused("transpose", [y], { perm: TO_CHANNELS_LAST }, activation);
  }

  unsupported(what: string, hint?: string): HoneError {
    return new HoneError("model.unsupported", `hone does not support ${what} of ${this.operator.op}`, hint === undefined ? {} : { hint });
  }
}
