/** Operators in terms of older ones, as the standard defines them. */
import type { Adapter, Site } from "./site.ts";
import type { Table } from "./table.ts";

const sigmoidOf = (s: Site, x: string, alpha: number): string =>
  s.step("Sigmoid", [alpha === 1 ? x : s.step("Mul", [x, s.like(x, alpha)], {}, x)], {}, x);

const hardSwish: Adapter = (s) => {
  const x = s.input(0);
  s.emit("Mul", [x, s.step("HardSigmoid", [x], { alpha: 1 / 6, beta: 0.5 }, x)]);
};

const mish: Adapter = (s) => {
  const x = s.input(0);
  s.emit("Mul", [x, s.step("Tanh", [s.step("Softplus", [x], {}, x)], {}, x)]);
};

const swish: Adapter = (s) => s.emit("Mul", [s.input(0), sigmoidOf(s, s.input(0), s.float("alpha", 1))]);

const swiGlu: Adapter = (s) => s.emit("Mul", [s.step("Swish", [s.input(0)], { alpha: s.float("alpha", 1) }, s.input(0)), s.input(1)]);

/** x / 2 · (1 + erf(x / √2)), or with tanh(√(2/π) · (x + 0.044715 x³)) in its place. */
const gelu: Adapter = (s) => {
  const x = s.input(0);
  const times = (a: string, factor: number): string => s.step("Mul", [a, s.like(x, factor)], {}, x);
  const cube = (): string => s.step("Mul", [s.step("Mul", [x, x], {}, x), x], {}, x);
  const inner = (): string => times(s.step("Add", [x, times(cube(), 0.044715)], {}, x), Math.sqrt(2 / Math.PI));
  const curve =
    s.text("approximate", "none") === "tanh" ? s.step("Tanh", [inner()], {}, x) : s.step("Erf", [times(x, Math.SQRT1_2)], {}, x);
  s.emit("Mul", [times(x, 0.5), s.step("Add", [curve, s.like(x, 1)], {}, x)]);
};

/** alpha · elu(x / alpha) */
const celu: Adapter = (s) => {
  const x = s.input(0);
  const alpha = s.like(x, s.float("alpha", 1));
  s.emit("Mul", [s.step("Elu", [s.step("Div", [x, alpha], {}, x)], {}, x), alpha]);
};

/** Of numbers that are not numbers neither is so. */
const orEqual =
  (op: "Greater" | "Less"): Adapter =>
  (s) => {
    const operands = [s.input(0), s.input(1)];
    s.emit("Or", [s.step(op, operands), s.step("Equal", operands)]);
  };

const castLike: Adapter = (s) => {
  s.emit("Cast", [s.input(0)], {
    to: BigInt(s.typeNumber(s.input(1))),
    ...(s.has("saturate") ? { saturate: BigInt(s.int("saturate", 1)) } : {}),
  });
};

/** Elements of a constant that is made here. */
const LARGEST = 1 << 24;

/** Zeros beside the triangle, chosen by a constant. */
const trilu: Adapter = (s) => {
  const x = s.input(0);
  const [rows = 1, columns = 1] = s.sizes(x).slice(-2);
  const [k = 0] = s.whole(1, "k") ?? [];
  if (rows * columns > LARGEST) throw s.cannot(`a matrix of ${rows} by ${columns}`);
  const upper = s.int("upper", 1) === 1;
  const kept = Uint8Array.from({ length: rows * columns }, (_, at) => {
    const right = (at % columns) - Math.floor(at / columns);
    return Number(upper ? right >= k : right <= k);
  });
  const mask = s.add({ type: "bool", dims: [rows, columns], data: kept }, "mask");
  s.emit("Where", [mask, x, s.zeroLike(x)]);
};

export const DEFINITIONS: Table = {
  up: {},
  down: {
    CastLike: { 15: castLike },
    Celu: { 12: celu },
    Gelu: { 20: gelu },
    GreaterOrEqual: { 12: orEqual("Greater") },
    HardSwish: { 14: hardSwish },
    LessOrEqual: { 12: orEqual("Less") },
    Mish: { 18: mish },
    SwiGLU: { 28: swiGlu },
    Swish: { 24: swish },
    Trilu: { 14: trilu },
  },
};
