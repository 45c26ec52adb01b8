/**
 * Regular expressions as RE2 writes them (RE2's syntax page: no back references and no looking around), read into a tree.
 * They are matched without backtracking (./match.ts), so that no pattern can hang: that is why JavaScript's own are not used.
 */
import { HoneError } from "../../util/errors.ts";
import { characterClass, escapeClass, folded, type CharacterSet } from "./characters.ts";

export type Assertion = "begin" | "end" | "lineBegin" | "lineEnd" | "word" | "notWord";

export type Regex =
  | { readonly kind: "set"; readonly has: CharacterSet }
  | { readonly kind: "assert"; readonly what: Assertion }
  | { readonly kind: "all" | "any"; readonly parts: readonly Regex[] }
  | { readonly kind: "repeat"; readonly part: Regex; readonly least: number; readonly most: number };

/** What RE2 allows. */
const MAX_REPEAT = 1000;
const MAX_DEPTH = 200;
const MAX_PATTERN = 1 << 16;

interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
}

/** The tree of a pattern. Throws `model.unsupported` with the place for what is no pattern of RE2. */
export function parseRegex(pattern: string): Regex {
  if (pattern.length > MAX_PATTERN) throw new HoneError("model.unsupported", `a pattern of more than ${MAX_PATTERN} characters`);
  return new Parser(pattern).whole();
}

const ESCAPED_ASSERTIONS: Readonly<Record<string, Assertion>> = { A: "begin", z: "end", b: "word", B: "notWord" };
const CONTROL: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

const only =
  (code: number): CharacterSet =>
  (c) =>
    c === code;

class Parser {
  readonly #text: readonly string[];
  readonly #pattern: string;
  #at = 0;
  #flags: Flags = { i: false, m: false, s: false };

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#text = Array.from(pattern);
  }

  whole(): Regex {
    const tree = this.#alternatives(0);
    if (this.#at < this.#text.length) throw this.#fault("an unmatched )");
    return tree;
  }

  #fault(what: string): HoneError {
    return new HoneError("model.unsupported", `the pattern "${this.#pattern.slice(0, 200)}" has ${what} at character ${this.#at}`, {
      hint: "Patterns are those of RE2, which have no back references and no looking around.",
    });
  }

  #peek(text: string): boolean {
    return Array.from(text).every((c, i) => this.#text[this.#at + i] === c);
  }

  #take(text: string): boolean {
    if (!this.#peek(text)) return false;
    this.#at += Array.from(text).length;
    return true;
  }

  #next(): string {
    const c = this.#text[this.#at];
    if (c === undefined) throw this.#fault("no end");
    this.#at++;
    return c;
  }

  #alternatives(depth: number): Regex {
    if (depth > MAX_DEPTH) throw this.#fault("groups nested too deeply");
    const before = this.#flags;
    const parts = [this.#sequence(depth)];
    while (this.#take("|")) parts.push(this.#sequence(depth));
    this.#flags = before;
    return { kind: "any", parts };
  }

  #sequence(depth: number): Regex {
    const parts: Regex[] = [];
    while (this.#at < this.#text.length && !this.#peek("|") && !this.#peek(")")) {
      if (this.#take("\\Q")) parts.push(...this.#quoted());
      else parts.push(this.#repeated(this.#atom(depth)));
    }
    return { kind: "all", parts };
  }

  #quoted(): readonly Regex[] {
    const parts: Regex[] = [];
    while (this.#at < this.#text.length && !this.#take("\\E")) parts.push(this.#literal(this.#next()));
    const last = parts.pop();
    return last ? [...parts, this.#repeated(last)] : parts;
  }

  #literal(c: string): Regex {
    return this.#set(only(c.codePointAt(0) ?? 0));
  }

  #set(has: CharacterSet): Regex {
    return { kind: "set", has: this.#flags.i ? folded(has) : has };
  }

  #atom(depth: number): Regex {
    const c = this.#next();
    if (c === "(") return this.#group(depth);
    if (c === "[") return this.#set(this.#class());
    if (c === ".") return { kind: "set", has: this.#flags.s ? () => true : (x) => x !== 10 };
    if (c === "^") return { kind: "assert", what: this.#flags.m ? "lineBegin" : "begin" };
    if (c === "$") return { kind: "assert", what: this.#flags.m ? "lineEnd" : "end" };
    if (c === "\\") return this.#escaped();
    if ("*+?".includes(c)) throw this.#fault(`nothing before ${c}`);
    return this.#literal(c);
  }

  #group(depth: number): Regex {
    const before = this.#flags;
    if (this.#take("?") && !this.#groupHead()) return { kind: "all", parts: [] };
    const inside = this.#alternatives(depth + 1);
    if (!this.#take(")")) throw this.#fault("a group without end");
    this.#flags = before;
    return inside;
  }

  /** What comes after (?: a name, or flags for this group or, then false, for what follows in the group around. */
  #groupHead(): boolean {
    const [name] = /^P?<\w+>/.exec(this.#rest(200)) ?? [];
    if (name !== undefined) return this.#take(name);
    let on = true;
    for (;;) {
      const c = this.#next();
      if (c === ":" || c === ")") return c === ":";
      if (c === "-" && on) on = false;
      else if (c === "i" || c === "m" || c === "s") this.#flags = { ...this.#flags, [c]: on };
      // Which of several matches is preferred does not matter to whether there is one.
      else if (c !== "U") throw this.#fault("a group that RE2 does not know");
    }
  }

  /** The next characters. */
  #rest(count: number): string {
    return this.#text.slice(this.#at, this.#at + count).join("");
  }

  #repeated(atom: Regex): Regex {
    const bounds = this.#bounds();
    if (!bounds) return atom;
    this.#take("?");
    if (this.#bounds()) throw this.#fault("a repetition of a repetition");
    return { kind: "repeat", part: atom, ...bounds };
  }

  #bounds(): { readonly least: number; readonly most: number } | undefined {
    if (this.#take("*")) return { least: 0, most: Infinity };
    if (this.#take("+")) return { least: 1, most: Infinity };
    if (this.#take("?")) return { least: 0, most: 1 };
    const [all, low, comma, high] = /^\{(\d{1,6})(?:(,)(\d{0,6}))?\}/.exec(this.#rest(20)) ?? [];
    if (all === undefined) return undefined;
    const least = Number(low);
    const last = comma === undefined ? least : Number(high);
    const open = high === "";
    if (Math.max(least, last) > MAX_REPEAT || (!open && last < least)) throw this.#fault("a count that RE2 refuses");
    this.#at += all.length;
    return { least, most: open ? Infinity : last };
  }

  #escaped(): Regex {
    const c = this.#text[this.#at] ?? "";
    const what = ESCAPED_ASSERTIONS[c];
    if (what !== undefined) {
      this.#at++;
      return { kind: "assert", what };
    }
    return this.#set(this.#escape());
  }

  /** After a backslash, outside and inside of brackets. */
  #escape(): CharacterSet {
    const c = this.#next();
    const cls = c === "p" || c === "P" ? this.#property(c === "P") : escapeClass(c);
    return cls ?? only(this.#code(c));
  }

  #property(negative: boolean): CharacterSet {
    let name = this.#next();
    if (name === "{") {
      const end = this.#text.indexOf("}", this.#at);
      if (end < 0) throw this.#fault("a class without end");
      name = this.#text.slice(this.#at, end).join("");
      this.#at = end + 1;
    }
    const inverted = name.startsWith("^");
    const found = characterClass(inverted ? name.slice(1) : name);
    if (!found) throw this.#fault("an unknown class of characters");
    return negative !== inverted ? (x) => !found(x) : found;
  }

  /** The character that an escape stands for. */
  #code(c: string): number {
    const control = CONTROL[c];
    if (control !== undefined) return control;
    if (c === "x") return this.#hexadecimal();
    if (/[0-7]/.test(c)) {
      const octal = /^[0-7]{1,3}/.exec(this.#text.slice(this.#at - 1, this.#at + 2).join(""))?.[0] ?? c;
      if (c !== "0" && octal.length < 2) throw this.#fault("a back reference");
      this.#at += octal.length - 1;
      return parseInt(octal, 8);
    }
    if (/[\w]/.test(c)) throw this.#fault(`an unknown escape \\${c}`);
    return c.codePointAt(0) ?? 0;
  }

  #hexadecimal(): number {
    const rest = this.#text.slice(this.#at, this.#at + 12).join("");
    const found = /^(?:\{([0-9A-Fa-f]{1,8})\}|([0-9A-Fa-f]{2}))/.exec(rest);
    const code = parseInt(found?.[1] ?? found?.[2] ?? "", 16);
    if (!found || !(code <= 0x10ffff)) throw this.#fault("an unknown escape \\x");
    this.#at += found[0].length;
    return code;
  }

  /** A class in brackets. */
  #class(): CharacterSet {
    const negative = this.#take("^");
    const sets: CharacterSet[] = [];
    for (let first = true; first || !this.#peek("]"); first = false) sets.push(this.#classItem());
    this.#at++;
    const has: CharacterSet = (x) => sets.some((s) => s(x));
    // Folding comes before negation: (?i)[^a] is neither a nor A.
    const wide = this.#flags.i ? folded(has) : has;
    return negative ? (x) => !wide(x) : has;
  }

  #classItem(): CharacterSet {
    const [all, inverted, name = ""] = /^\[:(\^?)(\w+):\]/.exec(this.#text.slice(this.#at, this.#at + 16).join("")) ?? [];
    if (all !== undefined) {
      const found = characterClass(`[:${name}:]`);
      if (!found) throw this.#fault("an unknown class of characters");
      this.#at += all.length;
      return inverted === "^" ? (x) => !found(x) : found;
    }
    const low = this.#classCharacter();
    if (typeof low !== "number") return low;
    if (!this.#peek("-") || this.#peek("-]")) return only(low);
    this.#at++;
    const high = this.#classCharacter();
    if (typeof high !== "number" || high < low) throw this.#fault("a range that has no characters");
    return (x) => x >= low && x <= high;
  }

  #classCharacter(): number | CharacterSet {
    const c = this.#next();
    if (c !== "\\") return c.codePointAt(0) ?? 0;
    const e = this.#next();
    if (e === "p" || e === "P") return this.#property(e === "P");
    return escapeClass(e) ?? this.#code(e);
  }
}
