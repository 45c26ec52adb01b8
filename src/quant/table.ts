/** Calibration tables: the range of every value that int8 needs one of, bound to the model they were taken from. */
import { HoneError } from "../util/errors.ts";
import type { Means } from "./correct.ts";
import type { Factors } from "./equalise.ts";
import type { Range } from "./scale.ts";

export interface CalibrationTable {
  /** SHA-256 of the model file. */
  readonly model: string;
  /** How the ranges were chosen. */
  readonly method: string;
  /** SHA-256 of the content of each photo that the ranges were taken from, sorted. */
  readonly samples: readonly string[];
  /** Of photos that judged what was tried, sorted. */
  readonly heldBack?: readonly string[];
  /** By the names of values of the optimised graph. */
  readonly ranges: ReadonlyMap<string, Range>;
  /** What chose each range, where `method` leaves that open. */
  readonly chosen?: ReadonlyMap<string, string>;
  /** What the channels of values were scaled by before they were observed. */
  readonly factors?: Factors;
  /** Means of the channels of what convolutions read, by which their biases are corrected. */
  readonly means?: Means;
  /** Nodes that stay in float32, with the reason. */
  readonly float?: ReadonlyMap<string, string>;
}

const VERSION = 1;

/** JSON of one line a value; the same table gives the same bytes. */
export function writeTable(table: CalibrationTable): string {
  const { model, method, samples, heldBack = [], ranges, chosen, factors, means, float } = table;
  const entries = [...ranges].map(([name, { min, max }]) => {
    const by = chosen?.get(name);
    return `    ${JSON.stringify(name)}: ${JSON.stringify({ min, max, ...(by === undefined ? {} : { by }) })}`;
  });
  const lists = (of: ReadonlyMap<string, readonly number[]> = new Map()): string[] =>
    [...of].map(([name, list]) => `    ${JSON.stringify(name)}: ${JSON.stringify(list)}`);
  const head = { calibration: VERSION, model, method, samples, heldBack, float: Object.fromEntries(float ?? []) };
  const lines = Object.entries(head).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  const section = (name: string, list: readonly string[]): string => `  "${name}": {\n${list.join(",\n")}\n  }`;
  return `{\n${[...lines, section("factors", lists(factors)), section("means", lists(means)), section("ranges", entries)].join(",\n")}\n}\n`;
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

const isFinite = (x: unknown): x is number => typeof x === "number" && Number.isFinite(x);

/** Lists of numbers by the names of values. */
function readLists(section: unknown, what: string, isOne: (x: number) => boolean): ReadonlyMap<string, readonly number[]> {
  return new Map(
    Object.entries(isFields(section) ? section : {}).map(([name, list]) => {
      if (Array.isArray(list) && list.every((x): x is number => isFinite(x) && isOne(x))) return [name, list];
      throw wrong(`the ${what} of ${name} are none`);
    }),
  );
}

const texts = (fields: unknown): ReadonlyMap<string, string> =>
  new Map(isFields(fields) ? Object.entries(fields).filter((e): e is [string, string] => isText(e[1])) : []);

/** Reads a table. Throws `quant.table` when it is none. */
export function readTable(text: string): CalibrationTable {
  const json = parse(text);
  if (!isFields(json)) throw wrong("it is not a JSON object");
  if (json["calibration"] !== VERSION) throw wrong(`its version is not ${VERSION}`);
  const { model, method, samples, heldBack = [], ranges } = json;
  if (!isText(model) || !isText(method)) throw wrong("it names no model or no method");
  if (!Array.isArray(samples) || !samples.every(isText)) throw wrong("its samples are not a list of hashes");
  if (!Array.isArray(heldBack) || !heldBack.every(isText)) throw wrong("the samples that were held back are not a list of hashes");
  if (!isFields(ranges)) throw wrong("it has no ranges");
  const entries = Object.entries(ranges);
  return {
    model,
    method,
    samples,
    heldBack,
    ranges: new Map(entries.map(([name, entry]) => [name, readRange(name, entry)])),
    chosen: texts(Object.fromEntries(entries.map(([name, entry]) => [name, isFields(entry) ? entry["by"] : undefined]))),
    factors: readLists(json["factors"], "factors", (f) => f > 0),
    means: readLists(json["means"], "means", () => true),
    float: texts(json["float"]),
  };
}
