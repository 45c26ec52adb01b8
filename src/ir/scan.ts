/** Tokens of IR text. */
import { HoneError } from "../util/errors.ts";

export interface Token {
  readonly kind: "name" | "value" | "number" | "string" | "mark" | "end";
  readonly text: string;
  readonly at: number;
}

const PATTERNS: readonly (readonly [Token["kind"] | "space", RegExp])[] = [
  ["space", /(?:\s+|\/\/[^\n]*)/y],
  ["value", /%(?:[A-Za-z0-9_./-]+|"(?:[^"\\\n]|\\.)*")/y],
  ["number", /[-+]?(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|Infinity)|NaN/y],
  ["mark", /->|@c\d+|#[0-9a-f]+|[-+*/(){}[\],:=@_?](?![A-Za-z0-9_])|[-+*/(){}[\],:=@]/y],
  ["name", /[A-Za-z_?][\w.?]*/y],
  ["string", /"(?:[^"\\\n]|\\.)*"/y],
];

function nextToken(text: string, at: number): Token | { readonly kind: "space"; readonly text: string; readonly at: number } {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found) return { kind, text: found, at };
  }
  throw parseError(text, at, `unexpected ${JSON.stringify(text[at])}`);
}

export function parseError(text: string, at: number, message: string): HoneError {
  const before = text.slice(0, at).split("\n");
  return new HoneError("text.parse", `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: ${message}`);
}

/** Reads tokens one after the other; `%"…"` and `"…"` carry their unescaped text. */
export class Scanner {
  readonly #text: string;
  #tokens: Token[] = [];
  #next = 0;

  constructor(text: string) {
    this.#text = text;
    for (let at = 0; at < text.length;) {
      const token = nextToken(text, at);
      at += token.text.length;
      if (token.kind !== "space") this.#tokens.push(this.#unquoted(token));
    }
    this.#tokens.push({ kind: "end", text: "the end", at: text.length });
  }

  get token(): Token {
    return this.#tokens[this.#next] ?? { kind: "end", text: "the end", at: this.#text.length };
  }

  take(): Token {
    const { token } = this;
    this.#next++;
    return token;
  }

  is(text: string): boolean {
    const { kind } = this.token;
    return this.token.text === text && (kind === "mark" || kind === "name");
  }

  /** Takes the token if it is the text. */
  skip(text: string): boolean {
    const found = this.is(text);
    if (found) this.#next++;
    return found;
  }

  expect(text: string): void {
    if (!this.skip(text)) throw this.fail(`expected ${text}, got ${this.token.text}`);
  }

  takeKind(kind: Token["kind"], what: string): string {
    if (this.token.kind !== kind) throw this.fail(`expected ${what}, got ${this.token.text}`);
    return this.take().text;
  }

  /** A list between marks, its items separated by commas. */
  list<T>(open: string, close: string, item: () => T): T[] {
    this.expect(open);
    const items: T[] = [];
    while (!this.skip(close)) {
      if (items.length > 0) this.expect(",");
      items.push(item());
    }
    return items;
  }

  fail(message: string, at: number = this.token.at): HoneError {
    return parseError(this.#text, at, message);
  }

  #unquoted(token: Token): Token {
    const inner = token.kind === "value" ? token.text.slice(1) : token.text;
    if (!inner.startsWith('"')) return { ...token, text: inner };
    try {
      return { ...token, text: String(JSON.parse(inner)) };
    } catch {
      throw this.fail(`${inner} is not a JSON string`, token.at);
    }
  }
}
