/** Normalisations: as they changed, and in terms of older operators. */
import type { Adapter, Site } from "./site.ts";
import type { Table } from "./table.ts";

const batchNormUp7: Adapter = (s) => {
  if (s.int("is_test", 0) === 0 && [1, 2, 3, 4].some((i) => s.gives(i))) throw s.cannot("the training mode", INFERENCE);
  s.keep({ outputs: s.node.output.slice(0, 1), attributes: { is_test: undefined, consumed_inputs: undefined } });
};

const INFERENCE = "Export the model for inference.";

const batchNormUp9: Adapter = (s) => {
  if (s.int("spatial", 1) === 0) throw s.cannot("statistics for each position (spatial = 0)");
  s.keep({ attributes: { spatial: undefined } });
};

const batchNormUp14: Adapter = (s) => {
  if ([1, 2, 3, 4].some((i) => s.gives(i))) throw s.cannot("the training mode", INFERENCE);
  s.keep({ outputs: s.node.output.slice(0, 1) });
};

const batchNormDown14: Adapter = (s) => {
  if (s.int("training_mode", 0) === 1) throw s.cannot("the training mode", INFERENCE);
  s.keep({ attributes: { training_mode: undefined } });
};

const batchNormDown15: Adapter = (s) => {
  const types = new Set(s.node.input.map((name) => s.known(name).type).filter((type) => type !== undefined));
  if (types.size > 1) throw s.cannot(`operands of several types (${[...types].join(", ")})`);
  s.keep();
};

/** Scale and bias were one for each group, and are one for each channel. */
const groupNormUp21: Adapter = (s) => {
  const groups = s.int("num_groups", 1);
  const channels = s.known(s.input(0)).dims?.[1];
  if (channels === undefined) throw s.cannot("an unknown number of channels", "Fix it: --shape INPUT=DIMS.");
  const perChannel = (name: string): string => {
    const column = s.step("Reshape", [name, s.ints64([groups, 1])]);
    const wide = s.step("Expand", [column, s.ints64([groups, channels / groups])]);
    return s.step("Reshape", [wide, s.ints64([channels])]);
  };
  s.keep({ inputs: [s.input(0), perChannel(s.input(1)), perChannel(s.input(2))] });
};

/** Every group as one channel of an InstanceNormalization, whose scale is 1 and whose bias is 0. */
const groupNormDown: Adapter = (s) => {
  const { x, cast } = inFloat(s);
  const groups = s.int("num_groups", 1);
  const rank = s.rank(x);
  const { type, dims } = s.known(x);
  const three = { type, dims: [dims?.[0], groups, undefined] };
  const grouped = s.step("Reshape", [x, s.ints64([0, groups, -1])], {}, three);
  const [ones, none] = [s.like(x, 1, [1]), s.like(x, 0, [1])];
  const perGroup = (name: string): string => (groups === 1 ? name : s.step("Tile", [name, s.ints64([groups])]));
  const epsilon = s.float("epsilon", 1e-5);
  const normal = s.step("InstanceNormalization", [grouped, perGroup(ones), perGroup(none)], { epsilon }, three);
  const back = cast(s.step("Reshape", [normal, s.step("Shape", [x])], {}, x));
  const shaped = (name: string): string => s.step("Reshape", [name, s.ints64([-1, ...new Array<number>(rank - 2).fill(1)])]);
  s.emit("Add", [s.step("Mul", [back, shaped(s.input(1))], {}, s.input(0)), shaped(s.input(2))]);
};

/** The axes from the operator's own on. */
function axesFrom(s: Site): readonly bigint[] {
  const axis = s.int("axis", -1);
  if (axis === -1 && s.known(s.input(0)).dims === undefined) return [-1n];
  const rank = s.rank(s.input(0));
  const first = s.axis(axis, () => rank);
  return Array.from({ length: rank - first }, (_, i) => BigInt(first + i));
}

interface InFloat {
  readonly x: string;
  readonly cast: (name: string) => string;
}

/** The value in the type in which it is normalised, and the way back. */
function inFloat(s: Site): InFloat {
  const given = s.input(0);
  const { type, dims } = s.known(given);
  if (type === undefined) throw s.cannot("a value of unknown type");
  if (s.int("stash_type", 1) !== 1 || type === "float" || type === "double") return { x: given, cast: (name) => name };
  const x = s.step("Cast", [given], { to: 1n }, { type: "float", dims });
  return { x, cast: (name) => s.step("Cast", [name], { to: BigInt(s.typeNumber(given)) }, given) };
}

const layerNormDown: Adapter = (s) => {
  const { x, cast } = inFloat(s);
  const axes = axesFrom(s);
  const mean = s.step("ReduceMean", [x], { axes }, reduced(s, x, axes));
  const centred = s.step("Sub", [x, mean], {}, x);
  const variance = s.step("ReduceMean", [s.step("Mul", [centred, centred], {}, x)], { axes }, mean);
  const deviation = s.step("Sqrt", [s.step("Add", [variance, s.like(x, s.float("epsilon", 1e-5))], {}, mean)], {}, mean);
  const scaled = [cast(s.step("Div", [centred, deviation], {}, x)), s.input(1)];
  if (s.input(2) === "") s.emit("Mul", scaled);
  else s.emit("Add", [s.step("Mul", scaled, {}, s.input(0)), s.input(2)]);
  if (s.gives(1)) s.emit("Identity", [mean], {}, s.node.output[1]);
  if (s.gives(2)) s.emit("Reciprocal", [deviation], {}, s.node.output[2]);
};

const reduced = (
  s: Site,
  x: string,
  axes: readonly bigint[],
): { readonly type: string | undefined; readonly dims: (number | undefined)[] | undefined } => {
  const { type, dims } = s.known(x);
  return { type, dims: dims?.map((d, i) => (axes.includes(BigInt(i)) ? 1 : d)) };
};

const rmsNormDown: Adapter = (s) => {
  const { x, cast } = inFloat(s);
  const axes = axesFrom(s);
  const square = s.step("ReduceMean", [s.step("Mul", [x, x], {}, x), s.ints64(axes.map(Number))], {}, reduced(s, x, axes));
  const root = s.step("Sqrt", [s.step("Add", [square, s.like(x, s.float("epsilon", 1e-5))], {}, square)], {}, square);
  s.emit("Mul", [cast(s.step("Div", [x, root], {}, x)), s.input(1)]);
};

/** (x − mean) / (deviation + 1e-9), as the operator was defined. */
const meanVarianceDown: Adapter = (s) => {
  const x = s.input(0);
  const axes = (s.ints("axes") ?? [0, 2, 3]).map((a) => BigInt(s.axis(a, () => s.rank(x))));
  const mean = s.step("ReduceMean", [x], { axes }, reduced(s, x, axes));
  const centred = s.step("Sub", [x, mean], {}, x);
  const variance = s.step("ReduceMean", [s.step("Mul", [centred, centred], {}, x)], { axes }, mean);
  s.emit("Div", [centred, s.step("Add", [s.step("Sqrt", [variance], {}, mean), s.like(x, 1e-9)], {}, mean)]);
};

export const NORMS: Table = {
  up: {
    BatchNormalization: { 7: batchNormUp7, 9: batchNormUp9, 14: batchNormUp14 },
    GroupNormalization: { 21: groupNormUp21 },
  },
  down: {
    BatchNormalization: { 14: batchNormDown14, 15: batchNormDown15 },
    GroupNormalization: { 21: groupNormDown },
    LayerNormalization: { 17: layerNormDown },
    MeanVarianceNormalization: { 9: meanVarianceDown },
    RMSNormalization: { 23: rmsNormDown },
  },
};
