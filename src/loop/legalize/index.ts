/** Removes from a kernel what a target lacks, by named rules; printers then never decide anything. */
import type { Func } from "../types.ts";
import type { Capabilities } from "./capabilities.ts";
import { emulateHalves } from "./half.ts";
import { freshNames } from "./names.ts";
import { Rewriter } from "./rewriter.ts";
import { splitLanes } from "./split-lanes.ts";

/**
 * The kernel in terms of what `caps` lists: operations by the rules in rules/, wide vectors as several registers.
 * Throws `target.unsupported` for an operation that no rule covers.
 */
export function legalize(f: Func, caps: Capabilities): Func {
  const narrow = splitLanes(caps.halves === "memory" ? emulateHalves(f) : f, caps.registerBytes);
  const legal: Func = { ...narrow, body: new Rewriter(caps, freshNames(narrow)).body(narrow.body) };
  return splitLanes(legal, caps.registerBytes);
}
