/** Sets of characters, by their code points. */
export type CharacterSet = (code: number) => boolean;

const between =
  (low: string, high: string): CharacterSet =>
  (c) =>
    c >= (low.codePointAt(0) ?? 0) && c <= (high.codePointAt(0) ?? 0);
const any =
  (...sets: readonly CharacterSet[]): CharacterSet =>
  (c) =>
    sets.some((s) => s(c));
const of = (text: string): CharacterSet => {
  const codes = new Set(Array.from(text, (c) => c.codePointAt(0)));
  return (c) => codes.has(c);
};
const not =
  (set: CharacterSet): CharacterSet =>
  (c) =>
    !set(c);

const digit = between("0", "9");
const upper = between("A", "Z");
const lower = between("a", "z");
const alpha = any(upper, lower);
const alnum = any(alpha, digit);
const space = of("\t\n\f\r ");
const graph = between("!", "~");

/** A letter, digit or underscore of ASCII, as \w and \b have it. */
export const isWord: CharacterSet = any(alnum, of("_"));

const NAMED: Readonly<Record<string, CharacterSet>> = {
  "[:alnum:]": alnum,
  "[:alpha:]": alpha,
  "[:ascii:]": (c) => c < 0x80,
  "[:blank:]": of("\t "),
  "[:cntrl:]": (c) => c < 0x20 || c === 0x7f,
  "[:digit:]": digit,
  "[:graph:]": graph,
  "[:lower:]": lower,
  "[:print:]": any(graph, of(" ")),
  "[:punct:]": (c) => graph(c) && !alnum(c),
  "[:space:]": of("\t\n\v\f\r "),
  "[:upper:]": upper,
  "[:word:]": isWord,
  "[:xdigit:]": any(digit, between("a", "f"), between("A", "F")),
};

const ESCAPES: Readonly<Record<string, CharacterSet>> = {
  d: digit,
  D: not(digit),
  w: isWord,
  W: not(isWord),
  s: space,
  S: not(space),
};

/** The class of \d and its like; undefined for another letter. */
export const escapeClass = (letter: string): CharacterSet | undefined => (Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined);

/** A class by its name in brackets, or a category or script of Unicode; undefined when there is none. */
export function characterClass(name: string): CharacterSet | undefined {
  if (Object.hasOwn(NAMED, name)) return NAMED[name];
  if (!/^[A-Za-z_]{1,40}$/.test(name)) return undefined;
  for (const property of [name, `Script=${name}`]) {
    try {
      // One character at a time: nothing can be tried twice.
      const one = new RegExp(`^\\p{${property}}$`, "u");
      return (c) => one.test(String.fromCodePoint(c));
    } catch {
      continue;
    }
  }
  return undefined;
}

/** The set with both cases of its characters. */
export function folded(set: CharacterSet): CharacterSet {
  return (c) => {
    if (set(c)) return true;
    const s = String.fromCodePoint(c);
    return [s.toLowerCase(), s.toUpperCase()].some((v) => v !== s && Array.from(v).length === 1 && set(v.codePointAt(0) ?? 0));
  };
}
