import { HoneError } from "../../util/errors.ts";

/** A loop of the model that reached the bound of all loops: what the engine's code says in its own way. */
export const endless = (cause: unknown): HoneError =>
  new HoneError("engine.loop", "a loop of the model has not ended after 16777216 iterations", {
    cause,
    hint: "The condition of the loop never turns false for these inputs.",
  });
