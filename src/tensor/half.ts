const word = new DataView(new ArrayBuffer(4));
const double = new DataView(new ArrayBuffer(8));

/** IEEE 754 binary16 bits to a number. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A number to IEEE 754 binary16 bits, rounded to nearest even. */
export function toFloat16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const a = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (a >= 65520) return sign | 0x7c00;
  if (a < 2 ** -14) return sign | roundEven(a * 2 ** 24);
  const exponent = exponentOf(a);
  return sign | (((exponent + 15) << 10) + roundEven((a / 2 ** exponent - 1) * 1024));
}

/** floor(log2(a)) of a positive normal number, exactly: Math.log2 may round up to the next integer. */
function exponentOf(a: number): number {
  double.setFloat64(0, a);
  return (double.getUint16(0) >> 4) - 1023;
}

/** bfloat16 bits to a number. */
export function fromBFloat16(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

/** A number to bfloat16 bits, rounded to nearest even from float32. */
export function toBFloat16(value: number): number {
  word.setFloat32(0, value);
  const bits = word.getUint32(0);
  if (Number.isNaN(value)) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Rounds half to even, as IEEE 754 does by default; keeps the sign of a zero, as C's nearbyint does. */
export function roundEven(value: number): number {
  const floor = Math.floor(value);
  const diff = value - floor;
  const up = diff > 0.5 || (diff === 0.5 && floor % 2 !== 0);
  const rounded = up ? floor + 1 : floor;
  return rounded === 0 && value < 0 ? -0 : rounded;
}
