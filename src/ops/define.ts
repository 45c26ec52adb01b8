/** What an op is: its schema, its shape rule and its meaning. */
import { DTYPES, isFloat, isInteger, type DType } from "../tensor/dtype.ts";
import { shapeText, sym, type Dim, type Shape } from "../tensor/dim.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Attrs, Graph, ValueType } from "../ir/graph.ts";
import type { AnyNest, Operand } from "../loop/nest.ts";
import { HoneError } from "../util/errors.ts";

/** Which dtypes an input takes. */
export type InputClass = "float" | "number" | "integer" | "bool" | "any";
/** A class, `?` when the input is optional, `*` when it is the last and repeats. */
export type InputSpec = InputClass | `${InputClass}?` | `${InputClass}*`;

/** An operand as shape inference sees it; `data` when its value is known. */
export interface Known extends ValueType {
  readonly name?: string;
  readonly data?: Tensor | undefined;
}

/** An operand as `compute` sees it. */
export interface Computed extends Operand {
  readonly data?: Tensor | undefined;
}

type Named<I extends Record<string, InputSpec>, T> = {
  readonly [K in keyof I]: I[K] extends `${string}?` ? T | undefined : I[K] extends `${string}*` ? readonly T[] : T;
};

type Widen<T> = T extends number
  ? number
  : T extends string
    ? string
    : T extends boolean
      ? boolean
      : T extends readonly number[]
        ? readonly number[]
        : T;
type AttrsOf<A> = { readonly [K in keyof A]: Widen<A[K]> };

export interface Traits {
  /** Each element of the result depends on the elements at the same (broadcast) index only. */
  readonly elementwise?: true;
  /**
   * How axis 1 of the result relates to axis 1 of the inputs: each channel comes from the same channel of the first input, is a
   * sum over channels, joins the inputs' channels, has channels added around them, or takes any of them. Layouts are chosen by it.
   */
  readonly channels?: "same" | "conv" | "join" | "pad" | "take";
  /** Inputs that must have one dtype; a `*` input stands for all of its operands. */
  readonly alike?: readonly string[];
  /** The result has the input's elements in the same row-major order. */
  readonly view?: true;
  /** The result does not depend on the order of the input's elements: any layout is as good. */
  readonly unordered?: true;
  /** It has regions, and is run by the program, not by a kernel: it has no nests. */
  readonly control?: true;
}

/** The results and temporaries of one computation. */
export interface Results {
  readonly outputs: readonly Operand[];
  /** The only, or first, output. */
  readonly out: Operand;
  /** Memory that lives for this computation only. */
  readonly temp: (name: string, dtype: DType, dims: readonly number[]) => Operand;
}

interface OpSpec<I extends Record<string, InputSpec>, A extends Attrs> {
  readonly name: string;
  readonly inputs: I;
  /** Attributes with their defaults. */
  readonly attrs: A;
  readonly infer: (inputs: Named<I, Known>, attrs: AttrsOf<A>, outputs: number) => readonly ValueType[];
  readonly compute: (results: Results, inputs: Named<I, Computed>, attrs: AttrsOf<A>) => AnyNest | readonly AnyNest[];
  readonly traits?: Traits;
}

/** An op with its types erased, as the rest of the compiler sees it. */
export interface Op {
  readonly name: string;
  readonly inputs: Readonly<Record<string, InputSpec>>;
  readonly attrs: Attrs;
  readonly traits: Traits;
  /** Output types. Throws `graph.shape` when the operands do not fit. */
  readonly infer: (
    inputs: readonly (Known | undefined)[],
    attrs: Attrs,
    outputs: number,
    regions?: readonly Graph[],
  ) => readonly ValueType[];
  /** Structured loop nests that compute the outputs from static operands, in order. */
  readonly compute: (results: Results, inputs: readonly (Computed | undefined)[], attrs: Attrs) => readonly AnyNest[];
}

const CLASS_HAS: Record<InputClass, (dtype: DType) => boolean> = {
  float: isFloat,
  integer: isInteger,
  number: (d) => isFloat(d) || isInteger(d),
  bool: (d) => d === "bool",
  any: () => true,
};

const isClass = (name: string): name is InputClass => Object.hasOwn(CLASS_HAS, name);

/** Names the inputs by the schema, and checks that the required ones are there. */
function bindInputs(
  op: string,
  schema: Record<string, InputSpec>,
  inputs: readonly ({ readonly dtype: DType } | undefined)[],
): Record<string, unknown> {
  const bound: Record<string, unknown> = {};
  const names = Object.keys(schema);
  if (inputs.length > names.length && !Object.values(schema).some((s) => s.endsWith("*"))) {
    throw new HoneError("graph.invalid", `${op} takes ${names.length} inputs, got ${inputs.length}`, { at: { op } });
  }
  names.forEach((name, i) => {
    const spec = schema[name] ?? "any";
    const list = spec.endsWith("*") ? inputs.slice(i) : [inputs[i]];
    const cls = spec.replace(/[?*]$/, "");
    for (const x of list) checkInput(op, name, spec, cls, x?.dtype);
    bound[name] = spec.endsWith("*") ? list : list[0];
  });
  return bound;
}

function checkInput(op: string, name: string, spec: string, cls: string, dtype: DType | undefined): void {
  if (dtype === undefined) {
    if (!spec.endsWith("?")) throw new HoneError("graph.invalid", `${op} needs its input ${name}`, { at: { op } });
  } else if (isClass(cls) && !CLASS_HAS[cls](dtype)) {
    throw new HoneError("graph.shape", `input ${name} of ${op} is ${dtype}, which is not ${cls}`, { at: { op } });
  }
}

function checkAlike(op: string, names: readonly string[], bound: Record<string, unknown>): void {
  const operands = names.flatMap((name) => bound[name] as ValueType | undefined | readonly ValueType[]).filter((x) => x !== undefined);
  if (operands.some((x) => x.dtype !== operands[0]?.dtype)) throw misfit(op, "dtypes differ", operands);
}

function bindAttrs(op: string, defaults: Attrs, attrs: Attrs): Attrs {
  for (const name of Object.keys(attrs)) {
    if (!Object.hasOwn(defaults, name)) throw new HoneError("graph.invalid", `${op} has no attribute ${name}`, { at: { op } });
  }
  return { ...defaults, ...attrs };
}

/** Elements that a value may have. Far more than memory holds, and few enough that sizes in bytes and strides stay exact. */
const MAX_ELEMENTS = 2 ** 40;

/** A size that a model's numbers make negative, fractional or astronomical must not reach what plans and schedules with it. */
function bounded(op: string, types: readonly ValueType[]): readonly ValueType[] {
  for (const { dtype, shape } of types) {
    const dims = shape.filter((d) => typeof d === "number");
    if (!dims.every((d) => Number.isSafeInteger(d) && d >= 0) || dims.reduce((n, d) => n * d, 1) > MAX_ELEMENTS) {
      throw new HoneError("graph.shape", `${op} would make a value ${dtype}${shapeText(shape)}, which no memory can hold`, { at: { op } });
    }
  }
  return types;
}

/** Defines an op. Its name, inputs and attributes are its schema; `infer` is its type rule; `compute` is its meaning. */
export function defineOp<const I extends Record<string, InputSpec>, A extends Attrs>(spec: OpSpec<I, A>): Op {
  const { name, inputs: schema, attrs: defaults, traits = {} } = spec;
  return {
    name,
    inputs: schema,
    attrs: defaults,
    traits,
    infer: (inputs, attrs, outputs) => {
      const bound = bindInputs(name, schema, inputs);
      checkAlike(name, traits.alike ?? [], bound);
      return bounded(name, spec.infer(bound as Named<I, Known>, bindAttrs(name, defaults, attrs) as AttrsOf<A>, outputs));
    },
    compute: (results, inputs, attrs) => {
      const nests = spec.compute(
        results,
        bindInputs(name, schema, inputs) as Named<I, Computed>,
        bindAttrs(name, defaults, attrs) as AttrsOf<A>,
      );
      return Array.isArray(nests) ? (nests as readonly AnyNest[]) : [nests as AnyNest];
    },
  };
}

interface ControlSpec<I extends Record<string, InputSpec>, A extends Attrs> {
  readonly name: string;
  readonly inputs: I;
  readonly attrs: A;
  /** How many regions there are. */
  readonly regions: number;
  readonly infer: (inputs: Named<I, Known>, attrs: AttrsOf<A>, regions: readonly Graph[], outputs: number) => readonly ValueType[];
}

/** Defines an op that the program runs: its meaning is that of its regions. */
export function defineControl<const I extends Record<string, InputSpec>, A extends Attrs>(spec: ControlSpec<I, A>): Op {
  const { name, inputs: schema, attrs: defaults } = spec;
  return {
    name,
    inputs: schema,
    attrs: defaults,
    traits: { control: true },
    infer: (inputs, attrs, outputs, regions = []) => {
      if (regions.length !== spec.regions)
        throw new HoneError("graph.invalid", `${name} has ${spec.regions} regions, got ${regions.length}`, { at: { op: name } });
      const operands = bindInputs(name, schema, inputs) as Named<I, Known>;
      return bounded(name, spec.infer(operands, bindAttrs(name, defaults, attrs) as AttrsOf<A>, regions, outputs));
    },
    compute: () => {
      throw new HoneError("internal", `${name} is run by the program: it has no nests`, { at: { op: name } });
    },
  };
}

/** A dimension that only running the model could tell: it is called after the operand that decides it. */
export function unknownDim(decider: Known, i: number): Dim {
  return sym(`?${(decider.name ?? "").replace(/\W/g, "_")}_${i}`);
}

/** The error for operands that do not fit, which shows all their types. */
export function misfit(op: string, message: string, operands: readonly (ValueType | undefined)[]): HoneError {
  const types = operands.map((o) => (o ? `${o.dtype}${shapeText(o.shape)}` : "none")).join(", ");
  return new HoneError("graph.shape", `${op}: ${message} (operands ${types})`, { at: { op } });
}

/** An axis counted from the front; throws when it is out of range. */
export function axisOf(op: string, axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || at < 0 || at >= Math.max(rank, 1))
    throw new HoneError("graph.shape", `${op}: axis ${axis} of a value of rank ${rank}`, { at: { op } });
  return at;
}

/** The elements of a known integer tensor as numbers. */
export function ints(t: Tensor): number[] {
  return Array.from(t.data as ArrayLike<number | bigint>, Number);
}

/** The known integers of an operand that must be constant to compute with. */
export function constantInts(op: string, name: string, operand: { readonly data?: Tensor | undefined }): number[] {
  if (!operand.data) {
    throw new HoneError("model.unsupported", `${op}: the input ${name} is computed from data at run time`, {
      at: { op },
      hint: "Give the input shapes with --shape so that it can be folded, or export the model with a fixed value.",
    });
  }
  return ints(operand.data);
}

export const sameAs = (x: ValueType, shape: Shape = x.shape): ValueType => ({ dtype: x.dtype, shape });

export function isKnownDType(name: string): name is DType {
  return Object.hasOwn(DTYPES, name);
}
