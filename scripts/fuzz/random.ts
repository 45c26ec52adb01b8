/** Seeded randomness: the same seed and number give the same mutant on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995;
  }

  /** In [0, 1). mulberry32, a public-domain generator by Tommy Ettinger. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  chance(p: number): boolean {
    return this.next() < p;
  }

  pick<T>(list: readonly [T, ...T[]]): T;
  pick<T>(list: readonly T[]): T | undefined;
  pick<T>(list: readonly T[]): T | undefined {
    return list[this.below(list.length)];
  }
}

/** Numbers at which formats and programs change their mind. */
export const EDGES = [0, 1, 2, 3, 4, 7, 8, 16, 127, 128, 255, 256, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff, -1, -2, -128] as const;

/** Changes the bytes in place. */
type ByteChange = (bytes: Uint8Array, random: Random) => void;

const near = (bytes: Uint8Array, random: Random): number => {
  // Headers and tables decide more than weights do.
  const within = random.chance(0.5) ? Math.min(bytes.length, 512) : random.chance(0.3) ? Math.min(bytes.length, 16384) : bytes.length;
  return random.chance(0.25) ? bytes.length - 1 - random.below(within) : random.below(within);
};

const CHANGES: readonly [ByteChange, ...ByteChange[]] = [
  (bytes, random) => {
    const at = near(bytes, random);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  },
  (bytes, random) => {
    bytes[near(bytes, random)] = random.below(256);
  },
  (bytes, random) => {
    const at = near(bytes, random);
    if (at + 4 <= bytes.length) new DataView(bytes.buffer, bytes.byteOffset).setInt32(at, random.pick(EDGES), random.chance(0.8));
  },
  (bytes, random) => {
    const [from, to, n] = [near(bytes, random), near(bytes, random), random.below(64)];
    bytes.copyWithin(to, from, from + n);
  },
];

/** A copy with one to four changes: bits, bytes, words of edge values, copied runs; in one of ten cases cut short. */
export function mutateBytes(original: Uint8Array, random: Random): Uint8Array {
  const bytes = Uint8Array.from(original);
  if (random.chance(0.1)) return bytes.slice(0, random.below(bytes.length + 1));
  for (let n = 1 + random.below(4); n > 0; n--) random.pick(CHANGES)(bytes, random);
  return bytes;
}
