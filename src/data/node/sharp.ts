import type sharp from "sharp";
import { HoneError } from "../../util/errors.ts";

/** The function that the package `sharp` exports. */
export type Sharp = typeof sharp;

/** The optional peer `sharp`. Throws `dependency.missing` with the line that installs it. */
export async function loadSharp(): Promise<Sharp> {
  try {
    return (await import("sharp")).default;
  } catch (cause) {
    throw new HoneError("dependency.missing", "reading and writing image files needs the package sharp", {
      hint: "npm install sharp",
      cause,
    });
  }
}
