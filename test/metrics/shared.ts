import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { NamedText } from "../../src/data/annotations/records.ts";

export const SHARED: string = join(import.meta.dirname, "../../../shared/data");

/** Whether ../shared is there; tests that need it are skipped without it. */
export function hasShared(name: string): boolean {
  return existsSync(join(SHARED, name));
}

export function sharedTexts(folder: string, ending: string): NamedText[] {
  const full = join(SHARED, folder);
  return readdirSync(full)
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => ({ name, text: readFileSync(join(full, name), "utf8") }));
}

export function sharedBytes(name: string): Uint8Array {
  return readFileSync(join(SHARED, name));
}

export function fixture(name: string): unknown {
  return JSON.parse(readFileSync(join(import.meta.dirname, "../fixtures/metrics", name), "utf8"));
}
