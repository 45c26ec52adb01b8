/** Counts of sequences of words in texts (ONNX's TfIdfVectorizer, for strings). */
import { tensor } from "../tensor/tensor.ts";
import { HoneError } from "../util/errors.ts";
import type { HostAttrs, HostOp } from "./op.ts";
import { isStrings, stringCount } from "./tensor.ts";

const numbers = (attrs: HostAttrs, name: string): readonly number[] => {
  const value = attrs[name];
  return Array.isArray(value) ? value.map(Number) : [];
};

/** The column of each sequence, by its length and its words. */
function columnsOf(attrs: HostAttrs): ReadonlyMap<number, ReadonlyMap<string, number>> {
  const words = Array.isArray(attrs["words"]) ? attrs["words"].map(String) : [];
  const columns = numbers(attrs, "columns");
  const found = new Map<number, Map<string, number>>();
  let at = 0;
  numbers(attrs, "lengths").forEach((length, i) => {
    const own = found.get(length) ?? new Map<string, number>();
    found.set(length, own);
    own.set(JSON.stringify(words.slice(at, at + length)), columns[i] ?? 0);
    at += length;
  });
  return found;
}

function countRow(row: readonly string[], columns: ReturnType<typeof columnsOf>, skip: number, counts: Float32Array): void {
  for (const [length, own] of columns) {
    for (let apart = 1; apart <= (length === 1 ? 1 : Math.min(skip + 1, row.length)); apart++) {
      for (let at = 0; at + (length - 1) * apart < row.length; at++) {
        const column = own.get(JSON.stringify(Array.from({ length }, (_, k) => row[at + k * apart])));
        if (column !== undefined) counts[column] = (counts[column] ?? 0) + 1;
      }
    }
  }
}

/** Attributes: the sequences' lengths, words one after the other and columns; width, skip, mode, weights. */
export const tfIdf: HostOp = ([x], attrs) => {
  if (!x || !isStrings(x) || x.dims.length < 1 || x.dims.length > 2)
    throw new HoneError("graph.shape", "operators on strings: TfIdfVectorizer takes [C] or [B,C]");
  const [rows, length] = x.dims.length === 1 ? [1, x.dims[0] ?? 0] : [x.dims[0] ?? 0, x.dims[1] ?? 0];
  const [width, skip, mode] = [Number(attrs["width"]), Number(attrs["skip"]), attrs["mode"]];
  stringCount([rows, width]);
  const columns = columnsOf(attrs);
  const weights = numbers(attrs, "weights");
  const data = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++) {
    const counts = data.subarray(r * width, (r + 1) * width);
    countRow(x.data.slice(r * length, (r + 1) * length), columns, skip, counts);
    if (mode !== "TF") counts.forEach((n, c) => (counts[c] = (mode === "IDF" ? Math.min(n, 1) : n) * (weights[c] ?? 1)));
  }
  return [tensor("float32", [...x.dims.slice(0, -1), width], data)];
};
