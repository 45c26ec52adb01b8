/** What mappings of operators on strings are given. */
import { HoneError } from "../../../util/errors.ts";
import type { HostBuilder } from "../host.ts";
import { isTensor, type Text, type Thing } from "../things.ts";
import type { NodeView } from "./node.ts";

/** As a `Mapper`, for operators some of whose operands are strings. */
export type TextMapper = (n: NodeView, things: readonly (Thing | undefined)[], host: HostBuilder) => Thing | readonly Thing[];

export const isText = (thing: Thing | undefined): thing is Text => thing !== undefined && !isTensor(thing) && thing.kind === "text";

export function textAt(n: NodeView, things: readonly (Thing | undefined)[], i: number): Text {
  const thing = things[i];
  if (isText(thing)) return thing;
  throw new HoneError("model.damaged", `the input ${i} of ${n.node.opType} is ${thing === undefined ? "missing" : "no tensor of strings"}`);
}
