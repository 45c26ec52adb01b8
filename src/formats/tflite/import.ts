import type { Attrs, Graph, Value } from "../../ir/graph.ts";
import type { Shape } from "../../tensor/dim.ts";
import { fromFloat16 } from "../../tensor/half.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { HoneError, must } from "../../util/errors.ts";
import { ImportBuilder } from "../builder.ts";
import { gatherProblems, type Problems } from "../problems.ts";
import { bindShape } from "../../tensor/dim.ts";
import { solveSymbols, type InputShapes } from "../../tensor/solve.ts";
import type { TfliteModel, TfliteOperator, TfliteSubgraph, TfliteTensor } from "./ast.ts";
import { findMapper } from "./map/index.ts";
import { OperatorView } from "./map/node.ts";
import { findQuantizedMapper } from "./quantized/index.ts";
import { quantizationOf, QuantizedView, type Quantization } from "./quantized/view.ts";
import { tfliteConstant } from "./tensor.ts";
import { tfliteDType, tfliteTypeName } from "./types.ts";

export interface ImportOptions {
  readonly file: string;
  /** Checked against the model's own shapes, which are fixed. */
  readonly shapes?: InputShapes;
}

/**
 * Builds hone's graph of a TFLite model's first subgraph. Values keep TFLite's order of axes (channels last); float16 weights become float32.
 * Tensors of int8 and uint8 with a scale are bytes between inputs and outputs, computed by TFLite's own integer arithmetic.
 * Throws one error with all problems: `model.unsupported` for operators, types and sparse models.
 */
export function importTflite(model: TfliteModel, options: ImportOptions): Graph {
  const { file } = options;
  const [subgraph] = model.subgraphs;
  if (subgraph === undefined) throw new HoneError("model.damaged", "the model holds no subgraph", { at: { file } });
  refuseQuantized(subgraph, file);
  const problems = gatherProblems(file);
  const importer = new SubgraphImporter(model, subgraph, options, problems);
  importer.addInputs();
  for (const operator of subgraph.operators) importer.add(operator);
  importer.addOutputs();
  problems.throwIfAny();
  return importer.builder.finish();
}

/** Quantised types that hone has no arithmetic for. */
const REFUSED_TYPES = new Set(["INT16", "INT4"]);

/** Said once for the whole model: every operator would say it again. */
function refuseQuantized(subgraph: TfliteSubgraph, file: string): void {
  const quantized = subgraph.tensors.filter((t) => (t.quantization?.scale.length ?? 0) > 0 && REFUSED_TYPES.has(tfliteTypeName(t.type)));
  const [first] = quantized;
  if (first === undefined) return;
  const message = `the model is quantised: ${quantized.length} of its ${subgraph.tensors.length} tensors are ${tfliteTypeName(first.type)} with a scale`;
  throw new HoneError("model.unsupported", message, {
    at: { file, node: first.name },
    hint: "hone reads TFLite models in float32, float16, int8 and uint8: give it the model before quantisation.",
  });
}

class SubgraphImporter {
  readonly builder: ImportBuilder;
  readonly #model: TfliteModel;
  readonly #subgraph: TfliteSubgraph;
  readonly #options: ImportOptions;
  readonly #problems: Problems;
  /** By index of tensor. `undefined`: could not be made, which is a problem told already. */
  readonly #values = new Map<number, Value | undefined>();
  readonly #names: readonly string[];

  constructor(model: TfliteModel, subgraph: TfliteSubgraph, options: ImportOptions, problems: Problems) {
    this.builder = new ImportBuilder(subgraph.name === "" ? "main" : subgraph.name);
    this.#model = model;
    this.#subgraph = subgraph;
    this.#options = options;
    this.#problems = problems;
    this.#names = uniqueNames(subgraph.tensors);
  }

  addInputs(): void {
    const types = new Map<string, { index: number; shape: Shape }>();
    for (const index of this.#subgraph.inputs) types.set(this.#name(index), { index, shape: this.#tensor(index).shape });
    const bindings = solveSymbols(new Map([...types].map(([name, { shape }]) => [name, shape])), this.#options.shapes ?? {});
    for (const [name, { index, shape }] of types) {
      const value = this.#problems.attempt({ node: name }, () => {
        const { type } = this.#tensor(index);
        const dtype = tfliteDType(type);
        if (dtype === undefined) throw new HoneError("model.unsupported", `the input "${name}" has the type ${tfliteTypeName(type)}`);
        const value = this.builder.input(name, dtype, bindShape(shape, bindings));
        return this.#quantization(index)?.signed === true ? this.#shifted(value, `${name}.bytes`, "uint8") : value;
      });
      this.#values.set(index, value);
    }
  }

  add(operator: TfliteOperator): void {
    const names = operator.outputs.map((i) => (this.#isSignedOutput(i) ? `${this.#name(i)}.bytes` : this.#name(i)));
    const outputs = this.#problems.attempt({ node: names[0] ?? operator.op, op: operator.customCode || operator.op }, () =>
      this.#map(operator, names),
    );
    operator.outputs.forEach((index, i) => this.#values.set(index, outputs?.[i]));
  }

  addOutputs(): void {
    for (const index of this.#subgraph.outputs) {
      this.#problems.attempt({}, () => {
        const value = this.#value(index);
        const signed = value !== undefined && this.#quantization(index)?.signed === true && value.dtype === "uint8";
        if (signed) this.builder.output(this.#shifted(value, this.#name(index), "int8"), this.#name(index));
        else if (value !== undefined) this.builder.output(value, this.#name(index));
      });
    }
  }

  #map(operator: TfliteOperator, names: readonly string[]): readonly Value[] | undefined {
    const make = this.#mapper(operator, names);
    if (operator.op === "DEQUANTIZE") {
      const widened = this.#widened(operator, names);
      if (widened !== undefined) return [widened];
    }
    const inputs = operator.inputs.map((i) => (i === -1 ? undefined : this.#value(i)));
    if (inputs.some((value, i) => value === undefined && operator.inputs[i] !== -1)) return undefined;
    while (inputs.length > 0 && inputs.at(-1) === undefined) inputs.pop();
    const made = make(inputs);
    const outputs = "dtype" in made ? [made] : made;
    if (outputs.length !== operator.outputs.length) {
      throw new HoneError("model.unsupported", `${operator.op} with ${operator.outputs.length} outputs: hone knows ${outputs.length}`);
    }
    return outputs;
  }

  /** How an operator is read: on bytes where any of its tensors has a scale. */
  #mapper(operator: TfliteOperator, names: readonly string[]): (inputs: readonly (Value | undefined)[]) => Value | readonly Value[] {
    const isQuantized = [...operator.inputs, ...operator.outputs].some((i) => this.#quantization(i) !== undefined);
    if (!isQuantized) {
      const mapper = findMapper(operator.op);
      if (mapper === undefined) throw unknownOperator(operator, false);
      return (inputs) => mapper(new OperatorView(operator, inputs, names, this.builder));
    }
    const mapper = findQuantizedMapper(operator.op);
    if (mapper === undefined) throw unknownOperator(operator, true);
    return (inputs) => mapper(this.#quantizedView(operator, inputs, names));
  }

  #quantizedView(operator: TfliteOperator, inputs: readonly (Value | undefined)[], names: readonly string[]): QuantizedView {
    const of = (list: readonly number[]): (Quantization | undefined)[] => list.map((i) => this.#quantization(i));
    return new QuantizedView([operator, inputs, names, this.builder], of(operator.inputs), of(operator.outputs));
  }

  #quantization(index: number): Quantization | undefined {
    return index === -1 ? undefined : quantizationOf(this.#tensor(index));
  }

  /** Whether a tensor leaves the graph as int8, which is made of its bytes. */
  #isSignedOutput(index: number): boolean {
    return this.#subgraph.outputs.includes(index) && this.#quantization(index)?.signed === true;
  }

  /** int8 as bytes, which are those plus 128, or back. */
  #shifted(x: Value, name: string, to: "int8" | "uint8"): Value {
    const step = (op: string, inputs: readonly Value[], attrs: Attrs, called: string): Value =>
      must(this.builder.ops(op, inputs, attrs, { name: called, outputNames: [called], origin: [] })[0], "a value");
    const flip = (v: Value, called: string): Value =>
      step("bitwiseXor", [v, this.builder.constant(tensor("uint8", [1], Uint8Array.of(128)), `${name}.sign`)], {}, called);
    return to === "uint8" ? flip(step("cast", [x], { to }, `${name}.raw`), name) : step("cast", [flip(x, `${name}.flipped`)], { to }, name);
  }

  /** A float16 constant in float32. */
  #widened(operator: TfliteOperator, names: readonly string[]): Value | undefined {
    const [index = -1] = operator.inputs;
    const t = this.#subgraph.tensors[index];
    const data = t && this.#constant(t);
    return data?.type === "float16" ? this.builder.constant(widen(data), names[0] ?? "") : undefined;
  }

  #value(index: number): Value | undefined {
    if (this.#values.has(index)) return this.#values.get(index);
    const t = this.#tensor(index);
    const data = this.#constant(t);
    if (data === undefined)
      throw new HoneError("model.damaged", `the tensor "${t.name}" is neither constant nor computed before it is used`);
    const value = this.builder.constant(data, this.#name(index));
    this.#values.set(index, value);
    return value;
  }

  #constant(t: TfliteTensor): Tensor | undefined {
    if (t.sparsity !== undefined) throw new HoneError("model.unsupported", `the constant "${t.name}" is sparse`, { hint: SPARSE_HINT });
    if (t.isVariable) throw new HoneError("model.unsupported", `the tensor "${t.name}" is a variable that lives between runs`);
    return tfliteConstant(this.#model, t, this.#options.file);
  }

  #tensor(index: number): TfliteTensor {
    const t = this.#subgraph.tensors[index];
    if (t === undefined) throw new HoneError("model.damaged", `there is no tensor ${index}`);
    return t;
  }

  #name(index: number): string {
    return this.#names[index] ?? `tensor${index}`;
  }
}

const SPARSE_HINT = "Give hone the dense model: makers of sparse TFLite files publish a dense one beside it.";

function unknownOperator({ op, customCode }: TfliteOperator, quantized: boolean): HoneError {
  if (quantized && findMapper(op) !== undefined)
    return new HoneError("model.unsupported", `hone does not read the operator ${op} on quantised tensors`);
  if (op === "CUSTOM") return new HoneError("model.unsupported", `hone does not read the custom operator ${customCode}`);
  return new HoneError("model.unsupported", `hone does not read the operator ${op}`, op === "DENSIFY" ? { hint: SPARSE_HINT } : {});
}

function widen(t: Tensor): Tensor {
  return tensor(
    "float32",
    t.dims,
    Float32Array.from<number | bigint>(t.data, (bits) => fromFloat16(Number(bits))),
  );
}

/** Names of tensors may repeat, or be empty. */
function uniqueNames(tensors: readonly TfliteTensor[]): string[] {
  const seen = new Set<string>();
  return tensors.map(({ name }, i) => {
    const own = name === "" || seen.has(name) ? `${name}#${i}` : name;
    seen.add(own);
    return own;
  });
}
