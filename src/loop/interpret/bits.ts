import { DTYPES, type DType } from "../../tensor/dtype.ts";
import { invariant } from "../../util/errors.ts";
import type { LoopType } from "../types.ts";
import { getter, memoryOf, setter, type Memory } from "./memory.ts";
import type { Vector } from "./scope.ts";

/** Reinterprets bits between types of one total size. */
export function bitcaster(from: LoopType, to: LoopType): (v: Vector) => Vector {
  const bytes = (t: LoopType): number => t.lanes * (t.dtype === "index" ? 4 : DTYPES[t.dtype].bytes);
  invariant(bytes(from) === bytes(to), "bitcast between types of one size");
  const memory = new ArrayBuffer(bytes(from));
  const view = (t: LoopType): Memory => {
    const dtype: DType = t.dtype === "index" ? "int32" : t.dtype;
    return memoryOf({ name: "bits", dtype, length: t.lanes, access: "readwrite" }, new DTYPES[dtype].array(memory, 0, t.lanes));
  };
  const [write, read] = [setter(view(from)), getter(view(to))];
  return (v) => {
    v.forEach((x, i) => write(i, x));
    return Array.from({ length: to.lanes }, (_, i) => read(i));
  };
}
