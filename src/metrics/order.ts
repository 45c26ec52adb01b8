/** Stable orderings of many records by flat keys: the sorts that every evaluation stands on. */

/** 0, 1, 2, … */
export function identity(length: number): Int32Array {
  const order = new Int32Array(length);
  for (let i = 0; i < length; i++) order[i] = i;
  return order;
}

/** The order, stably rearranged by keys[order[i]] in 0 … buckets − 1. */
export function orderByKey(order: Int32Array, keys: Int32Array, buckets: number): Int32Array {
  const starts = new Int32Array(buckets + 1);
  for (const at of order) starts[(keys[at] as number) + 1] = (starts[(keys[at] as number) + 1] as number) + 1;
  for (let b = 0; b < buckets; b++) starts[b + 1] = (starts[b + 1] as number) + (starts[b] as number);
  const out = new Int32Array(order.length);
  for (const at of order) {
    const key = keys[at] as number;
    const to = starts[key] as number;
    starts[key] = to + 1;
    out[to] = at;
  }
  return out;
}

/**
 * The order, stably rearranged by falling score; NaN last. A radix sort over the 64 bits of the doubles in four digits,
 * of which those that all scores share are skipped.
 */
export function orderByScore(order: Int32Array, scores: Float64Array): Int32Array {
  const n = order.length;
  if (n < SMALL) return orderFewByScore(order, scores);
  const digits = scoreDigits(scores);
  let from = order;
  for (const keys of digits) {
    const counts = new Int32Array(65537);
    for (let i = 0; i < n; i++) {
      const bucket = (keys[from[i] as number] as number) + 1;
      counts[bucket] = (counts[bucket] as number) + 1;
    }
    if (n > 0 && counts[(keys[from[0] as number] as number) + 1] === n) continue;
    for (let b = 0; b < 65536; b++) counts[b + 1] = (counts[b + 1] as number) + (counts[b] as number);
    const to = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      const at = from[i] as number;
      const key = keys[at] as number;
      const slot = counts[key] as number;
      counts[key] = slot + 1;
      to[slot] = at;
    }
    from = to;
  }
  return from;
}

/** Below this a comparison sort is faster than counting 65,536 buckets four times. */
const SMALL = 20_000;

function orderFewByScore(order: Int32Array, scores: Float64Array): Int32Array {
  const keys = Float64Array.from(order, (at) => scores[at] as number);
  const places = identity(order.length).sort((p, q) => compareScores(keys[p] as number, keys[q] as number) || p - q);
  return places.map((p) => order[p] as number);
}

function compareScores(a: number, b: number): number {
  if (a > b) return -1;
  if (a < b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

/** Four 16-bit digits, lowest first, whose rising order is the falling order of the scores. */
function scoreDigits(scores: Float64Array): Uint16Array[] {
  const n = scores.length;
  const digits = [new Uint16Array(n), new Uint16Array(n), new Uint16Array(n), new Uint16Array(n)];
  const one = new Float64Array(1);
  const bits = new Uint32Array(one.buffer);
  const [lowWord, highWord] = littleEndian() ? [0, 1] : [1, 0];
  const [d0, d1, d2, d3] = digits as [Uint16Array, Uint16Array, Uint16Array, Uint16Array];
  for (let i = 0; i < n; i++) {
    const score = scores[i] as number;
    // Adding 0 turns −0 into 0: the two are equal scores.
    one[0] = score + 0;
    let low = bits[lowWord] as number;
    let high = bits[highWord] as number;
    if (Number.isNaN(score)) low = high = 0xffffffff;
    else if (high >>> 31 === 0) {
      low = ~low >>> 0;
      high = (~high & 0x7fffffff) >>> 0;
    }
    d0[i] = low & 0xffff;
    d1[i] = low >>> 16;
    d2[i] = high & 0xffff;
    d3[i] = high >>> 16;
  }
  return digits;
}

function littleEndian(): boolean {
  return new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
}

/** For each key, where its run starts in an order sorted by key; one more entry closes the last run. */
export function runStarts(order: Int32Array, keys: Int32Array, buckets: number): Int32Array {
  const starts = new Int32Array(buckets + 1);
  for (const at of order) starts[(keys[at] as number) + 1] = (starts[(keys[at] as number) + 1] as number) + 1;
  for (let b = 0; b < buckets; b++) starts[b + 1] = (starts[b + 1] as number) + (starts[b] as number);
  return starts;
}
