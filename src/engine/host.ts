import { isDType } from "../tensor/dtype.ts";
import { HOST_OPS } from "../text/ops.ts";
import { ENGINE_LIMITS } from "./format.ts";

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value) && value.length <= ENGINE_LIMITS.kernels;
const isTexts = (value: unknown): boolean => isList(value) && value.every((s) => typeof s === "string");
const isCount = (value: unknown): boolean => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
const isNumbers = (value: unknown): boolean => isList(value) && value.every((x) => typeof x === "number");
const isScalar = (value: unknown): boolean => ["number", "string", "boolean"].includes(typeof value);
const isDims = (value: unknown): boolean =>
  isList(value) && value.length <= ENGINE_LIMITS.rank && value.every((d) => typeof d === "string" || isCount(d));

const isValue = (v: unknown): boolean =>
  isFields(v) &&
  typeof v["name"] === "string" &&
  typeof v["from"] === "string" &&
  typeof v["type"] === "string" &&
  (v["type"] === "string" || isDType(v["type"])) &&
  isDims(v["dims"]);

const isConstant = (c: unknown): boolean =>
  isFields(c) &&
  typeof c["name"] === "string" &&
  isDims(c["dims"]) &&
  isTexts(c["data"]) &&
  (c["dims"] as readonly unknown[]).reduce<number>((n, d) => n * Number(d), 1) === (c["data"] as readonly unknown[]).length;

const isStep = (s: unknown): boolean =>
  isFields(s) &&
  typeof s["op"] === "string" &&
  Object.hasOwn(HOST_OPS, s["op"]) &&
  isTexts(s["inputs"]) &&
  isTexts(s["outputs"]) &&
  typeof s["late"] === "boolean" &&
  typeof s["origin"] === "string" &&
  isFields(s["attrs"]) &&
  Object.values(s["attrs"]).every((a) => isScalar(a) || isTexts(a) || isNumbers(a));

/** Says what is wrong with the part of a manifest that is done in JavaScript. What its operators are given is theirs to check. */
export function checkHost(value: unknown, problems: string[]): void {
  const lists: readonly (readonly [string, (x: unknown) => boolean])[] = [
    ["inputs", isValue],
    ["outputs", isValue],
    ["constants", isConstant],
    ["steps", isStep],
  ];
  if (!isFields(value)) {
    problems.push("host: not an object");
    return;
  }
  for (const [name, is] of lists) {
    const list = value[name];
    if (!isList(list) || !list.every(is)) problems.push(`host: ${name} are not what they should be`);
  }
}
