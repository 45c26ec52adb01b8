/**
 * A small subset that still has a property, by delta debugging (A. Zeller, R. Hildebrandt, "Simplifying and isolating
 * failure-inducing input", IEEE TSE 2002): parts, then what is left without a part, in ever finer cuts. The result has the property, and
 * loses it when any one of its items is taken away. `has` is asked once for each subset; `items` themselves have the property.
 */
export async function smallestSubset<T>(items: readonly T[], has: (subset: readonly T[]) => Promise<boolean>): Promise<readonly T[]> {
  const asked = new Map<string, boolean>();
  const number = new Map(items.map((item, i) => [item, i]));
  const ask = async (subset: readonly T[]): Promise<boolean> => {
    const key = subset.map((item) => number.get(item)).join();
    const known = asked.get(key) ?? (subset.length > 0 && (await has(subset)));
    asked.set(key, known);
    return known;
  };
  let at = items;
  let parts = 2;
  while (at.length > 1) {
    const cuts = cut(at, Math.min(parts, at.length));
    const smaller =
      (await firstThat(cuts, ask)) ??
      (await firstThat(
        cuts.map((part) => without(at, part)),
        ask,
      ));
    if (smaller) {
      parts = cuts.includes(smaller) ? 2 : Math.max(2, parts - 1);
      at = smaller;
    } else if (parts >= at.length) break;
    else parts = Math.min(at.length, parts * 2);
  }
  return at;
}

/** Runs of nearly equal length. */
function cut<T>(items: readonly T[], parts: number): readonly (readonly T[])[] {
  return Array.from({ length: parts }, (_, i) =>
    items.slice(Math.floor((i * items.length) / parts), Math.floor(((i + 1) * items.length) / parts)),
  );
}

function without<T>(items: readonly T[], part: readonly T[]): readonly T[] {
  const gone = new Set(part);
  return items.filter((item) => !gone.has(item));
}

async function firstThat<T>(list: readonly T[], holds: (item: T) => Promise<boolean>): Promise<T | undefined> {
  for (const item of list) if (await holds(item)) return item;
  return undefined;
}
