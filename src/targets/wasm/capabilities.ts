/** What WebAssembly with 128-bit vectors computes itself. */
import { EVERYWHERE, NOWHERE, type Capabilities, type Support } from "../../loop/legalize/capabilities.ts";
import type { ScalarType } from "../../loop/types.ts";

const FLOATS: readonly ScalarType[] = ["float32", "float64"];
const SMALL: readonly ScalarType[] = ["int8", "uint8", "int16", "uint16", "int32", "uint32"];
const INTEGERS: readonly ScalarType[] = [...SMALL, "int64", "uint64"];
const EVERY: readonly ScalarType[] = [...FLOATS, ...INTEGERS, "bool", "index"];

const both = (types: readonly ScalarType[]): Support => ({ scalar: types, vector: types });
const split = (scalar: readonly ScalarType[], vector: readonly ScalarType[]): Support => ({ scalar, vector });
const float = both(FLOATS);

export const WASM_CAPABILITIES: Capabilities = {
  target: "wasm",
  registerBytes: 16,
  halves: "memory",
  native: {
    neg: both([...FLOATS, ...INTEGERS, "index"]),
    abs: both([...FLOATS, "int8", "int16", "int32"]),
    not: both([...INTEGERS, "bool", "index"]),
    floor: float,
    ceil: float,
    roundEven: float,
    trunc: float,
    sqrt: float,
    exp: NOWHERE,
    log: NOWHERE,
    tanh: NOWHERE,
    erf: NOWHERE,
    sin: NOWHERE,
    cos: NOWHERE,
    pow: split(INTEGERS, []),
    add: both(EVERY),
    sub: both(EVERY),
    mul: split(EVERY, [...FLOATS, "int16", "uint16", "int32", "uint32", "int64", "uint64"]),
    div: split(EVERY, FLOATS),
    mod: split(EVERY, []),
    min: split(EVERY, [...FLOATS, ...SMALL]),
    max: split(EVERY, [...FLOATS, ...SMALL]),
    and: both([...INTEGERS, "bool", "index"]),
    or: both([...INTEGERS, "bool", "index"]),
    xor: both([...INTEGERS, "bool", "index"]),
    shl: both([...INTEGERS, "index"]),
    shr: both([...INTEGERS, "index"]),
    mulhi: NOWHERE,
    cast: both(EVERY),
    compare: split(EVERY, [...FLOATS, ...SMALL, "int64"]),
    select: both(EVERY),
    fma: NOWHERE,
    dot4: EVERYWHERE,
    dot2: split([], ["int32"]),
    shuffle: both(EVERY),
    reduceLanes: both(EVERY),
    saturatingCast: split([], ["int32", "uint8"]),
    roundedBytes: EVERYWHERE,
  },
};

/** The same with the relaxed vector instructions, of which a multiply-add in one rounding or two is used. */
export const RELAXED_CAPABILITIES: Capabilities = {
  ...WASM_CAPABILITIES,
  native: { ...WASM_CAPABILITIES.native, fma: split([], FLOATS) },
};
