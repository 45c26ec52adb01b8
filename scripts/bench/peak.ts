/** The fp32 peak of one core as a kernel: independent multiply-adds that never leave their registers. */
import { add, constant, fma, indexVar, int, load, typeOf, variable } from "../../src/loop/expr.ts";
import type { Machine } from "../../src/loop/machine.ts";
import { forLoop, letMutable, letVar, setVar, store } from "../../src/loop/stmt.ts";
import type { Buffer, Func } from "../../src/loop/types.ts";

/** Enough independent chains to hide the latency of a multiply-add on any CPU. */
const CHAINS = 12;
const TURNS = 20_000;

/** Parameters: x, y (one vector each), out (one vector a chain). */
export function peakKernel(machine: Machine): { readonly func: Func; readonly flops: number } {
  const { lanes } = machine;
  const x: Buffer = { name: "x", dtype: "float32", length: lanes, access: "read" };
  const y: Buffer = { name: "y", dtype: "float32", length: lanes, access: "read" };
  const out: Buffer = { name: "out", dtype: "float32", length: lanes * CHAINS, access: "write" };
  const type = typeOf("float32", lanes);
  const [vx, vy] = [variable("vx", type), variable("vy", type)];
  const chains = Array.from({ length: CHAINS }, (_, i) => variable(`a${i}`, type));
  const body = [
    letVar(vx, load(x, int(0), lanes)),
    letVar(vy, load(y, int(0), lanes)),
    ...chains.map((a, i) => letMutable(a, constant(i, "float32", lanes))),
    forLoop(
      indexVar("turn"),
      TURNS,
      chains.map((a) => setVar(a, fma(a, vx, vy))),
    ),
    ...chains.map((a, i) => store(out, add(int(0), int(i * lanes)), a)),
  ];
  return { func: { name: "peak", params: [x, y, out], body }, flops: 2 * lanes * CHAINS * TURNS };
}
