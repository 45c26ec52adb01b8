import { must } from "../../util/errors.ts";

type Numbers = Float32Array | Float64Array | Int32Array | BigInt64Array | BigUint64Array;

/** A typed array that grows: the elements of one repeated field, which may arrive in any number of packed and single pieces. */
export interface Growing {
  /** Makes room for `count` more elements. */
  reserve(count: number): void;
  push(value: number | bigint): void;
  /** What was pushed, without spare room. */
  done(): Numbers | readonly number[];
}

type NumberList = new (length: number) => Numbers;

export type NumericType = "float" | "double" | "int32" | "int64" | "uint64" | "size";

const ARRAYS: Record<NumericType, NumberList> = {
  float: Float32Array,
  double: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  size: Float64Array,
};

export function isNumeric(type: string): type is NumericType {
  return Object.hasOwn(ARRAYS, type);
}

export function growing(type: NumericType): Growing {
  const List = ARRAYS[type];
  let data = new List(0);
  let length = 0;
  return {
    reserve(count) {
      if (length + count <= data.length) return;
      // exact for the usual single packed piece, doubling for elements that come one by one
      const bigger = new List(count > 1 ? length + count : Math.max(8, length * 2));
      copyInto(bigger, data);
      data = bigger;
    },
    push(value) {
      data[length++] = value;
    },
    done() {
      const used = length === data.length ? data : data.subarray(0, length);
      return type === "size" ? Array.from(used, Number) : used;
    },
  };
}

function copyInto(to: Numbers, from: Numbers): void {
  for (let i = 0; i < from.length; i++) to[i] = must(from[i], "element");
}

/** What an absent repeated field of numbers reads as. */
export function noNumbers(type: NumericType): Numbers | readonly number[] {
  return type === "size" ? NO_SIZES : EMPTY[type];
}

const NO_SIZES: readonly number[] = Object.freeze([]);
const EMPTY = {
  float: new Float32Array(),
  double: new Float64Array(),
  int32: new Int32Array(),
  int64: new BigInt64Array(),
  uint64: new BigUint64Array(),
};
