/** What operator sets 6 to 12 had of their own: broadcasting by attribute, and axes and places that had to count from the front. */
import type { Adapter, Site } from "./site.ts";
import type { Table } from "./table.ts";

/** The second operand stood at `axis` of the first; now it stands at the end. */
const broadcastUp7: Adapter = (s) => {
  const [a, b] = [s.input(0), s.input(1)];
  const attributes = { broadcast: undefined, axis: undefined };
  if (s.int("broadcast", 0) === 0 || !s.has("axis")) {
    s.keep({ attributes });
    return;
  }
  const [rankA, rankB] = [s.rank(a), s.rank(b)];
  const after = rankA - s.axis(s.int("axis", 0), () => rankA) - rankB;
  if (after <= 0) {
    s.keep({ attributes });
    return;
  }
  const axes = Array.from({ length: after }, (_, i) => BigInt(rankB + i));
  const dims = [...(s.known(b).dims ?? []), ...new Array<number>(after).fill(1)];
  s.keep({ inputs: [a, s.step("Unsqueeze", [b], { axes }, { type: s.known(b).type, dims })], attributes });
};

/** One slope for each channel, which is now said by its shape. */
const slopeUp7: Adapter = (s) => {
  const [x, slope] = [s.input(0), s.input(1)];
  const dims = s.known(slope).dims ?? [];
  const after = s.rank(x) - 2;
  if (dims.length !== 1 || dims[0] === 1 || after <= 0) {
    s.keep();
    return;
  }
  const axes = Array.from({ length: after }, (_, i) => BigInt(1 + i));
  const wide = [...dims, ...new Array<number>(after).fill(1)];
  s.keep({ inputs: [x, s.step("Unsqueeze", [slope], { axes }, { type: s.known(slope).type, dims: wide })] });
};

const gemmUp7: Adapter = (s) => s.keep({ attributes: { broadcast: undefined } });

/** The third operand could not be left out. */
const gemmDown11: Adapter = (s) =>
  s.keep({ inputs: [s.input(0), s.input(1), s.input(2) === "" ? s.like(s.input(0), 0, [1]) : s.input(2)] });

/** Operands of one shape each: these operators did not broadcast. */
const sameShapes: Adapter = (s) => {
  const shapes = s.node.input.map((name) => JSON.stringify(s.sizes(name)));
  if (shapes.every((shape) => shape === shapes[0])) {
    s.keep();
    return;
  }
  if (s.node.opType !== "Sum") throw s.cannot("operands of different shapes");
  const [first = "", ...rest] = s.node.input;
  const last = rest.pop() ?? "";
  s.emit("Add", [rest.reduce((sum, x) => s.step("Add", [sum, x]), first), last]);
};

const axisDown11: Adapter = (s) => {
  const axis = s.int("axis", 0);
  if (axis >= 0) {
    s.keep();
    return;
  }
  const rank = s.rank(s.input(0)) + (s.node.opType === "OneHot" ? 1 : 0);
  s.keep({ attributes: { axis: BigInt(axis + rank) } });
};

const axesDown11: Adapter = (s) => {
  const axes = s.ints("axes") ?? [];
  if (axes.every((a) => a >= 0)) {
    s.keep();
    return;
  }
  const rank = s.rank(s.input(0)) + (s.node.opType === "Unsqueeze" ? axes.length : 0);
  s.keep({ attributes: { axes: axes.map((a) => BigInt(a < 0 ? a + rank : a)) } });
};

const sliceDown11: Adapter = (s) => {
  const axes = s.whole(3, "axes");
  if (!axes?.some((a) => a < 0)) {
    s.keep();
    return;
  }
  const rank = s.rank(s.input(0));
  s.keep({ inputs: [s.input(0), s.input(1), s.input(2), s.ints64(axes.map((a) => (a < 0 ? a + rank : a))), s.input(4)] });
};

/** Places that are constants count from the front; those that are computed are taken to do so. */
function placesFromFront(s: Site, axis: number): string {
  const places = s.constant(s.input(1));
  if (!places || Array.from<number | bigint>(places.data).every((p) => p >= 0)) return s.input(1);
  const size = s.sizes(s.input(0))[axis] ?? 0;
  return s.ints64(
    Array.from<number | bigint, number>(places.data, (p) => (p < 0 ? Number(p) + size : Number(p))),
    places.dims,
  );
}

const gatherDown11: Adapter = (s) => {
  const axis = s.axis(s.int("axis", 0), () => s.rank(s.input(0)));
  s.keep({ inputs: [s.input(0), placesFromFront(s, axis)], attributes: { axis: BigInt(axis) } });
};

const scatterDown11: Adapter = (s) => {
  const axis = s.axis(s.int("axis", 0), () => s.rank(s.input(0)));
  s.keep({ op: "Scatter", inputs: [s.input(0), placesFromFront(s, axis), s.input(2)], attributes: { axis: BigInt(axis) } });
};

const noBatchScan: Adapter = (s) => {
  throw s.cannot("Scan over batches, as operator set 8 has it", "Export the model anew, with a later operator set.");
};

const ofAxis = ["ArgMax", "ArgMin", "Compress", "Concat", "Flatten", "OneHot", "Split"];
const ofAxes = ["ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd"];
const reducers = [...ofAxes, "ReduceSum", "ReduceSumSquare", "Squeeze", "Unsqueeze"];
const broadcasting = ["Add", "And", "Div", "Equal", "Greater", "Less", "Mul", "Or", "Pow", "Sub", "Xor"];
const variadic = ["Max", "Mean", "Min", "Sum"];

const all = (names: readonly string[], version: number, adapter: Adapter): Table["up"] =>
  Object.fromEntries(names.map((name) => [name, { [version]: adapter }]));

export const OLDER: Table = {
  up: {
    ...all(broadcasting, 7, broadcastUp7),
    Gemm: { 7: gemmUp7 },
    PRelu: { 7: slopeUp7 },
    Scan: { 9: noBatchScan },
    Scatter: { 11: (s) => s.keep({ op: "ScatterElements" }) },
  },
  down: {
    ...all(variadic, 8, sameShapes),
    ...all(ofAxis, 11, axisDown11),
    ...all(reducers, 11, axesDown11),
    Gather: { 11: gatherDown11 },
    Gemm: { 11: gemmDown11 },
    Scan: { 9: noBatchScan },
    ScatterElements: { 11: scatterDown11 },
    Slice: { 11: sliceDown11 },
  },
};
