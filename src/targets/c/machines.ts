/** The CPUs that the C target knows, best first: what a schedule may count on and how the compiler is told. */
import type { Machine } from "../../loop/machine.ts";

export interface CMachine extends Machine {
  /** Part of the name of the engine's code section. */
  readonly name: string;
  /** Node's process.arch. */
  readonly arch: "x64" | "arm64" | "any";
  /** Features that must be there, by the names that the host reports. */
  readonly features: readonly string[];
  readonly flags: readonly string[];
}

const V3 = ["-mavx2", "-mfma", "-mf16c", "-mbmi2"];
const V4 = [...V3, "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mprefer-vector-width=512"];

export const C_MACHINES: readonly CMachine[] = [
  {
    name: "avx512vnni",
    arch: "x64",
    features: ["avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni"],
    flags: [...V4, "-mavx512vnni"],
    lanes: 16,
    registers: 32,
    dot4: true,
  },
  {
    name: "avx512",
    arch: "x64",
    features: ["avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512dq"],
    flags: V4,
    lanes: 16,
    registers: 32,
  },
  {
    name: "avxvnni",
    arch: "x64",
    features: ["avx2", "fma", "avxvnni"],
    flags: [...V3, "-mavxvnni"],
    lanes: 8,
    registers: 16,
    dot4: true,
  },
  { name: "avx2", arch: "x64", features: ["avx2", "fma"], flags: V3, lanes: 8, registers: 16 },
  { name: "sse2", arch: "x64", features: [], flags: [], lanes: 4, registers: 16 },
  {
    name: "neon-dotprod",
    arch: "arm64",
    features: ["dotprod"],
    flags: ["-march=armv8.2-a+dotprod"],
    lanes: 4,
    registers: 32,
    dot4: true,
    widening: true,
  },
  { name: "neon", arch: "arm64", features: [], flags: [], lanes: 4, registers: 32, widening: true },
  { name: "generic", arch: "any", features: [], flags: [], lanes: 4, registers: 16 },
];

/** The best machine description that a CPU satisfies. */
export function chooseMachine(arch: string, features: readonly string[]): CMachine {
  const fits = (m: CMachine): boolean => (m.arch === "any" || m.arch === arch) && m.features.every((f) => features.includes(f));
  return C_MACHINES.find(fits) ?? { name: "generic", arch: "any", features: [], flags: [], lanes: 4, registers: 16 };
}
