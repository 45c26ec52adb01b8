/** Little-endian base-128 integers and byte strings, as the WebAssembly binary format has them. */

/** Unsigned LEB128. */
export function unsigned(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return [...out, rest];
}

/** Signed LEB128 of up to 64 bits. */
export function signed(value: bigint): number[] {
  const out: number[] = [];
  let rest = value;
  for (;;) {
    const low = Number(BigInt.asUintN(7, rest));
    rest >>= 7n;
    const last = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0);
    out.push(last ? low : low | 0x80);
    if (last) return out;
  }
}

export const vector = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()];
export const name = (text: string): number[] => {
  const utf8 = [...new TextEncoder().encode(text)];
  return [...unsigned(utf8.length), ...utf8];
};
export const section = (id: number, body: readonly number[]): number[] => [id, ...unsigned(body.length), ...body];

const view = new DataView(new ArrayBuffer(8));
export function float32Bytes(x: number): number[] {
  view.setFloat32(0, x, true);
  return Array.from({ length: 4 }, (_, i) => view.getUint8(i));
}
export function float64Bytes(x: number): number[] {
  view.setFloat64(0, x, true);
  return Array.from({ length: 8 }, (_, i) => view.getUint8(i));
}
