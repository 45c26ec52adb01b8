import { annotationError } from "./records.ts";

/**
 * Inflates zlib data with the platform's own stream and stops as soon as it exceeds the bound.
 * @param most largest size in bytes
 * @param what names the kind of file in messages
 * @throws HoneError annotations.invalid when the data is damaged, cut short or larger than the bound
 */
export async function inflate(data: Uint8Array, most: number, what: string, file: string | undefined): Promise<Uint8Array> {
  const stream = new Blob([new Uint8Array(data)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    while (size <= most) {
      const { done, value } = (await reader.read()) as { done: boolean; value?: Uint8Array };
      if (done || value === undefined) break;
      size += value.length;
      pieces.push(value);
    }
    if (size > most) await reader.cancel();
  } catch (cause) {
    throw annotationError(`${what}: compressed data is damaged or cut short`, file, undefined, cause);
  }
  if (size > most) throw annotationError(`${what}: compressed data inflates to more than ${most} bytes`, file);
  return concatenate(pieces, size);
}

function concatenate(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const out = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
