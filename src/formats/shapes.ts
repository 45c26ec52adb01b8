import { HoneError } from "../util/errors.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { bindShape, shapeText, type Shape } from "../tensor/dim.ts";

/** Shapes that the caller wants for inputs, by the input's name. */
export type InputShapes = Readonly<Record<string, readonly number[]>>;

/**
 * The inputs' shapes with what the caller gave filled in: a symbol takes its number wherever it stands.
 * Throws `usage` for an input that is not there, and for a shape that contradicts the model.
 */
export function bindInputs(inputs: ReadonlyMap<string, Shape>, wanted: InputShapes): ReadonlyMap<string, Shape> {
  const bindings = new Map<string, number>();
  for (const [name, dims] of Object.entries(wanted)) {
    const shape = inputs.get(name);
    if (shape === undefined) {
      throw new HoneError("usage", `the model has no input "${name}"`, {
        hint: `Its inputs are ${[...inputs].map(([n, s]) => n + shapeText(s)).join(", ")}.`,
      });
    }
    bindOne(name, shape, dims, bindings);
  }
  return new Map([...inputs].map(([name, shape]) => [name, bindShape(shape, bindings)]));
}

function bindOne(name: string, shape: Shape, dims: readonly number[], bindings: Map<string, number>): void {
  const wrong = (why: string): HoneError =>
    new HoneError("usage", `the shape ${dims.join("x")} does not fit the input "${name}", which is ${shapeText(shape)}: ${why}`);
  if (dims.length !== shape.length) throw wrong(`it has ${shape.length} dimensions`);
  shape.forEach((dim, i) => {
    const want = dims[i] ?? -1;
    if (!Number.isSafeInteger(want) || want < 0) throw wrong(`dimension ${i} is not a whole number`);
    if (typeof dim === "number") {
      if (dim !== want) throw wrong(`dimension ${i} is ${dim}`);
      return;
    }
    const known = bindings.get(dim.text);
    if (known !== undefined && known !== want) throw wrong(`${dim.text} is already ${known}`);
    bindings.set(dim.text, want);
  });
}

/** An int64 tensor for a graph. Throws `model.damaged` for what is no whole number: such come out of models that contradict themselves. */
export function int64Tensor(values: readonly number[], dims: readonly number[] = [values.length]): Tensor {
  const bad = values.find((v) => !Number.isSafeInteger(v));
  if (bad !== undefined) throw new HoneError("model.damaged", `${bad} stands where a whole number must`);
  return tensor("int64", dims, BigInt64Array.from(values, BigInt));
}
