import { bytesOf, type Tensor } from "../tensor/tensor.ts";
import { sha256 } from "../util/hash.ts";

const ALIGNMENT = 64;

/** The weights section: constants one after another, each once, 64-byte aligned and zero-filled up to the next. */
export class Weights {
  readonly #offsets = new Map<string, number>();
  readonly #known = new Map<Tensor, number>();
  readonly #parts: Uint8Array[] = [];
  readonly #hash: (bytes: Uint8Array) => string;
  #size = 0;

  constructor(hash: (bytes: Uint8Array) => string = sha256) {
    this.#hash = hash;
  }

  /** Byte offset of the tensor's elements. */
  place(tensor: Tensor): number {
    const known = this.#known.get(tensor);
    if (known !== undefined) return known;
    const bytes = bytesOf(tensor);
    const key = `${bytes.length}:${this.#hash(bytes)}`;
    const at = this.#offsets.get(key) ?? this.#append(key, bytes);
    this.#known.set(tensor, at);
    return at;
  }

  section(): Uint8Array {
    const out = new Uint8Array(this.#size);
    let at = 0;
    for (const part of this.#parts) {
      out.set(part, at);
      at += Math.ceil(part.length / ALIGNMENT) * ALIGNMENT;
    }
    return out;
  }

  #append(key: string, bytes: Uint8Array): number {
    const at = this.#size;
    this.#offsets.set(key, at);
    this.#parts.push(bytes);
    this.#size += Math.ceil(bytes.length / ALIGNMENT) * ALIGNMENT;
    return at;
  }
}
