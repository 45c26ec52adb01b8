/** Calibration tables: the range of every value that int8 needs one of, bound to the model they were taken from. */
import { HoneError } from "../util/errors.ts";
import type { Factors } from "./equalise.ts";
import type { Range } from "./scale.ts";

export interface CalibrationTable {
  /** SHA-256 of the model file. */
  readonly model: string;
  /** How the ranges were chosen. */
  readonly method: string;
  /** SHA-256 of each photo's content, sorted. */
  readonly samples: readonly string[];
  /** By the names of values of the optimised graph. */
  readonly ranges: ReadonlyMap<string, Range>;
  /** What chose each range, where `method` leaves that open. */
  readonly chosen?: ReadonlyMap<string, string>;
  /** What the channels of values were scaled by before they were observed. */
  readonly factors?: Factors;
  /** Nodes that stay in float32, with the reason. */
  readonly float?: ReadonlyMap<string, string>;
}

const VERSION = 1;

/** JSON of one line a value; the same table gives the same bytes. */
export function writeTable(table: CalibrationTable): string {
  const { model, method, samples, ranges, chosen, factors, float } = table;
  const entries = [...ranges].map(([name, { min, max }]) => {
    const by = chosen?.get(name);
    return `    ${JSON.stringify(name)}: ${JSON.stringify({ min, max, ...(by === undefined ? {} : { by }) })}`;
  });
  const scaled = [...(factors ?? [])].map(([name, list]) => `    ${JSON.stringify(name)}: ${JSON.stringify(list)}`);
  const head = { calibration: VERSION, model, method, samples, float: Object.fromEntries(float ?? []) };
  const lines = Object.entries(head).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  const section = (name: string, list: readonly string[]): string => `  "${name}": {\n${list.join(",\n")}\n  }`;
  return `{\n${[...lines, section("factors", scaled), section("ranges", entries)].join(",\n")}\n}\n`;
}

type Fields = Readonly<Record<string, unknown>>;
const isFields = (x: unknown): x is Fields => typeof x === "object" && x !== null && !Array.isArray(x);
const isText = (x: unknown): x is string => typeof x === "string";

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const wrong = (why: string): HoneError =>
  new HoneError("quant.table", `this is not a calibration table: ${why}`, {
    hint: "Make one with: hone calibrate MODEL --images DIR -o table.json",
  });

function readRange(name: string, entry: unknown): Range {
  const { min, max }: Fields = isFields(entry) ? entry : {};
  if (typeof min === "number" && typeof max === "number" && min <= max && Number.isFinite(max - min)) return { min, max };
  throw wrong(`the range of ${name} is none`);
}

function readFactors(name: string, list: unknown): readonly number[] {
  if (Array.isArray(list) && list.every((f): f is number => typeof f === "number" && f > 0 && Number.isFinite(f))) return list;
  throw wrong(`the factors of ${name} are none`);
}

const texts = (fields: unknown): ReadonlyMap<string, string> =>
  new Map(isFields(fields) ? Object.entries(fields).filter((e): e is [string, string] => isText(e[1])) : []);

/** Reads a table. Throws `quant.table` when it is none. */
export function readTable(text: string): CalibrationTable {
  const json = parse(text);
  if (!isFields(json)) throw wrong("it is not a JSON object");
  if (json["calibration"] !== VERSION) throw wrong(`its version is not ${VERSION}`);
  const { model, method, samples, ranges } = json;
  if (!isText(model) || !isText(method)) throw wrong("it names no model or no method");
  if (!Array.isArray(samples) || !samples.every(isText)) throw wrong("its samples are not a list of hashes");
  if (!isFields(ranges)) throw wrong("it has no ranges");
  const entries = Object.entries(ranges);
  return {
    model,
    method,
    samples,
    ranges: new Map(entries.map(([name, entry]) => [name, readRange(name, entry)])),
    chosen: texts(Object.fromEntries(entries.map(([name, entry]) => [name, isFields(entry) ? entry["by"] : undefined]))),
    factors: new Map(
      Object.entries(isFields(json["factors"]) ? json["factors"] : {}).map(([name, list]) => [name, readFactors(name, list)]),
    ),
    float: texts(json["float"]),
  };
}
