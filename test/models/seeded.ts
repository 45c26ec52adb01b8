import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { DType } from "../../src/tensor/dtype.ts";
import { elementCount, tensor, viewOf, type Tensor } from "../../src/tensor/tensor.ts";

/** The models and photos that lie beside the checkout of a developer; absent elsewhere. */
export const SHARED: string = join(import.meta.dirname, "../../../shared");

/** Whether a file is there; says on stderr what is skipped when it is not. */
export function have(path: string): boolean {
  if (existsSync(path)) return true;
  process.stderr.write(`skipped: ${path} is not here\n`);
  return false;
}

/** A file of an installed package that exports nothing. */
export function packagePath(name: string, file: string): string {
  return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), file);
}

/** The input that scripts/oracles/litert.py feeds: a minimal standard LCG, mapped to [-1, 1]. */
export function seeded(count: number): Float32Array<ArrayBuffer> {
  let state = 1n;
  return Float32Array.from({ length: count }, () => {
    state = (state * 1103515245n + 12345n) & 0x7fffffffn;
    return (Number(state) / 0x7fffffff) * 2 - 1;
  });
}

/** The inputs that scripts/oracles/litert-integer.py feeds, one after the other: bytes of the same generator, and its floats times 4. */
export function seededInputs(types: readonly { readonly dtype: DType; readonly dims: readonly number[] }[]): readonly Tensor[] {
  let state = 1n;
  const next = (): number => Number((state = (state * 1103515245n + 12345n) & 0x7fffffffn));
  return types.map(({ dtype, dims }) => {
    const count = elementCount(dims);
    if (dtype === "float32")
      return tensor(
        dtype,
        dims,
        Float32Array.from({ length: count }, () => ((next() / 0x7fffffff) * 2 - 1) * 4),
      );
    const bytes = Uint8Array.from({ length: count }, () => (next() >> 16) & 255);
    return tensor(dtype, dims, viewOf(dtype, bytes.buffer, 0, count));
  });
}
