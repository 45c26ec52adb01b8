import { HoneError } from "../errors.ts";

/** What the operating system says when there is no room, or no leave to write. */
const CODES: ReadonlySet<unknown> = new Set([
  "ENOSPC",
  "EDQUOT",
  "EFBIG",
  "EROFS",
  "EACCES",
  "EPERM",
  "EIO",
  "ENOTDIR",
  "EMFILE",
  "ENFILE",
  "ENOENT",
]);

/** The same as compilers and linkers say it. */
const WORDS = /no space left on device|disk quota exceeded|file too large|read-only file system|file size limit exceeded/i;

export function isFull(text: string): boolean {
  return WORDS.test(text);
}

/** An error of the file system while something is written, in hone's words; anything else as it is. */
export function asUnwritable(error: unknown, file: string, hint: string): unknown {
  if (error instanceof HoneError || !(error instanceof Error) || !("code" in error) || !CODES.has(error.code)) return error;
  return unwritable(error, file, hint);
}

export function unwritable(cause: unknown, file: string, hint: string): HoneError {
  if (cause instanceof HoneError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new HoneError("file.unwritable", `the output cannot be written: ${reason}`, { at: { file }, hint, cause });
}
