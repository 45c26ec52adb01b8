/** The inputs and outputs of a model as the graph has them: a sequence is one input for each of its elements. */
import { bindShape, sym, type Dim, type Shape } from "../../tensor/dim.ts";
import type { Value } from "../../ir/graph.ts";
import type { AnyType } from "../../text/tensor.ts";
import { solveSymbols, type InputShapes } from "../../tensor/solve.ts";
import { HoneError, must } from "../../util/errors.ts";
import type { ImportBuilder } from "../builder.ts";
import type { Problems } from "../problems.ts";
import type { OnnxGraph, OnnxType, OnnxValueInfo } from "./ast.ts";
import { countedOf } from "./counted.ts";
import type { HostBuilder } from "./host.ts";
import { mark, NARROW_TYPES, type NarrowType } from "./narrow.ts";
import type { Scope } from "./scope.ts";
import { STRING } from "./strings.ts";
import { isTensor, type Thing } from "./things.ts";
import { onnxTypeName, storageOf } from "./types.ts";

export interface InputOptions {
  /** Numbers for the symbols in the inputs' shapes; an element of a sequence is called `name.0`. */
  readonly shapes?: InputShapes;
  /** How many elements an input has that is a sequence; null for an optional without one. When absent, `shapes` tells. */
  readonly lists?: Readonly<Record<string, number | null>>;
}

/** Elements that one input may have. */
const MAX_LENGTH = 4096;

interface TensorType {
  readonly dtype: AnyType;
  readonly shape: Shape;
  readonly narrow?: NarrowType | undefined;
}

/** What an input is, before its shapes are bound: tensors by the names of the graph's inputs. */
type Declared =
  string | { readonly kind: "sequence"; readonly items: readonly Declared[] } | { readonly kind: "optional"; readonly value?: Declared };

/** Where the inputs are known, and where those go that no kernel reads. */
interface Places {
  readonly scope: Scope;
  readonly host: HostBuilder;
}

export function addInputs(graph: OnnxGraph, { scope, host }: Places, options: InputOptions, problems: Problems): void {
  const initialized = new Set(graph.initializer.map((t) => t.name));
  const types = new Map<string, TensorType>();
  const declared = new Map<string, Declared>();
  for (const info of graph.input) {
    if (initialized.has(info.name)) continue;
    scope.set(info.name, undefined);
    const found = problems.attempt({ node: info.name }, () => declare(info, options, types));
    if (found !== undefined) declared.set(info.name, found);
  }
  const readable = Object.entries(options.shapes ?? {}).filter(([name]) => types.has(name) || !scope.has(name));
  const bindings = solveSymbols(new Map([...types].map(([name, { shape }]) => [name, shape])), Object.fromEntries(readable));
  const make = (d: Declared): Thing => {
    if (typeof d !== "string") {
      if (d.kind === "sequence") return { kind: "sequence", items: d.items.map(make) };
      return { kind: "optional", value: d.value === undefined ? undefined : make(d.value) };
    }
    const { dtype, shape, narrow }: TensorType = types.get(d) ?? { dtype: "float32", shape: [] };
    const bound = bindShape(shape, bindings);
    const text = host.input(d, dtype, bound);
    return dtype === "string" ? text : mark(scope.builder.input(d, dtype, bound), narrow);
  };
  for (const [name, d] of declared) scope.set(name, make(d));
}

function declare({ name, type }: OnnxValueInfo, options: InputOptions, types: Map<string, TensorType>): Declared {
  const at = (inner: OnnxType | undefined, label: string): Declared => {
    if (inner?.sequenceType)
      return { kind: "sequence", items: elementNames(label, options).map((n) => at(inner.sequenceType?.elemType, n)) };
    if (inner?.optionalType)
      return options.lists?.[label] === null ? { kind: "optional" } : { kind: "optional", value: at(inner.optionalType.elemType, label) };
    types.set(label, tensorType(label, inner, label === name, options.shapes?.[label]));
    return label;
  };
  return at(type, name);
}

function elementNames(name: string, { shapes = {}, lists }: InputOptions): readonly string[] {
  let count = lists?.[name] ?? undefined;
  if (count === undefined) {
    count = 0;
    while (count <= MAX_LENGTH && Object.hasOwn(shapes, `${name}.${count}`)) count++;
    if (count === 0) {
      throw new HoneError("model.unsupported", `the input "${name}" is a sequence, and how many elements it has is not known`, {
        hint: `Give the shape of each element: --shape ${name}.0=1x3 --shape ${name}.1=1x3`,
      });
    }
  }
  if (count > MAX_LENGTH) throw new HoneError("model.unsupported", `the input "${name}" has more than ${MAX_LENGTH} elements`);
  return Array.from({ length: count }, (_, i) => `${name}.${i}`);
}

/** The elements of a sequence need not have one shape, so each has symbols of its own; a tensor shares those of the model. */
function tensorType(name: string, type: OnnxType | undefined, shared: boolean, given: readonly number[] | undefined): TensorType {
  const found = type?.tensorType;
  if (found === undefined) throw new HoneError("model.unsupported", `the input "${name}" is not a dense tensor`);
  const dtype = found.elemType === STRING ? "string" : storageOf(found.elemType);
  const narrow = NARROW_TYPES[found.elemType];
  if (dtype === undefined) throw new HoneError("model.unsupported", `the input "${name}" has the type ${onnxTypeName(found.elemType)}`);
  if (found.shape !== undefined)
    return { dtype, narrow, shape: found.shape.dim.map((d, i) => dimOf(d.dimValue, shared ? d.dimParam : "", `${name}_${i}`)) };
  if (given !== undefined) return { dtype, narrow, shape: given };
  throw new HoneError("model.unsupported", `the input "${name}" has no shape, so not even its rank is known`, {
    hint: `Give it with --shape ${name}=1x3x640x640, or export the model with the shapes of its inputs; dims may be symbolic.`,
  });
}

function dimOf(value: bigint | undefined, param: string | undefined, fallback: string): Dim {
  if (value !== undefined && value > 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  const name = param === undefined || param === "" ? fallback : param;
  return sym(name.replace(/\W+/g, "_"));
}

interface Outputs {
  readonly builder: ImportBuilder;
  readonly host: HostBuilder;
}

/** What is counted has a second output, which tells its shape. */
function addTensor({ builder, host }: Outputs, value: Value, name: string): void {
  builder.output(value, name);
  host.output(name, value);
  const counted = countedOf(value);
  if (!counted) return;
  const label = `${name}.shape`;
  const options = { name: label, origin: [] };
  const shape = must(builder.ops("sizedShape", [value, counted.count], { axis: counted.axis }, options)[0], label);
  builder.output(shape, label);
  host.output(label, shape);
}

/** Makes a thing an output: a sequence is one for each element, and an optional without an element none. */
export function addOutput(places: Outputs, thing: Thing, name: string): void {
  if (isTensor(thing)) addTensor(places, thing, name);
  else if (thing.kind === "text") places.host.output(name, thing);
  else if (thing.kind === "sequence") thing.items.forEach((item, i) => addOutput(places, item, `${name}.${i}`));
  else if (thing.value !== undefined) addOutput(places, thing.value, name);
}
