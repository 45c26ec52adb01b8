/** Branches and loops as steps of random graphs: their bodies keep the shape, and hold branches and loops themselves. */
import type { Value } from "../../src/ir/graph.ts";
import { must } from "../../src/util/errors.ts";
import { pick, type Draw } from "../generators/draw.ts";
import type { Maker } from "./maker.ts";

const COUNTER = { dtype: "int64", shape: [] } as const;
const MAX_DEPTH = 2;

/** Bounded ones, so that no number of iterations leads out of the numbers. */
const GENTLE = ["tanh", "sigmoid", "sin", "hardSwish", "abs", "neg"];

/** One or two ops that keep the shape; `outer` is from around the body. */
function body(m: Maker, x: Value, outer: Value, draw: Draw, depth: number): Value {
  let at = x;
  for (let step = 1 + draw(2); step > 0; step--) {
    const kind = draw(depth < MAX_DEPTH ? 7 : 5);
    if (kind === 0) at = m.op(pick(draw, ["add", "sub", "max"]), [at, outer]);
    else if (kind === 1) at = m.op("mul", [at, m.w([Number(at.shape.at(-1))])]);
    else if (kind === 2) at = m.op("sub", [at, m.op("reduceMean", [at], { axes: [at.shape.length - 1], keepDims: true })]);
    else if (kind === 5) at = branch(m, at, draw, depth + 1);
    else if (kind === 6) at = loop(m, at, draw, depth + 1);
    at = m.op(pick(draw, GENTLE), [at]);
  }
  return at;
}

/** A branch that the data choose. */
export function branch(m: Maker, x: Value, draw: Draw, depth = 0): Value {
  const bound = m.f32([pick(draw, [-9, 0.01, 0.3, 9])], []);
  const chosen = m.op("greater", [m.op("reduceMax", [x], { keepDims: false }), bound]);
  const region = (): ReturnType<Maker["region"]> => m.region([x, x], (r, a, b) => body(r, a, b, draw, depth));
  return must(m.control("if", [chosen, x, x], {}, 1, [region(), region()])[0], "branch");
}

/** A loop that a number ends, or the data before it. Its slices, where it has them, are summed. */
export function loop(m: Maker, x: Value, draw: Draw, depth = 0): Value {
  const trips = m.i64([draw(5)], []);
  const exits = draw(2) === 1;
  const slices = draw(2) === 1;
  const made = m.region([COUNTER, x, x], (r, i, a, outer) => {
    const next = body(r, a, outer, draw, depth);
    const goesOn = r.op("less", [r.op("reduceMean", [next], { keepDims: false }), r.f32([pick(draw, [0.05, 0.4])], [])]);
    const slice = r.op("mul", [next, r.op("cast", [i], { to: "float32" })]);
    return [...(exits ? [goesOn] : []), next, ...(slices && !exits ? [slice] : [])];
  });
  const [last, stacked] = m.control("loop", [trips, undefined, x, x], { carried: 1, exits }, slices && !exits ? 2 : 1, [made]);
  const value = must(last, "loop");
  return stacked ? m.op("add", [value, m.op("reduceSum", [stacked], { axes: [0], keepDims: false })]) : value;
}
