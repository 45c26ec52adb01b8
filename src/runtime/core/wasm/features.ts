/** Which proposals to WebAssembly the engine of JavaScript knows: the smallest module that uses each is validated. */
import { webAssembly } from "./api.ts";

/** A module with one function of type [] → [] and this body. */
function moduleOf(body: readonly number[]): Uint8Array {
  const code = [0, ...body, 0x0b];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 4, 1, 0x60, 0, 0],
    ...[3, 2, 1, 0],
    ...[10, code.length + 2, 1, code.length, ...code],
  ]);
}

/** i32.const 0, splat. */
const ZERO = [0x41, 0, 0xfd, 0x11];
const DROP = 0x1a;

const PROBES: Readonly<Record<string, readonly number[]>> = {
  simd128: [...ZERO, DROP],
  // f32x4.relaxed_madd
  "relaxed-simd": [...ZERO, ...ZERO, ...ZERO, 0xfd, 0x85, 0x02, DROP],
};

/** Names of what is known here, as a target's `features` has them. */
export function wasmFeatures(): readonly string[] {
  const api = webAssembly();
  return Object.keys(PROBES).filter((name) => api.validate(moduleOf(PROBES[name] ?? [])));
}
