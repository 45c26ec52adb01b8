/**
 * Whether a pattern matches a whole text, in steps of at most the product of their lengths: all ways through the pattern are
 * followed at once (K. Thompson, "Regular expression search algorithm", 1968), none of them twice.
 */
import { HoneError } from "../../util/errors.ts";
import { isWord, type CharacterSet } from "./characters.ts";
import { parseRegex, type Assertion, type Regex } from "./syntax.ts";

/** One state: takes a character, or goes on without one. */
type State =
  | { readonly kind: "set"; readonly has: CharacterSet }
  | { readonly kind: "assert"; readonly what: Assertion }
  | { readonly kind: "fork"; to: readonly number[] }
  | { readonly kind: "end" };

/** States of one pattern: RE2's bound on memory, in another unit. */
const MAX_STATES = 20_000;

class Compiler {
  readonly states: State[] = [];
  #steps = 0;

  #add(state: State): void {
    this.states.push(state);
  }

  /** Repetitions of nothing make no states, and are counted as well. */
  #count(): void {
    if (++this.#steps <= MAX_STATES) return;
    throw new HoneError("model.unsupported", `a pattern with more than ${MAX_STATES} states, once its repetitions are written out`);
  }

  /** Each state goes on to the next one; a fork to those that it lists. */
  emit(r: Regex): void {
    this.#count();
    switch (r.kind) {
      case "set":
      case "assert":
        this.#add(r);
        return;
      case "all":
        r.parts.forEach((p) => this.emit(p));
        return;
      case "any":
        this.#alternatives(r.parts);
        return;
      case "repeat":
        this.#repeat(r);
    }
  }

  end(): readonly State[] {
    this.#add({ kind: "end" });
    return this.states;
  }

  #fork(): { readonly kind: "fork"; to: readonly number[] } {
    const fork = { kind: "fork" as const, to: [] as readonly number[] };
    this.#add(fork);
    return fork;
  }

  #alternatives(parts: readonly Regex[]): void {
    const [first, ...others] = parts;
    if (first && others.length === 0) {
      this.emit(first);
      return;
    }
    const fork = this.#fork();
    const ends: { to: readonly number[] }[] = [];
    fork.to = parts.map((p) => {
      const at = this.states.length;
      this.emit(p);
      ends.push(this.#fork());
      return at;
    });
    for (const end of ends) end.to = [this.states.length];
  }

  #repeat({ part, least, most }: Extract<Regex, { kind: "repeat" }>): void {
    for (let i = 0; i < least; i++) this.emit(part);
    if (most === Infinity) {
      const fork = this.#fork();
      const body = this.states.length;
      this.emit(part);
      this.#fork().to = [body - 1];
      fork.to = [body, this.states.length];
      return;
    }
    const forks = Array.from({ length: most - least }, () => {
      const fork = this.#fork();
      const body = this.states.length;
      this.emit(part);
      return { fork, body };
    });
    for (const { fork, body } of forks) fork.to = [body, this.states.length];
  }
}

/** The states that are possible at one place of the text, each once. */
class Frontier {
  list: number[] = [];
  readonly #seen: Int32Array;
  #turn = 0;

  constructor(states: number) {
    this.#seen = new Int32Array(states);
  }

  clear(): void {
    this.list = [];
    this.#turn++;
  }

  add(state: number): boolean {
    if (this.#seen[state] === this.#turn) return false;
    this.#seen[state] = this.#turn;
    return true;
  }
}

function holds(what: Assertion, before: number | undefined, after: number | undefined): boolean {
  switch (what) {
    case "begin":
      return before === undefined;
    case "end":
      return after === undefined;
    case "lineBegin":
      return before === undefined || before === 10;
    case "lineEnd":
      return after === undefined || after === 10;
    case "word":
    case "notWord": {
      const edge = (before !== undefined && isWord(before)) !== (after !== undefined && isWord(after));
      return edge === (what === "word");
    }
  }
}

/** A function that tells whether the pattern matches a whole text. Throws `model.unsupported` for what is no pattern of RE2. */
export function fullMatcher(pattern: string): (text: string) => boolean {
  const compiler = new Compiler();
  compiler.emit(parseRegex(pattern));
  const states = compiler.end();
  const frontier = new Frontier(states.length);

  /** Adds what can be reached without a character. */
  const reach = (from: readonly number[], before: number | undefined, after: number | undefined): void => {
    frontier.clear();
    const open = [...from].reverse();
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const state = states[at];
      if (!state || !frontier.add(at)) continue;
      if (state.kind === "fork") open.push(...state.to);
      else if (state.kind === "assert") {
        if (holds(state.what, before, after)) open.push(at + 1);
      } else frontier.list.push(at);
    }
  };

  return (text) => {
    const codes = Array.from(text, (c) => c.codePointAt(0) ?? 0);
    reach([0], undefined, codes[0]);
    for (const [i, code] of codes.entries()) {
      const next = frontier.list.flatMap((at) => {
        const state = states[at];
        return state?.kind === "set" && state.has(code) ? [at + 1] : [];
      });
      if (next.length === 0) return false;
      reach(next, code, codes[i + 1]);
    }
    return frontier.list.some((at) => states[at]?.kind === "end");
  };
}
