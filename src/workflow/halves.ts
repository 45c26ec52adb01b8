/** Labelled photos in two halves by their content: one may decide, and the other, of which nothing was seen, judges. */
import { findPhotos } from "./photos.ts";

/** Paths of photos. */
export type Half = ReadonlySet<string>;

/**
 * Every other photo by the order of their contents' hashes, so that neither names nor their order matter; copies of one photo are in the same half.
 * Photos that cannot be read are in neither.
 */
export async function halves(images: string, signal: AbortSignal | undefined): Promise<readonly [decide: Half, judge: Half]> {
  const { files, copies } = await findPhotos([images], signal);
  const side = (rest: number): Half =>
    new Set(files.filter((_, i) => i % 2 === rest).flatMap(({ path, hash }) => [path, ...(copies.get(hash) ?? [])]));
  return [side(0), side(1)];
}
