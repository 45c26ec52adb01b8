/** Of the operators of ONNX-ML those of numbers. */
import { isFloat } from "../../../tensor/dtype.ts";
import type { Mapper } from "./node.ts";
import { TREES } from "./trees.ts";

/** Places along the last axis; a vector counts as a row. */
const arrayFeatureExtractor: Mapper = (n) => {
  const x = n.input(0);
  const places = n.step("reshape", [n.input(1), n.ints64([-1])], { allowZero: false });
  const rows = x.shape.length === 1 ? n.step("unsqueeze", [x], { axes: [0] }) : x;
  return n.emit("gather", [rows, places], { axis: -1 });
};

/** 1 above the threshold; of whole numbers, above the whole number below it. */
const binarizer: Mapper = (n) => {
  const x = n.input(0);
  const threshold = n.float("threshold", 0);
  const above = n.step("greater", [x, n.scalarLike(x, isFloat(x.dtype) ? threshold : Math.floor(threshold))]);
  return n.emit("cast", [above], { to: x.dtype });
};

const MAPPERS: ReadonlyMap<string, Mapper> = new Map(
  Object.entries({ ArrayFeatureExtractor: arrayFeatureExtractor, Binarizer: binarizer, ...TREES }),
);

export const findMlMapper = (opType: string): Mapper | undefined => MAPPERS.get(opType);
