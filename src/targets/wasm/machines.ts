/** The WebAssembly machines that engines are built for, best first. */
import type { Machine } from "../../loop/machine.ts";

export interface WasmMachine extends Machine {
  /** Part of the name of the engine's code section. */
  readonly name: string;
  /** Proposals that the engine of JavaScript must have, by the names that the runtime probes. */
  readonly features: readonly string[];
  readonly relaxed: boolean;
}

/**
 * Four float32 lanes. x64 and V8 leave 15 vector registers, but V8 puts the loads of a loop body before its arithmetic, so that the
 * inputs of a whole step are alive at once: 12 gives tiles of 8 channels × 4 pixels, which do not spill.
 */
const SIMD = { lanes: 4, registers: 12 } as const;

export const WASM_MACHINES: readonly [WasmMachine, ...WasmMachine[]] = [
  { ...SIMD, name: "relaxed", features: ["simd128", "relaxed-simd"], relaxed: true },
  { ...SIMD, name: "simd128", features: ["simd128"], relaxed: false },
];
