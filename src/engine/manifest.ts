import { DTYPES, isDType } from "../tensor/dtype.ts";
import { ENGINE_LIMITS, type Manifest } from "./format.ts";
import { checkHost } from "./host.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What is wrong with a manifest, in words; empty when it is a {@link Manifest}. Trusts nothing about the value. */
export function checkManifest(value: unknown, sections: readonly string[]): string[] {
  const problems: string[] = [];
  if (!isFields(value)) return ["the manifest is not an object"];
  if (!isName(value["hone"])) problems.push("hone: the version is missing");
  if (!isName(value["precision"])) problems.push("precision: missing");
  if (!isFields(value["model"]) || !isName(value["model"]["name"]) || !isName(value["model"]["sha256"])) {
    problems.push("model: name and sha256 are needed");
  }
  const inputs = checkValues("inputs", value["inputs"], problems);
  const outputs = checkValues("outputs", value["outputs"], problems);
  checkProfiles(value["profiles"], inputs, outputs, problems);
  checkKernels(value["kernels"], problems);
  if (value["host"] !== undefined) checkHost(value["host"], problems);
  checkTargets(value["targets"], sections, Array.isArray(value["profiles"]) ? value["profiles"].length : 0, problems);
  return problems;
}

/** {@link checkManifest} as a type guard's answer. */
export function isManifest(value: unknown, sections: readonly string[]): value is Manifest {
  return checkManifest(value, sections).length === 0;
}

interface Value {
  readonly name: string;
  readonly elementBytes: number;
  readonly dims: readonly (number | string)[];
}

function checkValues(what: string, value: unknown, problems: string[]): readonly Value[] {
  if (!isList(value, ENGINE_LIMITS.values)) {
    problems.push(`${what}: not a list of at most ${ENGINE_LIMITS.values} values`);
    return [];
  }
  const found: Value[] = [];
  const names = new Set<string>();
  value.forEach((v, i) => {
    const { name, type, dims }: Fields = isFields(v) ? v : {};
    if (!isName(name)) problems.push(`${what}[${i}]: the name is missing`);
    else if (names.has(name)) problems.push(`${what}[${i}]: the name "${name}" is there twice`);
    else names.add(name);
    if (typeof type !== "string" || !isDType(type)) problems.push(`${what}[${i}]: unknown type`);
    if (!isList(dims, ENGINE_LIMITS.rank) || !dims.every(isDim)) problems.push(`${what}[${i}]: dims are not a shape`);
    else if (isName(name) && typeof type === "string" && isDType(type)) found.push({ name, elementBytes: DTYPES[type].bytes, dims });
  });
  return found;
}

function checkProfiles(value: unknown, inputs: readonly Value[], outputs: readonly Value[], problems: string[]): void {
  if (!isList(value, ENGINE_LIMITS.profiles) || value.length === 0) {
    problems.push(`profiles: 1 to ${ENGINE_LIMITS.profiles} are needed`);
    return;
  }
  value.forEach((p, i) => {
    const profile: Fields = isFields(p) ? p : {};
    if (!isSize(profile["arenaBytes"], ENGINE_LIMITS.arenaBytes)) problems.push(`profiles[${i}]: arenaBytes is not a size`);
    checkShapes(`profiles[${i}].inputs`, profile["inputs"], inputs, problems);
    checkShapes(`profiles[${i}].outputs`, profile["outputs"], outputs, problems);
  });
}

function checkShapes(what: string, value: unknown, values: readonly Value[], problems: string[]): void {
  if (!isList(value, ENGINE_LIMITS.values) || value.length !== values.length) {
    problems.push(`${what}: needs ${values.length} shapes`);
    return;
  }
  values.forEach((v, i) => {
    const dims = value[i];
    if (!isList(dims, ENGINE_LIMITS.rank) || dims.length !== v.dims.length || !dims.every(isCount)) {
      problems.push(`${what}[${i}]: not a shape of rank ${v.dims.length} for "${v.name}"`);
    } else if (dims.some((d, k) => typeof v.dims[k] === "number" && v.dims[k] !== d)) {
      problems.push(`${what}[${i}]: contradicts the dims of "${v.name}"`);
    } else if (dims.reduce((n, d) => n * d, v.elementBytes) > ENGINE_LIMITS.tensorBytes) {
      problems.push(`${what}[${i}]: "${v.name}" is larger than ${ENGINE_LIMITS.tensorBytes} bytes`);
    }
  });
}

function checkKernels(value: unknown, problems: string[]): void {
  const isKernel = (k: unknown): boolean => isFields(k) && isName(k["name"]) && Array.isArray(k["nodes"]) && k["nodes"].every(isText);
  if (!isList(value, ENGINE_LIMITS.kernels) || !value.every(isKernel)) problems.push("kernels: not a list of names and nodes");
}

function checkTargets(value: unknown, sections: readonly string[], profiles: number, problems: string[]): void {
  if (!isList(value, ENGINE_LIMITS.sections)) {
    problems.push("targets: not a list");
    return;
  }
  value.forEach((t, i) => {
    const target: Fields = isFields(t) ? t : {};
    const { section, kind, platform, features } = target;
    if (kind !== "so" && kind !== "wasm") problems.push(`targets[${i}]: unknown kind`);
    if (typeof platform !== "string") problems.push(`targets[${i}]: the platform is missing`);
    if (!isList(features, 256) || !features.every(isName)) problems.push(`targets[${i}]: features are not a list of names`);
    if (typeof section !== "string" || !sections.includes(section)) problems.push(`targets[${i}]: its section is not in the file`);
    checkMemory(`targets[${i}]`, target, sections, profiles, problems);
  });
}

/** The optional fields that say what memory a target needs. */
function checkMemory(what: string, target: Fields, sections: readonly string[], profiles: number, problems: string[]): void {
  const { weights, arenaBytes, scratchBytes, threadBytes } = target;
  if (weights !== undefined && (typeof weights !== "string" || !sections.includes(weights))) {
    problems.push(`${what}: its weights are not in the file`);
  }
  const isArena = (bytes: unknown): boolean => isSize(bytes, ENGINE_LIMITS.arenaBytes);
  if (arenaBytes !== undefined && !(isList(arenaBytes, profiles) && arenaBytes.length === profiles && arenaBytes.every(isArena))) {
    problems.push(`${what}: arenaBytes are not ${profiles} sizes`);
  }
  if (scratchBytes !== undefined && !isSize(scratchBytes, 2 ** 31)) problems.push(`${what}: scratchBytes is not a size`);
  if (threadBytes !== undefined && !isSize(threadBytes, 2 ** 31)) problems.push(`${what}: threadBytes is not a size`);
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isList(value: unknown, limit: number): value is readonly unknown[] {
  return Array.isArray(value) && value.length <= limit;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= ENGINE_LIMITS.nameLength;
}

function isName(value: unknown): value is string {
  return isText(value) && value.length > 0;
}

function isCount(value: unknown): value is number {
  return isSize(value, ENGINE_LIMITS.tensorBytes);
}

function isDim(value: unknown): value is number | string {
  return isCount(value) || isName(value);
}

export function isSize(value: unknown, limit: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= limit;
}
