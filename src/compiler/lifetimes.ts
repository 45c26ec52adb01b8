import type { Lifetime } from "../schedule/memory.ts";

/** When each buffer of the arena is needed, in steps: every call is one, and what decides a branch or a loop is one. */
export class Lifetimes {
  /** Bytes of each buffer, by its id. */
  readonly bytes: number[] = [];
  readonly #first: number[] = [];
  readonly #last: number[] = [];
  #step = 0;

  get step(): number {
    return this.#step;
  }

  next(): void {
    this.#step++;
  }

  add(bytes: number): number {
    return this.bytes.push(bytes) - 1;
  }

  use(id: number): void {
    this.#first[id] ??= this.#step;
    this.#last[id] = this.#step;
  }

  /** What was there before `from` and is used since is used up to now: the next iteration finds it there. */
  holdSince(from: number): void {
    this.#first.forEach((first, id) => {
      if (first <= from && (this.#last[id] ?? 0) >= from) this.#last[id] = this.#step;
    });
  }

  buffers(): readonly Lifetime[] {
    return this.bytes.map((bytes, id) => {
      const first = this.#first[id];
      return first === undefined ? { bytes: 0, first: 0, last: 0 } : { bytes, first, last: this.#last[id] ?? first };
    });
  }
}
