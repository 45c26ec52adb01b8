import { expect, test } from "vitest";
import { fromBFloat16, fromFloat16, toBFloat16, toFloat16 } from "./half.ts";
import { narrowAll, narrowed, readAs, widenAll, type Half } from "./halves.ts";
import { tensor } from "./tensor.ts";

const EVERY = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** Every half, the numbers halfway to the next and those beside them, and what is not a number or too large. */
function cases(): Float32Array {
  const list: number[] = [0, -0, NaN, Infinity, -Infinity, 65504, 65519.99, 65520, 1e38, -1e-40, 2 ** -24, 2 ** -25, 3 * 2 ** -26];
  const raw = new Uint32Array(1);
  const float = new Float32Array(raw.buffer);
  for (let i = 0; i < 65536; i += 7)
    for (const low of [0, 1, 0xfff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001]) {
      raw[0] = ((i << 16) | low) >>> 0;
      list.push(float[0] ?? 0);
    }
  for (let i = 0; i < 0x7c00; i++) list.push(fromFloat16(i), (fromFloat16(i) + fromFloat16(i + 1)) / 2, -fromFloat16(i));
  return Float32Array.from(list);
}

test.each<[Half, (bits: number) => number, (x: number) => number]>([
  ["float16", fromFloat16, toFloat16],
  ["bfloat16", fromBFloat16, toBFloat16],
])("many numbers at once as %s are what each alone is", (half, from, to) => {
  const all = cases();
  expect(narrowAll(all, half)).toEqual(Uint16Array.from(all, to));
  expect(widenAll(EVERY, half)).toEqual(Float32Array.from(EVERY, from));
});

test("a tensor that is kept in halves is read as the float32 it was rounded to, and as itself where halves are asked for", () => {
  const kept = narrowed(tensor("float32", [2], Float32Array.of(1 + 2 ** -12, -0.1)), "float16");
  expect(readAs(kept, "float32")).toEqual({ type: "float32", dims: [2], data: Float32Array.of(1, -0.0999755859375) });
  expect(readAs(kept, "float32")).toBe(readAs(kept, "float32"));
  expect(readAs(kept, "float16")).toBe(kept);
});
