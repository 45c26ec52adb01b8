/** Strings for a model's inputs: a JSON file of a text, or of lists of them as deep as the input has dimensions. */
import { stringTensor, type StringTensor } from "../text/tensor.ts";
import { HoneError } from "../util/errors.ts";
import { readBounded } from "./model-file.ts";

/** The inputs of an engine or a graph that computes strings beside its kernels. */
interface Hosted {
  readonly inputs: readonly { readonly name: string; readonly type: string }[];
}

const MAX_BYTES = 2 ** 28;
const MAX_RANK = 32;

const HINT = 'Write it as --input NAME=FILE.json, where the file is a list of texts, such as ["good morning", "bonjour"].';

/** The values of --input that are for kernels, and those for the inputs of strings, which are read. Throws `usage`, `feeds.invalid`, `file.*`. */
export async function takeStrings(
  host: Hosted | undefined,
  flags: readonly string[],
  signal?: AbortSignal,
): Promise<{ readonly others: readonly string[]; readonly strings: Readonly<Record<string, StringTensor>> }> {
  const names = (host?.inputs ?? []).filter((v) => v.type === "string").map((v) => v.name);
  const nameOf = (flag: string): string | undefined => names.find((name) => flag.startsWith(`${name}=`));
  const missing = names.filter((name) => !flags.some((f) => nameOf(f) === name));
  if (missing.length > 0) throw new HoneError("usage", `the model reads strings: ${missing.join(", ")}`, { hint: HINT });
  const mine = flags.flatMap((flag) => {
    const name = nameOf(flag);
    return name === undefined ? [] : [{ name, path: flag.slice(name.length + 1) }];
  });
  const strings: Record<string, StringTensor> = {};
  for (const { name, path } of mine) strings[name] = parsed(await readBounded(path, MAX_BYTES, signal), path);
  return { others: flags.filter((f) => nameOf(f) === undefined), strings };
}

/** Throws `usage` for a model of strings, of which `job` cannot be done. */
export function refuseStrings(host: Hosted | undefined, job: string, file: string): void {
  if (host === undefined) return;
  const names = host.inputs.filter((v) => v.type === "string").map((v) => v.name);
  const what = names.length > 0 ? `reads strings (${names.join(", ")})` : "computes strings";
  throw new HoneError("usage", `the model ${what}, which JavaScript does beside the kernels: ${job}`, {
    at: { file },
    hint: "hone compare MODEL and hone run ENGINE take strings, each with --input NAME=FILE.json; run tells how long one run takes.",
  });
}

function parsed(bytes: Uint8Array, file: string): StringTensor {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new HoneError("feeds.invalid", "not JSON", { at: { file }, cause, hint: HINT });
  }
  const dims: number[] = [];
  for (let at = json; Array.isArray(at) && dims.length <= MAX_RANK; at = at[0]) dims.push(at.length);
  const data: readonly unknown[] = Array.isArray(json) ? json.flat(MAX_RANK) : [json];
  if (isDeep(json, dims) && data.every((s) => typeof s === "string")) return stringTensor(dims, data);
  throw new HoneError("feeds.invalid", "not a text or lists of texts of one length each", { at: { file }, hint: HINT });
}

/** Whether lists are as long as the first ones everywhere. */
function isDeep(json: unknown, [size, ...inner]: readonly number[]): boolean {
  if (size === undefined) return !Array.isArray(json);
  return Array.isArray(json) && json.length === size && json.every((x) => isDeep(x, inner));
}
