/** Changes the memory that a module imports from one thread's own to one that threads share. */
import { HoneError } from "../../../util/errors.ts";

const IMPORT_SECTION = 2;
const MEMORY = 2;
/** Of the limits: there is a maximum; and threads share the memory. */
const [HAS_MAXIMUM, SHARED] = [1, 2];

const wrong = (): HoneError =>
  new HoneError("engine.damaged", "the engine's WebAssembly does not begin as hone writes it", { hint: "Rebuild it with `hone build`." });

class Reader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const value = this.#bytes[this.at++];
    if (value === undefined) throw wrong();
    return value;
  }

  /** Unsigned LEB128 of 32 bits. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw wrong();
  }

  skipName(): void {
    const length = this.number();
    this.at += length;
  }
}

/**
 * A copy of a module whose first import, a memory with a maximum, is shared. The rest of the code is the same for both: engines
 * are written once. Throws `engine.damaged`.
 */
export function withSharedMemory(module: Uint8Array): Uint8Array {
  const reader = new Reader(module, 8);
  while (reader.byte() !== IMPORT_SECTION) {
    const size = reader.number();
    reader.at += size;
  }
  reader.number();
  if (reader.number() === 0) throw wrong();
  reader.skipName();
  reader.skipName();
  if (reader.byte() !== MEMORY) throw wrong();
  const flags = reader.at;
  if (reader.byte() !== HAS_MAXIMUM) throw wrong();
  const copy = module.slice();
  copy[flags] = HAS_MAXIMUM | SHARED;
  return copy;
}
