import type { Adapter } from "./site.ts";

/** By operator, then by the version at which its meaning or its form changes. */
export type Steps = Readonly<Record<string, Readonly<Record<number, Adapter>>>>;

export interface Table {
  /** From the version before to this one. */
  readonly up: Steps;
  /** From this version to the one before. */
  readonly down: Steps;
}
