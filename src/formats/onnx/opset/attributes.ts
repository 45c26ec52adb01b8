/** Attributes that became inputs, both ways. */
import type { Adapter, Site } from "./site.ts";
import type { Table } from "./table.ts";

/** An attribute of integers becomes input `i`. */
const toInput =
  (i: number, name: string): Adapter =>
  (s) => {
    const values = s.ints(name);
    const inputs = [...s.node.input];
    while (inputs.length < i) inputs.push("");
    if (values !== undefined) inputs[i] = s.ints64(values);
    s.keep({ inputs, attributes: { [name]: undefined } });
  };

const bigints = (values: readonly number[]): readonly bigint[] => values.map((v) => BigInt(v));

/** The numbers of input `i` become an attribute. */
const toAttribute =
  (i: number, name: string): Adapter =>
  (s) => {
    const values = s.whole(i, name);
    s.keep({ inputs: s.node.input.slice(0, i), attributes: values === undefined ? {} : { [name]: bigints(values) } });
  };

/** Operators that do more than reduce are not the identity over no axes. */
const PLAIN = ["ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"];

const reduceToAttribute: Adapter = (s) => {
  const axes = s.whole(1, "axes") ?? [];
  if (axes.length === 0 && s.int("noop_with_empty_axes", 0) === 1) {
    if (!PLAIN.includes(s.node.opType)) throw s.cannot("noop_with_empty_axes");
    s.emit("Identity", [s.input(0)]);
    return;
  }
  const attributes = { noop_with_empty_axes: undefined, ...(axes.length > 0 ? { axes: bigints(axes) } : {}) };
  s.keep({ inputs: [s.input(0)], attributes });
};

/** The parts of an axis, where they are not said to be equal ones. */
const splitDown18: Adapter = (s) => {
  const parts = s.int("num_outputs", 0);
  if (parts === 0 || s.input(1) !== "") {
    s.keep({ attributes: { num_outputs: undefined } });
    return;
  }
  if (parts !== s.node.output.length) throw s.cannot(`num_outputs = ${parts} for ${s.node.output.length} outputs`);
  const dims = s.known(s.input(0)).dims;
  const size = dims?.[s.axis(s.int("axis", 0), () => dims.length)];
  if (size === undefined) throw s.cannot("num_outputs over an axis of unknown size", "Fix it: --shape INPUT=DIMS.");
  const part = Math.ceil(size / parts);
  const sizes = Array.from({ length: parts }, (_, i) => Math.max(0, Math.min(part, size - i * part)));
  const inputs = size % parts === 0 ? s.node.input : [s.input(0), s.ints64(sizes)];
  s.keep({ inputs, attributes: { num_outputs: undefined } });
};

const splitUp18: Adapter = (s) => s.keep(s.input(1) === "" ? { attributes: { num_outputs: BigInt(s.node.output.length) } } : {});

const clipUp11: Adapter = (s) => {
  const bound = (name: string): string => (s.has(name) ? s.like(s.input(0), s.float(name, 0)) : "");
  s.keep({ inputs: [s.input(0), bound("min"), bound("max")], attributes: { min: undefined, max: undefined } });
};

const clipDown11: Adapter = (s) => {
  const [low, high] = [s.input(1), s.input(2)];
  const values = [low, high].map((name) => s.constant(name));
  const [least, most] = values.map((v) => Number(v?.data[0]));
  const known = [low, high].every((name, i) => name === "" || values[i]?.type === "float32");
  // The older operator may refuse bounds in the wrong order.
  if (known && !(least !== undefined && most !== undefined && least > most)) {
    const attributes = Object.fromEntries(
      values.flatMap((v, i) => (v ? [[i === 0 ? "min" : "max", Number(v.data[0] ?? 0)] as const] : [])),
    );
    s.keep({ inputs: [s.input(0)], attributes });
    return;
  }
  // Bounds that are computed: the larger of the lower bound, the smaller of the upper one.
  if (high === "") s.emit("Max", [s.input(0), low]);
  else s.emit("Min", [low === "" ? s.input(0) : s.step("Max", [s.input(0), low], {}, s.input(0)), high]);
};

const padUp11: Adapter = (s) => {
  const value = s.float("value", 0);
  const inputs = [s.input(0), s.ints64(s.ints("pads") ?? []), value === 0 ? "" : s.like(s.input(0), value)];
  s.keep({ inputs, attributes: { pads: undefined, value: undefined } });
};

const padDown11: Adapter = (s) => {
  const pads = s.whole(1, "pads") ?? [];
  const value = s.constant(s.input(2));
  if (s.input(2) !== "" && value === undefined) throw s.cannot("a value computed while the model runs");
  if (value && value.type !== "float32" && value.data[0] !== 0) throw s.cannot(`a value of ${value.type}`);
  const attributes = { pads: bigints(pads), ...(value ? { value: Number(value.data[0] ?? 0) } : {}) };
  s.keep({ inputs: [s.input(0)], attributes });
};

/** Pads of some axes as pads of all. */
const padDown18: Adapter = (s) => {
  const axes = s.whole(3, "axes");
  if (axes === undefined) {
    s.keep({ inputs: s.node.input.slice(0, 3) });
    return;
  }
  const rank = s.rank(s.input(0));
  const given = s.whole(1, "pads") ?? [];
  const pads = new Array<number>(2 * rank).fill(0);
  axes.forEach((axis, i) => {
    const at = s.axis(axis, () => rank);
    pads[at] = given[i] ?? 0;
    pads[at + rank] = given[i + axes.length] ?? 0;
  });
  s.keep({ inputs: [s.input(0), s.ints64(pads), s.input(2)] });
};

const padDown19: Adapter = (s) => {
  if (s.text("mode", "constant") === "wrap") throw s.cannot('the mode "wrap"');
  s.keep();
};

const sliceUp10: Adapter = (s) => {
  const [starts = [], ends = [], axes] = [s.ints("starts"), s.ints("ends"), s.ints("axes")];
  const inputs = [s.input(0), s.ints64(starts), s.ints64(ends), ...(axes ? [s.ints64(axes)] : [])];
  s.keep({ inputs, attributes: { starts: undefined, ends: undefined, axes: undefined } });
};

const sliceDown10: Adapter = (s) => {
  const axes = s.whole(3, "axes");
  const [starts, ends, steps] = [s.whole(1, "starts") ?? [], s.whole(2, "ends") ?? [], s.whole(4, "steps") ?? []];
  if (steps.some((step) => step !== 1)) throw s.cannot("steps other than 1");
  const bounds = (values: readonly number[]): readonly bigint[] => bigints(values.map((v) => Math.min(Math.max(v, -LAST), LAST)));
  s.keep({ inputs: [s.input(0)], attributes: { starts: bounds(starts), ends: bounds(ends), ...(axes ? { axes: bigints(axes) } : {}) } });
};

/** Beyond any dim, and exact. */
const LAST = 2 ** 31 - 1;

const topKUp10: Adapter = (s) => s.keep({ inputs: [s.input(0), s.ints64([s.int("k", 1)])], attributes: { k: undefined } });

const topKDown10: Adapter = (s) => {
  const [k] = s.whole(1, "k") ?? [];
  s.keep({ inputs: [s.input(0)], attributes: { k: BigInt(k ?? 1) } });
};

/** The smallest are the largest of what is negated; ties fall to the first either way. */
const topKDown11: Adapter = (s) => {
  if (s.int("largest", 1) === 1) {
    s.keep({ attributes: { largest: undefined, sorted: undefined } });
    return;
  }
  const x = s.step("Neg", [s.input(0)], {}, s.input(0));
  const [values = "", places = ""] = s.node.output;
  const top = s.fresh("top");
  s.keep({ inputs: [x, s.input(1)], outputs: [top, places], attributes: { largest: undefined, sorted: undefined } });
  if (values !== "") s.emit("Neg", [top]);
};

const dropoutUp12: Adapter = (s) =>
  s.keep({ inputs: [s.input(0), s.has("ratio") ? s.floats32([s.float("ratio", 0.5)], []) : ""], attributes: { ratio: undefined } });

const dropoutDown12: Adapter = (s) => {
  const training = s.constant(s.input(2));
  if (s.input(2) !== "" && training?.data[0] !== 0) throw s.cannot("the training mode");
  // It was left open what the mask is when nothing is dropped.
  if (s.gives(1)) throw s.cannot("the mask");
  const ratio = s.constant(s.input(1));
  const given = ratio?.type === "float32" ? { ratio: Number(ratio.data[0] ?? 0) } : {};
  s.keep({ inputs: [s.input(0)], attributes: { seed: undefined, ...given } });
};

/** The mask was of the type of the data. */
const dropoutUp10: Adapter = (s) => {
  const [y = "", mask = ""] = s.node.output;
  if (!s.gives(1)) {
    s.keep({ outputs: [y] });
    return;
  }
  const type = s.typeNumber(s.input(0));
  const kept = s.fresh("mask");
  s.keep({ outputs: [y, kept] });
  s.emit("Cast", [kept], { to: BigInt(type) }, mask);
};

const dropoutDown10: Adapter = (s) => {
  if (s.gives(1)) throw s.cannot("the mask");
  s.keep({ outputs: s.node.output.slice(0, 1) });
};

const dftUp20: Adapter = (s) =>
  s.keep({ inputs: [s.input(0), s.input(1), s.ints64([s.int("axis", 1)], [])], attributes: { axis: undefined } });

const dftDown20: Adapter = (s) => {
  const [axis = -2] = s.whole(2, "axis") ?? [];
  s.keep({ inputs: [s.input(0), s.input(1)], attributes: { axis: BigInt(s.axis(axis, () => s.rank(s.input(0)))) } });
};

const without =
  (...names: readonly string[]): Adapter =>
  (s: Site) =>
    s.keep({ attributes: Object.fromEntries(names.map((name) => [name, undefined])) });

const REDUCTIONS = [
  "ReduceL1",
  "ReduceL2",
  "ReduceLogSum",
  "ReduceLogSumExp",
  "ReduceMax",
  "ReduceMean",
  "ReduceMin",
  "ReduceProd",
  "ReduceSumSquare",
];

export const ATTRIBUTES: Table = {
  up: {
    Clip: { 11: clipUp11 },
    DFT: { 20: dftUp20 },
    Dropout: { 7: without("is_test"), 10: dropoutUp10, 12: dropoutUp12 },
    GRU: { 7: without("output_sequence") },
    LSTM: { 7: without("output_sequence") },
    Pad: { 11: padUp11 },
    RNN: { 7: without("output_sequence") },
    ReduceSum: { 13: toInput(1, "axes") },
    Slice: { 10: sliceUp10 },
    Split: { 13: toInput(1, "split"), 18: splitUp18 },
    Squeeze: { 13: toInput(1, "axes") },
    TopK: { 10: topKUp10 },
    Unsqueeze: { 13: toInput(1, "axes") },
    ...Object.fromEntries(REDUCTIONS.map((op) => [op, { 18: toInput(1, "axes") }])),
  },
  down: {
    Clip: { 11: clipDown11 },
    DFT: { 20: dftDown20 },
    Dropout: { 10: dropoutDown10, 12: dropoutDown12 },
    Pad: { 11: padDown11, 18: padDown18, 19: padDown19 },
    ReduceSum: { 13: reduceToAttribute },
    Slice: { 10: sliceDown10 },
    Split: { 13: toAttribute(1, "split"), 18: splitDown18 },
    Squeeze: { 13: toAttribute(1, "axes") },
    TopK: { 10: topKDown10, 11: topKDown11 },
    Unsqueeze: { 13: toAttribute(1, "axes") },
    ...Object.fromEntries(REDUCTIONS.map((op) => [op, { 18: reduceToAttribute }])),
  },
};
