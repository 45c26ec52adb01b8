/** QuantizeLinear and DequantizeLinear, which grew types, axes and blocks. */
import { elementCount, zeros } from "../../../tensor/tensor.ts";
import type { DType } from "../../../tensor/dtype.ts";
import { typeName } from "./facts.ts";
import type { Adapter, Site } from "./site.ts";
import type { Table } from "./table.ts";

const isOne = (s: Site): boolean => s.known(s.input(1)).dims?.every((d) => d === 1) === true;

/** One scale for all: an axis says nothing. */
const down13: Adapter = (s) => {
  if (!isOne(s)) throw s.cannot("scales along an axis");
  s.keep({ attributes: { axis: undefined } });
};

/** Whole number types that a zero point of zero can be of. */
const INTEGERS: Readonly<Record<string, DType>> = { uint8: "uint8", int8: "int8", uint16: "uint16", int16: "int16" };

/** Elements of a constant that is made here. */
const LARGEST = 1 << 24;

/** The type of the result, which was that of the zero point. */
const quantizeDown21: Adapter = (s) => {
  const type = s.int("output_dtype", 0);
  const attributes = { output_dtype: undefined };
  if (type === 0 || s.input(2) !== "") {
    s.keep({ attributes });
    return;
  }
  const dtype = INTEGERS[typeName(type) ?? ""];
  if (dtype === undefined) throw s.cannot(`the type ${typeName(type) ?? String(type)}`);
  const dims = s.sizes(s.input(1));
  if (elementCount(dims) > LARGEST) throw s.cannot(`scales of the shape [${dims.join(",")}]`);
  const zero = s.add(zeros(dtype, dims), "zero");
  s.keep({ inputs: [s.input(0), s.input(1), zero], attributes });
};

/** The type of the result, which was that of the scale. */
const dequantizeDown23: Adapter = (s) => {
  const type = s.int("output_dtype", 0);
  if (type !== 0 && typeName(type) !== s.known(s.input(1)).type) throw s.cannot("a result of another type than the scale's");
  s.keep({ attributes: { output_dtype: undefined } });
};

export const QUANTIZED: Table = {
  up: {},
  down: {
    DequantizeLinear: { 13: down13, 23: dequantizeDown23 },
    QuantizeLinear: { 13: down13, 21: quantizeDown21 },
  },
};
