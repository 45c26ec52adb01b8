import { describe, expect, test } from "vitest";
import type { Graph, Value } from "../ir/graph.ts";
import { opBuilder } from "../ops/index.ts";
import { tensor } from "../tensor/tensor.ts";
import { planCost } from "./cost.ts";
import { economicalPlan, rangesFor } from "./economy.ts";
import { planInt8 } from "./plan.ts";
import { FAMILIES, PASSES, type Family, type Form, type Line, type Pass, type Rates } from "./rates.ts";

/** Every form of every family at so many picoseconds a multiply-add; a pass at so many an element. */
function rates(lines: Partial<Record<Family, Partial<Record<Form, number>>>>, pass: number): Rates {
  const line = (mac: number): Line => [mac, 0, 0, 0];
  const family = (of: Partial<Record<Form, number>> = {}): Record<Form, Line> => ({
    float: line(of.float ?? 20),
    floatByte: line(of.floatByte ?? of.float ?? 20),
    byte: line(of.byte ?? 10),
    byteFloat: line(of.byteFloat ?? of.byte ?? 10),
  });
  const pick = <K extends string, V>(keys: readonly K[], value: (k: K) => V): Record<K, V> =>
    Object.fromEntries(keys.map((k) => [k, value(k)])) as Record<K, V>;
  return { convs: pick(FAMILIES, (f) => family(lines[f])), passes: pick<Pass, number>(PASSES, () => pass), halves: false };
}

/** conv and relu over and over: `d` a depthwise one, `p` a pointwise one, `s` one of 3×3. */
function chain(kinds: string): Graph {
  const b = opBuilder("chain");
  let value: Value = b.input("x", "float32", [1, 16, 8, 8]);
  Array.from(kinds).forEach((kind, i) => {
    const [perGroup, k] = [kind === "d" ? 1 : 16, kind === "p" ? 1 : 3];
    const w = b.constant(tensor("float32", [16, perGroup, k, k], new Float32Array(16 * perGroup * k * k).fill(0.1)));
    const pad = (k - 1) / 2;
    const attrs = { strides: [1, 1], dilations: [1, 1], pads: [pad, pad, pad, pad], group: kind === "d" ? 16 : 1 };
    value = b.op("relu", [b.op("conv", [value, w], attrs, { name: `${kind}${i}` })]);
  });
  b.output(value);
  return b.finish();
}

const chosen = (kinds: string, r: Rates): string => {
  const { plan } = economicalPlan(chain(kinds), {}, r);
  return plan.graph.nodes.flatMap((n) => (n.op === "conv" ? [plan.units.has(n) ? "i" : "f"] : [])).join("");
};

describe("which layers int8 is for", () => {
  test("without rates, all; where int8 is faster, all", () => {
    expect(economicalPlan(chain("pdp"), {}, undefined).plan.refused.size).toBe(0);
    expect(chosen("pdp", rates({}, 1))).toBe("iii");
  });

  test("a slow family stays float between two that are int8, with the reason", () => {
    const r = rates({ depthwise: { byte: 60 } }, 1);
    expect(chosen("pdpdp", r)).toBe("ififi");
    const [why] = [...economicalPlan(chain("pdp"), {}, r).plan.refused.values()];
    expect(why).toMatch(/^int8 would be slower there, by \d+\.\d µs as modelled$/);
  });

  test("a layer that gains less than its borders cost stays float among float ones", () => {
    const r = rates({ small: { floatByte: 22, byte: 40 } }, 1);
    expect(chosen("spsss", r)).toBe("fffff");
  });

  test("a short run is int8 although none of its layers would be alone", () => {
    const lone = rates(
      { pointwise: { float: 20, floatByte: 35, byte: 14, byteFloat: 30 }, small: { float: 20, byte: 60, byteFloat: 60 } },
      1,
    );
    expect(chosen("spppps", lone)).toBe("fiiiif");
  });

  test("no choice of sides of a few layers is cheaper than the one found", () => {
    for (const kinds of ["pdpdps", "spdsp", "ddpsp"]) {
      const r = rates({ depthwise: { byte: 45, floatByte: 26 }, small: { float: 6, floatByte: 7, byte: 13 }, first: {} }, 900);
      const graph = chain(kinds);
      const found = planCost(economicalPlan(graph, {}, r).plan, r);
      const convs = graph.nodes.filter((n) => n.op === "conv");
      for (let bits = 0; bits < 2 ** convs.length; bits++) {
        const float = new Map(convs.flatMap((n, i): [string, string][] => ((bits >> i) & 1 ? [[n.name, ""]] : [])));
        expect(planCost(planInt8(graph, { float }), r)).toBeGreaterThanOrEqual(found * 0.999);
      }
    }
  });

  test("a value that shared its range before has the same one", () => {
    const b = opBuilder("joined");
    const x = b.input("x", "float32", [1, 16, 8, 8]);
    const conv = (v: Value, name: string, depthwise: boolean): Value => {
      const perGroup = depthwise ? 1 : Number(v.shape[1]);
      const w = b.constant(tensor("float32", [16, perGroup, 1, 1], new Float32Array(16 * perGroup).fill(0.1)));
      return b.op("conv", [v, w], { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], group: depthwise ? 16 : 1 }, { name });
    };
    const joined = b.op("concat", [conv(x, "a", true), conv(x, "b", true)], { axis: 1 }, { name: "joined" });
    b.output(conv(joined, "last", false));
    const ranges = new Map([
      ["x", { min: 0, max: 1 }],
      ["a", { min: -1, max: 2 }],
      ["b", { min: -3, max: 1 }],
    ]);
    const economy = economicalPlan(b.finish(), {}, rates({ depthwise: { byte: 1e6 } }, 1));
    expect(economy.full.observed.map((v) => v.name)).toEqual(["x", "a", "b"]);
    expect(rangesFor(economy, ranges)).toEqual(new Map([["joined", { min: -3, max: 2 }]]));
  });
});
