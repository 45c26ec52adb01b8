/** The stages of a build, in order; the last three are three ways to end. */
export type Stage = "c" | "i" | "s" | "o" | "a" | "so" | "exe";

/** A file that a stage made. It lies in the cache under a name made of everything it depends on; copy it to keep it. */
export interface Artifact<S extends Stage = Stage> {
  readonly stage: S;
  /** Base name for people, without an extension: `kernels`. */
  readonly name: string;
  readonly path: string;
  /** SHA-256 of its bytes, as hex. */
  readonly sha256: string;
  readonly fromCache: boolean;
}

export interface Source {
  /** A plain file name that ends with .c or .h. */
  readonly name: string;
  readonly text: string;
}

export interface StageOptions {
  /** Flags for every stage that compiles, such as `-O3 -mavx2 -ffp-contract=off`. */
  readonly flags?: readonly string[];
  /** Flags that only the linker gets, after the objects, such as `-Wl,-z,defs -lm`. */
  readonly linkFlags?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

export interface BuildRequest extends StageOptions {
  /** Base name of what is linked. */
  readonly name: string;
  readonly sources: readonly Source[];
  /** Files that the sources include by name. */
  readonly headers?: readonly Source[];
  /** Where to stop. */
  readonly emit: Stage;
  /** Called as each source is done. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface BuildResult {
  /** What was asked for: one file a source up to "o", one file for "a", "so" and "exe". */
  readonly outputs: readonly Artifact[];
  /** Every file of every stage, in order. */
  readonly all: readonly Artifact[];
  /** Whether no compiler had to be started. */
  readonly fromCache: boolean;
}
