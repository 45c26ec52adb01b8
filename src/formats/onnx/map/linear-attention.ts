import { HoneError } from "../../../util/errors.ts";
import type { Mapper } from "./node.ts";

/** Of each rule: whether the past decays, and whether what is added is corrected by what is there. */
const RULES: Readonly<Record<string, readonly [decays: boolean, corrects: boolean]>> = {
  linear: [false, false],
  gated: [true, false],
  delta: [false, true],
  gated_delta: [true, true],
};

const linearAttention: Mapper = (n) => {
  const rule = n.text("update_rule", "gated_delta");
  const [decays, corrects] = RULES[rule] ?? [];
  if (decays === undefined || corrects === undefined) throw n.unsupported(`the rule "${rule}"`);
  const damaged = (what: string): HoneError => new HoneError("model.damaged", `LinearAttention: ${what}`);
  if (decays !== (n.inputs[4] !== undefined)) throw damaged(`the rule "${rule}" ${decays ? "needs" : "has no"} decay`);
  if (corrects !== (n.inputs[5] !== undefined)) throw damaged(`the rule "${rule}" ${corrects ? "needs" : "has no"} beta`);
  const [heads, groups] = [n.int("q_num_heads", 0), n.int("kv_num_heads", 0)];
  if (!(heads >= 1 && groups >= 1)) throw damaged("the numbers of heads are missing");
  const width = n.input(0).shape[2];
  if (typeof width !== "number") throw n.unsupported("an unknown head size", "Give the input shapes with --shape.");
  const given = n.float("scale", 0);
  const scale = given === 0 ? 1 / Math.sqrt(width / heads) : given;
  return n.emitAll("linearAttention", n.inputs, { heads, groups, scale }, 2);
};

export const LINEAR_ATTENTION: Readonly<Record<string, Mapper>> = { LinearAttention: linearAttention };
