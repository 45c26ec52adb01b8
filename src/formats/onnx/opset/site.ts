/** One ONNX node while it is said in the words of another operator set. */
import { toFloat16 } from "../../../tensor/half.ts";
import { tensor, zeros, type Tensor } from "../../../tensor/tensor.ts";
import { HoneError } from "../../../util/errors.ts";
import { int64Tensor } from "../../int64.ts";
import type { OnnxAttribute, OnnxNode, OnnxTensor } from "../ast.ts";
import { TENSOR_TYPES } from "../types.ts";
import { onnxAttribute, onnxNode, type AttributeValue } from "../write.ts";
import { typeNumber, type Facts, type Known } from "./facts.ts";

/** The graph whose node it is. */
export interface Place {
  readonly facts: Facts;
  /** A name like this one that nothing in the model has. */
  readonly fresh: (like: string) => string;
  /** Adds a constant to the graph, under this name. */
  readonly constant: (name: string, value: Tensor) => void;
  /** The same of one that is in the file. */
  readonly hold: (tensor: OnnxTensor) => void;
  /** Whether anything reads the value. */
  readonly used: (name: string) => boolean;
}

/** Says a node in the words of the operator set next to its own; nothing it does depends on what else is in the model. */
export type Adapter = (s: Site) => void;

export interface Changes {
  readonly op?: string;
  /** An empty name is an input that is not given. */
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  /** `undefined` takes the attribute away. */
  readonly attributes?: Readonly<Record<string, AttributeValue | undefined>>;
}

const LARGE = 2n ** 53n - 1n;
/** No tensor of a file has more axes. */
const MAX_AXIS = 31;

export class Site {
  readonly node: OnnxNode;
  /** Nodes that stand for it, in their order. */
  readonly nodes: OnnxNode[] = [];
  readonly #place: Place;
  readonly #attributes: ReadonlyMap<string, OnnxAttribute>;

  constructor(node: OnnxNode, place: Place) {
    this.node = node;
    this.#place = place;
    this.#attributes = new Map(node.attribute.map((a) => [a.name, a]));
  }

  has(attribute: string): boolean {
    return this.#attributes.has(attribute);
  }

  int(attribute: string, otherwise: number): number {
    const value = this.#attributes.get(attribute)?.i;
    return value === undefined ? otherwise : Number(value);
  }

  ints(attribute: string): readonly number[] | undefined {
    const value = this.#attributes.get(attribute);
    return value && Array.from(value.ints, (i) => Number(i > LARGE ? LARGE : i < -LARGE ? -LARGE : i));
  }

  float(attribute: string, otherwise: number): number {
    return this.#attributes.get(attribute)?.f ?? otherwise;
  }

  floats(attribute: string): readonly number[] | undefined {
    const value = this.#attributes.get(attribute);
    return value && Array.from(value.floats);
  }

  text(attribute: string, otherwise: string): string {
    const value = this.#attributes.get(attribute)?.s;
    return value === undefined ? otherwise : new TextDecoder().decode(value);
  }

  texts(attribute: string): readonly string[] | undefined {
    return this.#attributes.get(attribute)?.strings.map((s) => new TextDecoder().decode(s));
  }

  /** The name of an input, empty where it is not given. */
  input(i: number): string {
    return this.node.input[i] ?? "";
  }

  /** Whether an output of the node is read by anything. */
  gives(i: number): boolean {
    const name = this.node.output[i] ?? "";
    return name !== "" && this.#place.used(name);
  }

  known(name: string): Known {
    return this.#place.facts.of(name);
  }

  constant(name: string): Tensor | undefined {
    return name === "" ? undefined : this.#place.facts.constant(name);
  }

  /** The numbers of a constant input; undefined where it is not given. Throws where it is computed. */
  fixed(i: number, what: string): readonly number[] | undefined {
    if (this.input(i) === "") return undefined;
    const value = this.constant(this.input(i));
    if (value === undefined) throw this.cannot(`${what} computed while the model runs`, COMPUTED);
    return Array.from<number | bigint, number>(value.data, Number);
  }

  /** The same of whole numbers. Throws for others, which a model that contradicts itself may hold. */
  whole(i: number, what: string): readonly number[] | undefined {
    const values = this.fixed(i, what);
    if (values?.some((v) => !Number.isInteger(v)) === true) throw this.cannot(`${what} that are no whole numbers`);
    return values;
  }

  /** The rank of a value. Throws where it is not known. */
  rank(name: string): number {
    const dims = this.known(name).dims;
    if (dims === undefined) throw this.cannot("a value of unknown shape", SHAPES);
    return dims.length;
  }

  /** The dims of a value. Throws where one is open. */
  sizes(name: string): readonly number[] {
    const dims = this.known(name).dims;
    if (dims === undefined) throw this.cannot("a value of unknown shape", SHAPES);
    return dims.map((d) => {
      if (d === undefined) throw this.cannot("a value of open dims", SHAPES);
      return d;
    });
  }

  /** From the front. Throws for one that no value has. */
  axis(axis: number, rank: () => number): number {
    const at = axis < 0 ? axis + rank() : axis;
    if (!(at >= 0 && at <= MAX_AXIS)) throw this.cannot(`the axis ${axis}`);
    return at;
  }

  ints64(values: readonly number[], dims?: readonly number[]): string {
    return this.add(int64Tensor(values, dims), "axes");
  }

  floats32(values: readonly number[], dims: readonly number[] = [values.length]): string {
    return this.add(tensor("float32", dims, Float32Array.from(values)), "values");
  }

  /** A number in the type of another value, which must be one of the three that every operator set computes in. */
  like(name: string, value: number, dims: readonly number[] = []): string {
    const { type } = this.known(name);
    if (type === "float") return this.floats32([value], dims);
    if (type === "double") return this.add(tensor("float64", dims, Float64Array.of(value)), "value");
    if (type === "float16") return this.add(tensor("float16", dims, Uint16Array.of(toFloat16(value))), "value");
    throw this.cannot(type === undefined ? "a value of unknown type" : `the type ${type}`);
  }

  /** A constant in the place of the node. */
  hold(tensor: OnnxTensor): void {
    this.#place.hold({ ...tensor, name: this.node.output[0] ?? "" });
  }

  /** A zero of a value's type. */
  zeroLike(name: string): string {
    const dtype = TENSOR_TYPES[this.typeNumber(name)]?.dtype;
    if (dtype === undefined) throw this.cannot(`the type ${this.known(name).type ?? ""}`);
    return this.add(zeros(dtype, []), "zero");
  }

  add(value: Tensor, what: string): string {
    const name = this.fresh(what);
    this.#place.constant(name, value);
    this.#place.facts.learnConstant(name, value);
    return name;
  }

  /** A node on the way; its output has type and shape of the value it is `as`. */
  step(op: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>> = {}, as?: string | Known): string {
    const made = this.fresh(op.toLowerCase());
    this.nodes.push(onnxNode(op, inputs, [made], attributes, made));
    if (as !== undefined) this.#place.facts.learn(made, typeof as === "string" ? this.known(as) : as);
    return made;
  }

  /** A node that makes an output of the node: the first, or the one of this name. */
  emit(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    output: string = this.node.output[0] ?? "",
  ): void {
    const name = output === this.node.output[0] ? this.node.name : this.fresh(op.toLowerCase());
    this.nodes.push({ ...onnxNode(op, inputs, [output], attributes, name), docString: this.node.docString });
  }

  /** A new name for a value or a node. */
  fresh(what: string): string {
    return this.#place.fresh(`${this.#label}_${what}`);
  }

  /** The number of a value's type. Throws where it is not known. */
  typeNumber(name: string): number {
    const number = typeNumber(this.known(name).type ?? "");
    if (number === undefined) throw this.cannot("a value of unknown type");
    return number;
  }

  /** The node itself, with something changed. */
  keep({ op, inputs, outputs, attributes = {} }: Changes = {}): void {
    const left = this.node.attribute.filter((a) => !(a.name in attributes));
    const put = Object.entries(attributes).flatMap(([name, value]) => (value === undefined ? [] : [onnxAttribute(name, value)]));
    this.nodes.push({
      ...this.node,
      opType: op ?? this.node.opType,
      input: trimmed(inputs ?? this.node.input),
      output: outputs ?? this.node.output,
      attribute: [...left, ...put],
    });
  }

  /** `what` cannot be said. */
  cannot(what: string, hint?: string): HoneError {
    return new HoneError("model.unsupported", what, hint === undefined ? {} : { hint });
  }

  get #label(): string {
    return this.node.name === "" ? (this.node.output[0] ?? this.node.opType) : this.node.name;
  }
}

const COMPUTED = "Fixed input shapes may make them known: --shape INPUT=DIMS.";
const SHAPES = "Fixed input shapes may make it known: --shape INPUT=DIMS.";

/** Optional inputs that are left out at the end are the same as no inputs. */
const trimmed = (inputs: readonly string[]): readonly string[] => inputs.slice(0, inputs.findLastIndex((name) => name !== "") + 1);
