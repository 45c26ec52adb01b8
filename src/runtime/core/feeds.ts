import type { Manifest, ManifestProfile, ManifestValue } from "../../engine/format.ts";
import { DTYPES, type TypedArray } from "../../tensor/dtype.ts";
import { elementCount, viewOf, type Tensor } from "../../tensor/tensor.ts";
import { HoneError, must } from "../../util/errors.ts";
import type { Backend, Feeds } from "./types.ts";

export interface BoundFeeds {
  readonly profile: number;
  /** In the order of the manifest. */
  readonly inputs: readonly TypedArray[];
}

/** Checks feeds against the engine's inputs and picks the profile of their shapes. Throws `feeds.invalid` with all problems. */
export function bindFeeds(manifest: Manifest, feeds: Feeds): BoundFeeds {
  const { profiles } = manifest;
  const problems = checkNames("input", manifest.inputs, feeds, manifest);
  const shapes = profiles.map((p) => p.inputs);
  const inputs = manifest.inputs.map((value, i) =>
    checkTensor(
      "input",
      value,
      feeds[value.name],
      shapes.map((s) => s[i] ?? []),
      problems,
    ),
  );
  fail(problems, manifest);
  const profile = profiles.findIndex((p) => manifest.inputs.every((v, i) => sameDims(feeds[v.name]?.dims ?? [], p.inputs[i] ?? [])));
  if (profile < 0) fail(["each input has the shape of a profile, but no profile has all of these shapes together"], manifest);
  return { profile, inputs: inputs.map((data) => must(data, "input data")) };
}

/** Checks the caller's output tensors against a profile; they must not share memory with each other or with the inputs. */
export function bindOutputs(manifest: Manifest, bound: BoundFeeds, outputs: Feeds): readonly TypedArray[] {
  const profile = must(manifest.profiles[bound.profile], "profile");
  const problems = checkNames("output", manifest.outputs, outputs, manifest);
  const arrays = manifest.outputs.map((value, i) =>
    checkTensor("output", value, outputs[value.name], [profile.outputs[i] ?? []], problems),
  );
  fail(problems, manifest);
  const found = arrays.map((data) => must(data, "output data"));
  found.forEach((data, i) => {
    const other = [...bound.inputs, ...found.slice(0, i)].find((o) => overlaps(o, data));
    if (other !== undefined) problems.push(`output "${manifest.outputs[i]?.name ?? ""}" shares memory with an input or another output`);
  });
  fail(problems, manifest);
  return found;
}

/** Fresh tensors for the outputs of a profile, in memory that the backend gives. */
export function allocateOutputs(manifest: Manifest, profile: number, backend: Pick<Backend, "newMemory">): Tensor[] {
  const shapes = must(manifest.profiles[profile], "profile").outputs;
  return manifest.outputs.map(({ type }, i): Tensor => {
    const dims = must(shapes[i], "output shape");
    const count = elementCount(dims);
    return { type, dims, data: viewOf(type, backend.newMemory(count * DTYPES[type].bytes), 0, count) };
  });
}

/** Bytes of each value of a profile, in the order of the manifest. */
export function byteSizes(values: readonly ManifestValue[], shapes: readonly (readonly number[])[]): number[] {
  return values.map((v, i) => elementCount(shapes[i] ?? []) * DTYPES[v.type].bytes);
}

/** `input=1x3x640x640`, as `hone build --shape` takes it. */
export function profileText(manifest: Manifest, profile: ManifestProfile): string {
  return manifest.inputs.map((v, i) => `${v.name}=${dimsText(profile.inputs[i] ?? [])}`).join(" ");
}

function checkNames(what: string, values: readonly ManifestValue[], given: Feeds, manifest: Manifest): string[] {
  if (typeof given !== "object" || (given as unknown) === null) fail([`the ${what}s are not an object of tensors by name`], manifest);
  const names = values.map((v) => v.name);
  const unknown = Object.keys(given).filter((name) => !names.includes(name));
  return unknown.map((name) => `there is no ${what} "${name}"; the ${what}s are ${names.map((n) => `"${n}"`).join(", ")}`);
}

/** The tensor's data when it fits one of the shapes; what is wrong goes into `problems`. */
function checkTensor(
  what: string,
  value: ManifestValue,
  given: unknown,
  shapes: readonly (readonly number[])[],
  problems: string[],
): TypedArray | undefined {
  const wanted = (): string => `${what} "${value.name}": expected ${value.type}[${[...new Set(shapes.map(dimsText))].join(" or ")}]`;
  if (typeof given !== "object" || given === null) {
    problems.push(`${wanted()}, got ${given === undefined ? "nothing" : kindOf(given)}`);
    return undefined;
  }
  const { type, dims, data } = given as { readonly type?: unknown; readonly dims?: unknown; readonly data?: unknown };
  const { array } = DTYPES[value.type];
  if (!Array.isArray(dims) || typeof type !== "string") {
    problems.push(`${wanted()}, got an object without type and dims`);
  } else if (type !== value.type || !shapes.some((s) => sameDims(dims, s))) {
    problems.push(`${wanted()}, got ${type}[${dimsText(dims)}]`);
  } else if (!isKind(data, array.name)) {
    problems.push(`${wanted()} in a ${array.name}, got ${kindOf(data)}`);
  } else if (data.length !== elementCount(dims as readonly number[])) {
    problems.push(`${wanted()}: ${elementCount(dims as readonly number[])} elements, got ${data.length}`);
  } else if (isResizable(data.buffer)) {
    problems.push(`${wanted()}, got data in a resizable ArrayBuffer, which could shrink during the run`);
  } else {
    return data;
  }
  return undefined;
}

function fail(problems: readonly string[], manifest: Manifest): void {
  if (problems.length === 0) return;
  const [first = ""] = problems;
  const many = manifest.profiles.length > 1;
  const profiles = manifest.profiles.map((p) => profileText(manifest, p)).join("; ");
  throw new HoneError(
    "feeds.invalid",
    problems.length === 1 ? first : `${problems.length} things are wrong with the tensors given to run`,
    {
      at: { file: manifest.model.name },
      problems: problems.map((message) => ({ message })),
      hint: `The engine was built for ${many ? "these shapes" : "one shape"}: ${profiles}. Another is added with \`hone build --shape\`.`,
    },
  );
}

/** By its tag and not by instanceof, which fails for arrays of another realm, such as those of jest. */
function isKind(data: unknown, name: string): data is TypedArray {
  return ArrayBuffer.isView(data) && (data as Partial<TypedArray>)[Symbol.toStringTag] === name;
}

function kindOf(data: unknown): string {
  if (typeof data !== "object" || data === null) return data === null ? "null" : typeof data;
  return ArrayBuffer.isView(data) ? data.constructor.name : Array.isArray(data) ? "a plain array" : "an object";
}

function isResizable(buffer: ArrayBufferLike): boolean {
  return "resizable" in buffer && buffer.resizable === true;
}

function sameDims(a: readonly unknown[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

function dimsText(dims: readonly unknown[]): string {
  return dims.map(String).join("x");
}

function overlaps(a: TypedArray, b: TypedArray): boolean {
  return a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}
