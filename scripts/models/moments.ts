/** First and second moments of what a layer gives, told from those of its input: how statistics of a random network are known without running it. */

export interface Moments {
  readonly mean: number;
  /** E[x²] */
  readonly square: number;
}

export type Activation = "relu" | "relu6" | "hardSwish" | "hardSigmoid" | "identity";

const clip = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));

const FUNCTIONS: Readonly<Record<Activation, (x: number) => number>> = {
  identity: (x) => x,
  relu: (x) => Math.max(0, x),
  relu6: (x) => clip(x, 0, 6),
  hardSigmoid: (x) => clip(x / 6 + 0.5, 0, 1),
  hardSwish: (x) => x * clip(x / 6 + 0.5, 0, 1),
};

const STEPS = 400;
const REACH = 6;

/** Moments of f(the greatest of `count` independent normal numbers with these moments), f rising. By the midpoint rule. */
export function activate(f: Activation, before: Moments, count = 1): Moments {
  const deviation = Math.sqrt(Math.max(1e-12, before.square - before.mean ** 2));
  const step = (2 * REACH) / STEPS;
  let [mean, square, below] = [0, 0, 0];
  for (let i = 0; i < STEPS; i++) {
    const z = -REACH + (i + 0.5) * step;
    const mass = (Math.exp(-z * z * 0.5) / Math.sqrt(2 * Math.PI)) * step;
    // Of the greatest of n: the step of the distribution's n-th power.
    const weight = (below + mass) ** count - below ** count;
    below += mass;
    const y = FUNCTIONS[f](before.mean + deviation * z);
    mean += weight * y;
    square += weight * y * y;
  }
  return { mean, square };
}

/** mulberry32 (T. Ettinger): numbers in [0, 1), the same on every machine. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
