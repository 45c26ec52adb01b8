/** Lays buffers with lifetimes into one arena. */

export interface Lifetime {
  readonly bytes: number;
  /** First and last step at which the buffer is alive. */
  readonly first: number;
  readonly last: number;
}

export interface ArenaPlan {
  /** Byte offset of each buffer, a multiple of the alignment. */
  readonly offsets: readonly number[];
  readonly bytes: number;
  /** The most bytes alive at one step: no plan can be smaller. */
  readonly lowerBound: number;
}

const ALIGNMENT = 64;
const align = (n: number): number => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

function mostAlive(buffers: readonly Lifetime[]): number {
  const steps = Math.max(0, ...buffers.map((b) => b.last + 1));
  const change = new Float64Array(steps + 1);
  for (const b of buffers) {
    change[b.first] = (change[b.first] ?? 0) + align(b.bytes);
    change[b.last + 1] = (change[b.last + 1] ?? 0) - align(b.bytes);
  }
  let alive = 0;
  return change.reduce((most, c) => Math.max(most, (alive += c)), 0);
}

/** Greedy by size: the largest first, each at the lowest offset at which it meets no buffer that is alive with it (Pisarchyk and Lee, 2020). */
export function planArena(buffers: readonly Lifetime[]): ArenaPlan {
  const order = buffers.map((_, i) => i).sort((i, j) => (buffers[j]?.bytes ?? 0) - (buffers[i]?.bytes ?? 0) || i - j);
  const offsets = new Array<number>(buffers.length).fill(0);
  const placed: { readonly from: number; readonly to: number; readonly life: Lifetime }[] = [];
  for (const i of order) {
    const life = buffers[i];
    if (!life) continue;
    const rivals = placed.filter((p) => p.life.first <= life.last && life.first <= p.life.last).sort((a, b) => a.from - b.from);
    let at = 0;
    for (const p of rivals) {
      if (at + align(life.bytes) <= p.from) break;
      at = Math.max(at, p.to);
    }
    offsets[i] = at;
    placed.push({ from: at, to: at + align(life.bytes), life });
  }
  return { offsets, bytes: Math.max(0, ...placed.map((p) => p.to)), lowerBound: mostAlive(buffers) };
}
