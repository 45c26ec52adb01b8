import type { Value } from "../../../ir/graph.ts";
import { tensor, type Tensor } from "../../../tensor/tensor.ts";
import { HoneError } from "../../../util/errors.ts";
import type { TfliteQuantization, TfliteTensor } from "../ast.ts";
import { ACTIVATIONS } from "../options.ts";
import { OperatorView } from "../map/node.ts";
import { tfliteTypeName } from "../types.ts";
import { fixedPoint, roundAway, type FixedPoint } from "./fixed-point.ts";

/** How the bytes of a tensor stand for numbers. */
export interface Quantization {
  readonly signed: boolean;
  /** One for the whole tensor, or one for each index along `axis`. */
  readonly scales: readonly number[];
  readonly zeroPoints: readonly number[];
  readonly axis: number;
}

/** The quantisation of a tensor of bytes with a scale; of others undefined. Throws for types that hone lacks. */
export function quantizationOf(t: TfliteTensor): Quantization | undefined {
  const type = tfliteTypeName(t.type);
  const { quantization } = t;
  if (!quantization || quantization.scale.length === 0) return undefined;
  if (type !== "INT8" && type !== "UINT8") return undefined;
  return {
    signed: type === "INT8",
    scales: quantization.scale,
    zeroPoints: zeroPoints(quantization),
    axis: quantization.quantizedDimension,
  };
}

function zeroPoints({ scale, zeroPoint }: TfliteQuantization): readonly number[] {
  const numbers = zeroPoint.length === 0 ? [0] : zeroPoint.map(Number);
  if (numbers.length !== 1 && numbers.length !== scale.length)
    throw new HoneError("model.damaged", `${scale.length} scales and ${numbers.length} zero points`);
  return numbers;
}

/** One scale and the byte that stands for zero: bytes of signed types are those plus 128. */
export interface Scale {
  readonly scale: number;
  /** As a byte. */
  readonly zero: number;
  /** What was added to make bytes. */
  readonly offset: number;
}

export function scaleOf(q: Quantization | undefined, what: string): Scale {
  if (!q) throw new HoneError("model.unsupported", `${what} that is not quantised, beside quantised ones`, { hint: DYNAMIC_HINT });
  const [scale = 1] = q.scales;
  const [zeroPoint = 0] = q.zeroPoints;
  const offset = q.signed ? 128 : 0;
  const zero = zeroPoint + offset;
  if (q.scales.length !== 1) throw new HoneError("model.unsupported", `${what} with a scale for each channel`);
  if (!(scale > 0) || !Number.isFinite(scale) || !Number.isInteger(zero) || zero < 0 || zero > 255)
    throw new HoneError("model.damaged", `${what} has the scale ${scale} and the zero point ${zeroPoint}`);
  return { scale, zero, offset };
}

const DYNAMIC_HINT =
  "hone reads models quantised as a whole: weights alone in int8 (dynamic range) are not among them. Give it the float model.";

/** int8 as bytes: what they are plus 128. */
export const asBytes = (t: Tensor): Tensor =>
  t.type === "int8"
    ? tensor(
        "uint8",
        t.dims,
        Uint8Array.from(t.data as Int8Array, (v) => v + 128),
      )
    : t;

export interface Bounds {
  readonly low: number;
  readonly high: number;
}

/** A TFLite operator on bytes while it is mapped. */
export class QuantizedView extends OperatorView {
  readonly #inputs: readonly (Quantization | undefined)[];
  readonly #outputs: readonly (Quantization | undefined)[];

  constructor(
    base: ConstructorParameters<typeof OperatorView>,
    inputs: readonly (Quantization | undefined)[],
    outputs: readonly (Quantization | undefined)[],
  ) {
    super(...base);
    this.#inputs = inputs;
    this.#outputs = outputs;
  }

  quantization(i: number): Quantization | undefined {
    return this.#inputs[i];
  }

  isQuantized(i: number): boolean {
    return this.#inputs[i] !== undefined;
  }

  /** Of an input that is quantised as a whole. */
  scale(i: number): Scale {
    return scaleOf(this.#inputs[i], `the input ${i}`);
  }

  get outputScale(): Scale {
    return scaleOf(this.#outputs[0], "an output");
  }

  get givesBytes(): boolean {
    return this.#outputs[0] !== undefined;
  }

  /** An input as bytes. */
  bytes(i: number): Value {
    const value = this.input(i);
    if (!this.isQuantized(i)) throw this.unsupported(`the input ${i}, which is not quantised,`, DYNAMIC_HINT);
    return value.data ? this.constant(asBytes(value.data)) : value;
  }

  /** The operator with its inputs as bytes, for what only moves them. */
  moved(): OperatorView {
    const inputs = this.inputs.map((v, i) => (v && this.isQuantized(i) ? this.bytes(i) : v));
    return this.with(inputs);
  }

  byte(x: number): Value {
    return this.constant(tensor("uint8", [1], Uint8Array.of(x)));
  }

  integer(x: number): Value {
    return this.integers([x]);
  }

  integers(list: readonly number[], dims: readonly number[] = [list.length]): Value {
    return this.constant(tensor("int32", dims, Int32Array.from(list)));
  }

  reals(list: readonly number[], dims: readonly number[] = [list.length]): Value {
    return this.constant(tensor("float32", dims, Float32Array.from(list)));
  }

  /** The operands `multiplier` and `scale`, and `left` where a multiplier is more than one. */
  multipliers(list: readonly FixedPoint[]): { readonly operands: readonly [Value, Value]; readonly left: Value | undefined } {
    const left = list.some((m) => m.left !== 1) ? this.integers(list.map((m) => m.left)) : undefined;
    return { operands: [this.integers(list.map((m) => m.multiplier)), this.reals(list.map((m) => m.scale))], left };
  }

  multiplier(real: number): ReturnType<QuantizedView["multipliers"]> {
    return this.multipliers([fixedPoint(real)]);
  }

  /** The operands `zero`, `low` and `high` of the output under a fused activation. */
  limits(activation = 0): readonly [Value, Value, Value] {
    const { low, high } = this.bounds(activation);
    return [this.integer(this.outputScale.zero), this.integer(low), this.integer(high)];
  }

  /** The bytes that a fused activation leaves. */
  bounds(activation: number): Bounds {
    const { scale, zero } = this.outputScale;
    const at = (real: number): number => Math.max(0, Math.min(255, zero + roundAway(Math.fround(real / scale))));
    const kind = ACTIVATIONS[activation];
    switch (kind) {
      case "NONE":
        return { low: 0, high: 255 };
      case "RELU":
        return { low: at(0), high: 255 };
      case "RELU6":
        return { low: at(0), high: at(6) };
      case "RELU_N1_TO_1":
        return { low: at(-1), high: at(1) };
      default:
        throw this.unsupported(`the fused activation ${kind ?? activation}`);
    }
  }

  /** A function of one input's bytes as a table: of the byte less what stands for zero. The result is clamped. */
  emitTable(i: number, of: (x: number) => number): Value {
    const { zero } = this.scale(i);
    const table = Uint8Array.from({ length: 256 }, (_, b) => Math.max(0, Math.min(255, of(b - zero))));
    return this.emit("quantizedTable", [this.bytes(i), this.constant(tensor("uint8", [256], table))]);
  }
}

/** Turns a TFLite operator on bytes into graph nodes; gives its outputs, the quantised ones as bytes. */
export type QuantizedMapper = (n: QuantizedView) => Value | readonly Value[];
