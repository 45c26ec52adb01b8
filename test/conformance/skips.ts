export interface Skip {
  readonly case: string;
  readonly reason: string;
}

/** Cases that a back end cannot do, each with the reason. One that it can do after all fails the suite. */
export const SKIPS: Readonly<Record<string, readonly Skip[]>> = {};
