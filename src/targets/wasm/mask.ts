/** Masks: vectors of bools with lanes of 16 / lanes bytes. */
import type { Emitter } from "./emitter.ts";

/** Bytes of a mask's lane. */
export const widthOf = (lanes: number): number => 16 / lanes;

/** Takes the first `to` bytes of every lane of `from` bytes. */
export function shuffleLanes(m: Emitter, lanes: number, from: number, to: number): void {
  m.get(m.keep("v128"));
  m.bytes(
    "i8x16.shuffle",
    Array.from({ length: 16 }, (_, k) => (k < lanes * to ? Math.floor(k / to) * from + (k % to) : 0)),
  );
}

/** Repeats every byte-mask lane until it is `to` bytes wide. */
export function widenMask(m: Emitter, from: number, to: number): void {
  for (let width = from; width < to; width *= 2) {
    const [narrow, wide] = [8 * width, 16 * width];
    m.op(`i${wide}x${128 / wide}.extend_low_i${narrow}x${128 / narrow}_s`);
  }
}

/** A mask with lanes as wide as the elements it chooses between. */
export function narrowMask(m: Emitter, lanes: number, to: number): void {
  if (widthOf(lanes) !== to) shuffleLanes(m, lanes, widthOf(lanes), to);
}

/** The mask of bytes that are 0 or not. */
export function maskOfBytes(m: Emitter, lanes: number): void {
  m.bytes("v128.const", new Array<number>(16).fill(0));
  m.op("i8x16.ne");
  widenMask(m, 1, widthOf(lanes));
}

/** Bytes 0 and 1 of a mask. */
export function toBytes(m: Emitter, lanes: number): void {
  narrowMask(m, lanes, 1);
  m.bytes("v128.const", new Array<number>(16).fill(1));
  m.op("v128.and");
}
