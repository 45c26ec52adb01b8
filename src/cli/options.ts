/** Options declared once: flags, help and the type of what a verb gets. */
import { Option } from "commander";
import { HoneError } from "../util/errors.ts";

export interface OptionSpec<T> {
  readonly flags: string;
  readonly about: string;
  /** May be given more than once. */
  readonly repeatable?: true;
  readonly choices?: readonly string[];
  readonly read: (value: unknown, flags: string) => T;
}

export type Options = Readonly<Record<string, OptionSpec<unknown>>>;
export type Values<O extends Options> = { readonly [K in keyof O]: ReturnType<O[K]["read"]> };

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

export const flag = (flags: string, about: string): OptionSpec<boolean> => ({ flags, about, read: (v) => v === true });

export const text = (flags: string, about: string): OptionSpec<string | undefined> => ({ flags, about, read: textOf });

export const list = (flags: string, about: string): OptionSpec<readonly string[]> => ({
  flags,
  about,
  repeatable: true,
  read: (v) => (Array.isArray(v) ? v.map(String) : []),
});

export function choice<const C extends string>(flags: string, about: string, choices: readonly C[]): OptionSpec<C | undefined> {
  return { flags, about, choices, read: (v) => choices.find((c) => c === v) };
}

/** Values of a closed list, separated by commas. */
export function choices<const C extends string>(flags: string, about: string, known: readonly C[]): OptionSpec<readonly C[]> {
  const read = (v: unknown): readonly C[] =>
    (textOf(v) ?? "").split(",").flatMap((part) => {
      const word = part.trim();
      const found = known.find((c) => c === word);
      if (found === undefined && word !== "") {
        throw new HoneError("usage", `${flags.split(" ")[0] ?? flags} does not know "${word}"`, { hint: `Use any of ${known.join(",")}.` });
      }
      return found ?? [];
    });
  return { flags, about: `${about} (any of ${known.join(",")})`, read };
}

/** A flag that may have a value: false when absent, true without one. */
export const flagOrText = (flags: string, about: string): OptionSpec<string | boolean> => ({
  flags,
  about,
  read: (v) => (typeof v === "string" ? v : v === true),
});

interface NumberRule {
  readonly min?: number;
  readonly max?: number;
  readonly integer?: boolean;
}

export function number(flags: string, about: string, otherwise: number, rule: NumberRule = {}): OptionSpec<number> {
  const read = (v: unknown): number => {
    if (v === undefined) return otherwise;
    const word = textOf(v)?.trim() ?? "";
    const value = word === "" ? NaN : Number(word);
    if (obeys(value, rule)) return value;
    throw new HoneError("usage", `${flags.split(" ")[0] ?? flags} must be ${ruleText(rule)}, got "${word}"`);
  };
  return { flags, about: `${about} (default ${otherwise})`, read };
}

/** A number that may be left away. */
export function optionalNumber(flags: string, about: string, rule: NumberRule = {}): OptionSpec<number | undefined> {
  const { read } = number(flags, about, NaN, rule);
  return { flags, about, read: (v) => (v === undefined ? undefined : read(v, flags)) };
}

function obeys(value: number, { min = -Infinity, max = Infinity, integer = false }: NumberRule): boolean {
  return Number.isFinite(value) && value >= min && value <= max && (!integer || Number.isInteger(value));
}

function ruleText({ min, max, integer }: NumberRule): string {
  const kind = integer === true ? "a whole number" : "a number";
  if (min !== undefined && max !== undefined) return `${kind} from ${min} to ${max}`;
  return min === undefined ? kind : `${kind} of at least ${min}`;
}

/** The option as commander wants it. */
export function toCommander(spec: OptionSpec<unknown>): Option {
  const option = new Option(spec.flags, spec.about);
  if (spec.choices) option.choices(spec.choices);
  if (spec.repeatable) option.argParser((value: string, before: unknown) => [...(Array.isArray(before) ? before.map(String) : []), value]);
  return option;
}

export function readValues<O extends Options>(specs: O, parsed: Readonly<Record<string, unknown>>): Values<O> {
  const values = Object.entries(specs).map(([key, spec]) => [key, spec.read(parsed[toCommander(spec).attributeName()], spec.flags)]);
  return Object.fromEntries(values) as Values<O>;
}
