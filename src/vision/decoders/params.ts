import type { DecoderRule } from "../../engine/recipe.ts";
import { HoneError, type Problem } from "../../util/errors.ts";

const MAX_LIST = 64;

/** Reads the parameters of a decoder and collects what is wrong with them, so that all of it is reported at once. */
export class ParamReader {
  readonly problems: Problem[] = [];
  readonly #rule: DecoderRule;
  readonly #read = new Set<string>();

  constructor(rule: DecoderRule) {
    this.#rule = rule;
  }

  /** A number from `least` to `most`. */
  number(name: string, least: number, most: number): number {
    const value = this.#take(name);
    if (isNumber(value, least, most)) return value;
    return this.#wrong(name, `a number from ${least} to ${most}`, least);
  }

  /** A list of one or more numbers from `least` to `most`; of exactly `length` when that is given. */
  numbers(name: string, least: number, most: number, length?: number): readonly number[] {
    const value = this.#take(name);
    if (isList(value) && (length === undefined || value.length === length)) {
      const numbers = value.filter((v): v is number => isNumber(v, least, most));
      if (numbers.length === value.length) return numbers;
    }
    return this.#wrong(name, `a list of ${length ?? "one or more"} numbers from ${least} to ${most}`, []);
  }

  /** `length` lists of numbers, as `numbers`. */
  numberLists(name: string, least: number, most: number, length: number): readonly (readonly number[])[] {
    const value = this.#take(name);
    if (isList(value) && value.length === length) {
      const lists = value.filter((v): v is number[] => isList(v) && v.every((n) => isNumber(n, least, most)));
      if (lists.length === length) return lists;
    }
    return this.#wrong(name, `${length} lists of numbers from ${least} to ${most}`, []);
  }

  /** One of a few words. */
  choice<const C extends string>(name: string, words: readonly [C, ...C[]]): C {
    const value = this.#take(name);
    return words.find((word) => word === value) ?? this.#wrong(name, `one of ${words.join(", ")}`, words[0]);
  }

  /** Something that is wrong with parameters together. */
  report(message: string): void {
    this.problems.push({ message });
  }

  /** A list of names, of exactly `length`. */
  names(name: string, length: number): readonly string[] {
    const value = this.#take(name);
    if (isList(value) && value.length === length) {
      const names = value.filter((v): v is string => typeof v === "string" && v !== "");
      if (names.length === length) return names;
    }
    return this.#wrong(name, `a list of ${length} names`, []);
  }

  /** Throws `recipe.invalid` with everything that was wrong, parameters that nobody asked for among it. */
  finish(): void {
    for (const name of Object.keys(this.#rule.params)) {
      if (!this.#read.has(name)) this.problems.push({ message: `decoder.params.${name} is not a parameter of ${this.#rule.kind}` });
    }
    if (this.problems.length === 0) return;
    throw new HoneError("recipe.invalid", `the parameters of the decoder ${this.#rule.kind} are wrong`, { problems: this.problems });
  }

  #take(name: string): unknown {
    this.#read.add(name);
    return this.#rule.params[name];
  }

  #wrong<T>(name: string, wanted: string, instead: T): T {
    this.problems.push({ message: `decoder.params.${name} must be ${wanted}, got ${JSON.stringify(this.#rule.params[name])}` });
    return instead;
  }
}

function isNumber(value: unknown, least: number, most: number): value is number {
  return typeof value === "number" && value >= least && value <= most;
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length > 0 && value.length <= MAX_LIST;
}
