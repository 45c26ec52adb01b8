/** Values of symbols from the shapes that a user gives. */
import { HoneError } from "../util/errors.ts";
import { shapeText, type Dim, type Shape } from "./dim.ts";
import { elementCount } from "./tensor.ts";

/** Elements that an input may have. */
const MAX_ELEMENTS = 2 ** 31 - 1;

/** Shapes that the caller wants for inputs, by the input's name. */
export type InputShapes = Readonly<Record<string, readonly number[]>>;

/**
 * What the symbols in the inputs' shapes must be for the inputs that are named to have the wanted shapes.
 * Throws `usage` when a name is unknown, a rank differs, or the sizes contradict the model or each other.
 */
export function solveSymbols(inputs: ReadonlyMap<string, Shape>, wanted: InputShapes): ReadonlyMap<string, number> {
  const bindings = new Map<string, number>();
  for (const [name, dims] of Object.entries(wanted)) {
    const shape = inputs.get(name);
    if (!shape) throw misuse(`the model has no input ${name}`, inputs);
    const input = new Map([[name, shape]]);
    if (dims.length !== shape.length)
      throw misuse(`the input ${name} has ${shape.length} dimensions, ${dims.length} were given: ${dims.join("x")}`, input);
    if (elementCount(dims) > MAX_ELEMENTS)
      throw misuse(`the input ${name} would have ${elementCount(dims)} elements, more than ${MAX_ELEMENTS}: ${dims.join("x")}`, input);
    for (const [axis, size] of dims.entries()) {
      const wrong = solve(shape[axis] ?? 1, size, bindings);
      if (wrong) throw misuse(`axis ${axis} of the input ${name} cannot be ${size}: ${wrong}`, input);
    }
  }
  return bindings;
}

/** Takes the symbol's value from the size, or says why the size disagrees with what is known. */
function solve(dim: Dim, size: number, bindings: Map<string, number>): string | undefined {
  if (!Number.isSafeInteger(size) || size < 1) return "it is not a size";
  const known = typeof dim === "number" ? dim : dim.evaluate(bindings);
  if (known === undefined && typeof dim !== "number") {
    if (dim.free.includes(dim.text)) bindings.set(dim.text, size);
    return undefined;
  }
  if (known === size) return undefined;
  return typeof dim === "number" ? `the model fixes it at ${dim}` : `${dim.text} is ${String(known)} already`;
}

function misuse(message: string, inputs: ReadonlyMap<string, Shape>): HoneError {
  const flags = [...inputs].map(([name, shape]) => `--shape ${name}=${shapeText(shape).slice(1, -1).replaceAll(",", "x")}`);
  return new HoneError("usage", message, { hint: `Give numbers for the names in ${flags.join(" ")}.` });
}
