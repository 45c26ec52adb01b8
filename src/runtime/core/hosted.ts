/** Runs of models with strings: what JavaScript does around the kernels. */
import type { Manifest, ManifestValue } from "../../engine/format.ts";
import { elementCount } from "../../tensor/tensor.ts";
import { fitsDims, HostRun, type HostValue } from "../../text/program.ts";
import { stringTensor, type AnyTensor } from "../../text/tensor.ts";
import { HoneError } from "../../util/errors.ts";
import type { Feeds, FeedTensor } from "./types.ts";

type Dims = readonly (number | string)[];
export type Hosted = NonNullable<Manifest["host"]>;

const wanted = ({ name, type, dims }: HostValue<Dims>): string => `input "${name}": expected ${type}[${dims.join("x")}]`;

/** A tensor of strings that fits what is declared, or in words what does not. */
function checked(value: HostValue<Dims>, given: FeedTensor | undefined): AnyTensor | string {
  const { type, dims, data } = given ?? {};
  if (type !== "string" || !Array.isArray(dims) || !Array.isArray(data)) return `${wanted(value)}, got ${type ?? "nothing"}`;
  const list: readonly unknown[] = data;
  const numbers: readonly number[] = dims;
  if (!numbers.every((d) => Number.isSafeInteger(d) && d >= 0) || !fitsDims(numbers, value.dims))
    return `${wanted(value)}, got string[${numbers.join("x")}]`;
  if (list.length !== elementCount(numbers)) return `${wanted(value)}: ${elementCount(numbers)} elements, got ${list.length}`;
  return list.every((s) => typeof s === "string")
    ? stringTensor(numbers, list)
    : `${wanted(value)}, got an array of other things than strings`;
}

/** The inputs of the kernels and, after them, the outputs of the model. */
export interface HostedRun {
  readonly feeds: Feeds;
  after(results: Readonly<Record<string, AnyTensor>>): Record<string, AnyTensor>;
}

/**
 * Does what comes before the kernels. Feeds of numbers are checked where all engines check theirs. Throws `feeds.invalid` for
 * strings that do not fit the model's inputs, and what the operators throw.
 */
export function beginHosted(host: Hosted, kernels: readonly ManifestValue[], feeds: Feeds): HostedRun {
  const problems = Object.keys(feeds)
    .filter((name) => !host.inputs.some((v) => v.name === name))
    .map((name) => `there is no input "${name}"; the inputs are ${host.inputs.map((v) => `"${v.name}"`).join(", ")}`);
  const strings: Record<string, AnyTensor> = {};
  for (const value of host.inputs.filter((v) => v.type === "string")) {
    const found = checked(value, feeds[value.name]);
    if (typeof found === "string") problems.push(found);
    else strings[value.name] = found;
  }
  const [first] = problems;
  if (first !== undefined)
    throw new HoneError(
      "feeds.invalid",
      problems.length === 1 ? first : `${problems.length} things are wrong with the tensors given to run`,
      {
        problems: problems.map((message) => ({ message })),
      },
    );
  const run = new HostRun(host, strings);
  const made = run.before();
  const given = kernels.flatMap(({ name }) => {
    const t: FeedTensor | undefined = made(name) ?? feeds[name];
    return t ? [[name, t] as const] : [];
  });
  return { feeds: Object.fromEntries(given), after: (results) => run.after(results) };
}
