/** Gives out regions of a linear memory and takes them back. */
import { HoneError } from "../../../util/errors.ts";
import { MOST_PAGES, PAGE_BYTES, type WasmMemory } from "./api.ts";

const ALIGNMENT = 64;
const align = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

interface Region {
  readonly from: number;
  readonly to: number;
}

/** First fit; neighbours that are free are joined. Address 0 is never given. */
export class Regions {
  readonly #memory: WasmMemory;
  #free: readonly Region[] = [];
  #end: number;
  readonly #taken = new Map<number, number>();

  constructor(memory: WasmMemory) {
    this.#memory = memory;
    this.#end = ALIGNMENT;
  }

  /** The 64-byte aligned address of fresh or used memory, whose content is anything. Throws `engine.load` when there is none. */
  take(bytes: number): number {
    const size = Math.max(ALIGNMENT, align(bytes));
    const hole = this.#free.find((r) => r.to - r.from >= size);
    const from = hole === undefined ? this.#append(size) : hole.from;
    if (hole !== undefined) {
      this.#free = this.#free.flatMap((r) => (r !== hole ? [r] : r.to - r.from > size ? [{ from: r.from + size, to: r.to }] : []));
    }
    this.#taken.set(from, from + size);
    return from;
  }

  give(from: number): void {
    const to = this.#taken.get(from);
    if (to === undefined) return;
    this.#taken.delete(from);
    const joined: Region[] = [];
    for (const region of [...this.#free, { from, to }].sort((a, b) => a.from - b.from)) {
      const last = joined.at(-1);
      if (last?.to === region.from) joined[joined.length - 1] = { from: last.from, to: region.to };
      else joined.push(region);
    }
    const last = joined.at(-1);
    if (last?.to === this.#end) {
      this.#end = last.from;
      joined.pop();
    }
    this.#free = joined;
  }

  #append(size: number): number {
    const from = this.#end;
    const missing = Math.ceil((from + size - this.#memory.buffer.byteLength) / PAGE_BYTES);
    if (missing > 0) grow(this.#memory, missing);
    this.#end = from + size;
    return from;
  }
}

function grow(memory: WasmMemory, pages: number): void {
  const have = memory.buffer.byteLength / PAGE_BYTES;
  try {
    if (have + pages > MOST_PAGES) throw new RangeError("more than the 4 GiB that WebAssembly can address");
    memory.grow(pages);
  } catch (cause) {
    throw new HoneError("engine.load", `not enough memory: ${Math.ceil((pages * PAGE_BYTES) / 2 ** 20)} MiB more are needed`, {
      hint: "Close other sessions, use fewer contexts, or build for smaller inputs.",
      cause,
    });
  }
}
