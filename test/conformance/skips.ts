export interface Skip {
  readonly case: string;
  readonly reason: string;
}

/** Half-precision cases of the WebAssembly back end. */
const halves = (names: readonly string[]): readonly Skip[] =>
  names
    .filter((name) => /\bb?float16\b/.test(name))
    .map((name) => ({ case: name, reason: "WebAssembly has no half-precision type, and no legalisation rule computes it in float32 yet" }));

/** Cases that a back end cannot do, each with the reason. One that it can do after all fails the suite. */
export const skipsOf = (names: readonly string[]): Readonly<Record<string, readonly Skip[]>> => ({
  WebAssembly: [...halves(names), { case: "mod of floats", reason: "there is no rule for the remainder of floats" }],
});
