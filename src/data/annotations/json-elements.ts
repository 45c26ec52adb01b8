import { HoneError } from "../../util/errors.ts";
import { annotationError, type ByteSource } from "./records.ts";

/** Called for each element of each array at the top (key "") or one level down (key = its name), in the order of the file. */
export type ElementVisitor = (key: string, element: unknown, index: number) => void;

/** One element may be at most this long: COCO's longest are a few hundred kilobytes. */
const MAX_ELEMENT_BYTES = 64 * 1024 * 1024;
const MAX_DEPTH = 200;
/** Beyond this the records would not fit into Node's usual heap of 4 GB. */
const MAX_BYTES = 1.5 * 1024 * 1024 * 1024;

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * Reads a JSON file of records piece by piece, so that files larger than a JavaScript string can hold are read in little memory.
 * Only one element is in memory at a time; keys whose value is no array are skipped, unless `keep` names them: then visited with index −1.
 * @throws HoneError file.too-large; annotations.invalid, with the byte and the element, when the JSON is damaged or ends early
 */
export async function forEachElement(source: ByteSource, visit: ElementVisitor, file?: string): Promise<void> {
  const scanner = new Scanner(visit, file);
  if (typeof source === "string") scanner.push(new TextEncoder().encode(source));
  else if (source instanceof Uint8Array) scanner.push(source);
  else for await (const chunk of source) scanner.push(chunk);
  scanner.end();
}

/** Where the scanner is: what the next byte outside an element means. */
type Place = "start" | "object" | "key" | "value" | "array" | "skipped" | "done";

class Scanner {
  readonly #visit: ElementVisitor;
  readonly #file: string | undefined;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: false });
  #place: Place = "start";
  /** True when the file is one array of records. */
  #bare = false;
  #key = "";
  #index = 0;
  /** Bytes before the current chunk. */
  #before = 0;
  /** Within an element or a skipped value: nesting depth and whether inside a string. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Start of the current element or key in the chunk, −1 if none is open. */
  #from = -1;
  /** Bytes of the element that earlier chunks had. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(visit: ElementVisitor, file: string | undefined) {
    this.#visit = visit;
    this.#file = file;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) at = this.#from >= 0 ? this.#inside(chunk, at) : this.#between(chunk, at);
    if (this.#from >= 0) this.#hold(chunk.slice(this.#from));
    this.#before += chunk.length;
    if (this.#before > MAX_BYTES) throw tooLarge(`the JSON has more than ${MAX_BYTES} bytes`, this.#file);
  }

  end(): void {
    if (this.#place === "done") return;
    const where = this.#place === "start" ? "before it begins" : this.#where();
    throw annotationError(
      `the JSON ends ${where}, after ${this.#before} bytes`,
      this.#file,
      "The file is cut short: copy or download it again.",
    );
  }

  /** One byte of structure outside elements. */
  #between(chunk: Uint8Array, at: number): number {
    const byte = chunk[at] as number;
    if (byte <= 0x20 || (this.#before + at < 3 && byte >= 0xbb)) return at + 1;
    if (this.#place === "array") return this.#inArray(byte, at);
    if (this.#place === "object") return this.#inObject(byte, at);
    if (this.#place === "value") return this.#value(byte, at);
    if (this.#place === "start") return this.#first(byte, at);
    return this.#fail(byte, at);
  }

  #inObject(byte: number, at: number): number {
    if (byte === QUOTE) {
      this.#open(at, "key");
      return at;
    }
    if (byte === CLOSE_BRACE) this.#place = "done";
    else if (byte !== COMMA) this.#fail(byte, at);
    return at + 1;
  }

  #inArray(byte: number, at: number): number {
    if (byte === CLOSE_BRACKET) this.#place = this.#bare ? "done" : "object";
    else if (byte !== COMMA) {
      this.#open(at, "array");
      return at;
    }
    return at + 1;
  }

  #first(byte: number, at: number): number {
    if (byte === OPEN_BRACE) this.#place = "object";
    else if (byte === OPEN_BRACKET) {
      this.#bare = true;
      this.#place = "array";
    } else this.#fail(byte, at);
    return at + 1;
  }

  #value(byte: number, at: number): number {
    if (byte === COLON) return at + 1;
    this.#index = 0;
    if (byte === OPEN_BRACKET) {
      this.#place = "array";
      return at + 1;
    }
    this.#open(at, "skipped");
    return at;
  }

  #open(at: number, place: Place): void {
    this.#place = place;
    this.#from = at;
    this.#depth = 0;
  }

  /** Runs over the bytes of an element, key or skipped value to its end or the chunk's. */
  #inside(chunk: Uint8Array, start: number): number {
    let at = start;
    while (at < chunk.length) {
      if (this.#inString) {
        const end = this.#overString(chunk, at);
        if (end < 0) return chunk.length;
        if (this.#depth === 0) return this.#close(chunk, end);
        at = end;
        continue;
      }
      const end = this.#ends(chunk[at] as number);
      if (end >= 0) return this.#close(chunk, at + end);
      at++;
    }
    return at;
  }

  /** Follows one byte outside strings; 0 or 1 if the element ends before or after it, else −1. */
  #ends(byte: number): number {
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#deeper();
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (this.#depth === 0) return 0;
      return --this.#depth === 0 ? 1 : -1;
    } else if (byte === COMMA && this.#depth === 0) return 0;
    return -1;
  }

  /** From inside a string to just past its closing quote, or −1 if the chunk ends first. */
  #overString(chunk: Uint8Array, start: number): number {
    for (let at = start; at < chunk.length; at++) {
      const byte = chunk[at];
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) {
        this.#inString = false;
        return at + 1;
      }
    }
    return -1;
  }

  #deeper(): void {
    if (++this.#depth > MAX_DEPTH) throw annotationError(`the JSON is nested more than ${MAX_DEPTH} deep ${this.#where()}`, this.#file);
  }

  #close(chunk: Uint8Array, end: number): number {
    const piece = chunk.subarray(this.#from, end);
    this.#from = -1;
    const bytes = this.#heldBytes > 0 ? joined([...this.#held, piece]) : piece;
    this.#held = [];
    this.#heldBytes = 0;
    const place = this.#place;
    if (place === "key") {
      this.#key = String(this.#parse(bytes, end));
      this.#place = "value";
    } else if (place === "skipped") {
      this.#visit(this.#key, this.#parse(bytes, end), -1);
      this.#place = "object";
    } else this.#visit(this.#bare ? "" : this.#key, this.#parse(bytes, end), this.#index++);
    return end;
  }

  #parse(bytes: Uint8Array, end: number): unknown {
    try {
      return JSON.parse(this.#decoder.decode(bytes));
    } catch (cause) {
      throw annotationError(`the JSON is damaged ${this.#where()}, before byte ${this.#before + end}`, this.#file, undefined, cause);
    }
  }

  #hold(piece: Uint8Array): void {
    this.#from = 0;
    this.#heldBytes += piece.length;
    if (this.#heldBytes > MAX_ELEMENT_BYTES)
      throw annotationError(`more than ${MAX_ELEMENT_BYTES} bytes belong to one record ${this.#where()}`, this.#file);
    this.#held.push(piece);
  }

  #where(): string {
    if (this.#place === "array") return `in element ${this.#index}${this.#bare ? "" : ` of "${this.#key}"`}`;
    return this.#key === "" ? "at its beginning" : `at the key "${this.#key}"`;
  }

  #fail(byte: number, at: number): never {
    throw annotationError(
      `unexpected character ${JSON.stringify(String.fromCharCode(byte))} at byte ${this.#before + at}: this is not JSON of records`,
      this.#file,
    );
  }
}

/** A file whose records would not fit into memory. */
export function tooLarge(message: string, file: string | undefined): HoneError {
  return new HoneError("file.too-large", message, {
    at: file === undefined ? {} : { file },
    hint: "Split it by images, evaluate the parts with an accumulator of hone/metrics, and merge them: the numbers are the same.",
  });
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
