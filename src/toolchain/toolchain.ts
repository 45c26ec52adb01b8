import { createHash } from "node:crypto";
import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { HoneError } from "../util/errors.ts";
import { cacheFolder, markUsed, pruneUnused, writeWhole } from "../util/node/cache.ts";
import type { Artifact, BuildRequest, BuildResult, Source, Stage, StageOptions } from "./artifact.ts";
import { findCompiler, type Compiler, type FindOptions } from "./compiler.ts";
import { runProcess } from "./process.ts";
import { makeFolder } from "../util/node/folder.ts";
import { asUnwritable, isFull, unwritable } from "../util/node/unwritable.ts";

export interface ToolchainOptions extends FindOptions {
  /** Where artifacts are kept; the default is `toolchain` in the user's cache. */
  readonly cache?: string | undefined;
  /** For one run of the compiler; 10 minutes by default. */
  readonly timeoutMs?: number | undefined;
}

interface Input {
  readonly name: string;
  readonly sha256: string;
  /** Puts the input into the folder in which the compiler runs. */
  place(folder: string): Promise<void>;
}

/** Part of every cache key: change it when the commands below change. */
const RECIPE = "hone-toolchain-1";
const MINUTES = 60_000;
const CACHE_HINT = "Make room for compiled files, or set HONE_CACHE to a folder on another disk.";

/**
 * Drives a C compiler through its stages, .c → .i → .s → .o → .a, .so or executable, each cached by the content it depends
 * on: input bytes, flags and the compiler's version. The compiler runs in an empty folder on fixed relative names, so that
 * its output depends on nothing else. Errors: `toolchain.failed` (the source is kept, its path is in the error), `aborted`.
 */
export class Toolchain {
  readonly compiler: Compiler;
  readonly cache: string;
  readonly #timeoutMs: number;
  readonly #slots: Semaphore = new Semaphore(availableParallelism());
  /** Two sources may ask for the same artifact at once. */
  readonly #running = new Map<string, Promise<{ sha256: string; fromCache: boolean }>>();

  private constructor(compiler: Compiler, cache: string, timeoutMs: number) {
    this.compiler = compiler;
    this.cache = cache;
    this.#timeoutMs = timeoutMs;
  }

  /** Throws `toolchain.missing` without a compiler, `file.unwritable` without a folder to work in. */
  static async open(options: ToolchainOptions = {}): Promise<Toolchain> {
    const compiler = await findCompiler(options);
    const cache = options.cache ?? (await cacheFolder("toolchain"));
    await makeFolder(cache, 0o700);
    return new Toolchain(compiler, cache, options.timeoutMs ?? 10 * MINUTES);
  }

  /** Takes sources through the stages as far as `emit`, several at a time. Throws also `file.unwritable`: the cache is full. */
  async build(request: BuildRequest): Promise<BuildResult> {
    try {
      return await this.#build(request);
    } catch (error) {
      throw asUnwritable(error, this.cache, CACHE_HINT);
    }
  }

  async #build(request: BuildRequest): Promise<BuildResult> {
    const { emit, sources, headers = [] } = request;
    let done = 0;
    const perSource = await Promise.all(
      sources.map(async (source) => {
        const artifacts = await this.#compileOne(source, headers, emit, request);
        request.onProgress?.(++done, sources.length);
        return artifacts;
      }),
    );
    const all = perSource.flat();
    if (emit === "c" || emit === "i" || emit === "s" || emit === "o") {
      return finish(
        all.filter((a) => a.stage === emit),
        all,
      );
    }
    const objects = all.filter((a): a is Artifact<"o"> => a.stage === "o");
    const linked = await this.link(objects, emit, request.name, request);
    return finish([linked], [...all, linked]);
  }

  /** Keeps C text as an artifact. */
  async source(source: Source): Promise<Artifact<"c">> {
    const { name, extension } = splitName(source.name);
    if (extension !== ".c") throw new HoneError("usage", `"${source.name}" is not the name of a C file`);
    const sha256 = hashOf(source.text);
    const path = join(this.cache, `${sha256}.c`);
    await makeFolder(this.cache, 0o700);
    await writeWhole(path, source.text, 0o600);
    return { stage: "c", name, path, sha256, fromCache: false };
  }

  /** `headers` are laid beside the source. */
  async preprocess(c: Artifact<"c">, headers: readonly Source[] = [], options: StageOptions = {}): Promise<Artifact<"i">> {
    const beside = headers.map((h): Input => ({
      name: h.name,
      sha256: hashOf(h.text),
      place: (folder) => writeFile(join(folder, h.name), h.text),
    }));
    headers.forEach((h) => splitName(h.name));
    return this.#stage(
      "i",
      c.name,
      [inputOf(c), ...beside],
      ["-E", ...COMMON, ...(options.flags ?? []), `${c.name}.c`, "-o", `${c.name}.i`],
      options,
    );
  }

  async compile(i: Artifact<"i">, options: StageOptions = {}): Promise<Artifact<"s">> {
    return this.#stage("s", i.name, [inputOf(i)], ["-S", ...COMMON, ...(options.flags ?? []), `${i.name}.i`, "-o", `${i.name}.s`], options);
  }

  async assemble(s: Artifact<"s">, options: StageOptions = {}): Promise<Artifact<"o">> {
    return this.#stage("o", s.name, [inputOf(s)], ["-c", ...machineFlags(options), `${s.name}.s`, "-o", `${s.name}.o`], options);
  }

  /** Ends a build: a shared library, an archive or a program. */
  async link<S extends "a" | "so" | "exe">(
    objects: readonly Artifact<"o">[],
    stage: S,
    name: string,
    options: StageOptions = {},
  ): Promise<Artifact<S>> {
    const inputs = objects.map((o, i): Input => ({
      ...inputOf(o),
      name: `${i}.o`,
      place: (folder) => copyFile(o.path, join(folder, `${i}.o`)),
    }));
    const names = inputs.map((o) => o.name);
    const out = `out.${stage}`;
    if (stage === "a") return this.#stage(stage, name, inputs, ["rcsD", out, ...names], options, await this.#archiver(options), out);
    const shape = stage === "so" ? ["-shared", ...(this.#isDarwin() ? [] : ["-Wl,--build-id=none"])] : [];
    return this.#stage(
      stage,
      name,
      inputs,
      [...shape, ...machineFlags(options), ...names, ...(options.linkFlags ?? []), "-o", out],
      options,
      undefined,
      out,
    );
  }

  #isDarwin(): boolean {
    return this.compiler.target.includes("darwin");
  }

  async #archiver(options: StageOptions): Promise<string> {
    const { command, leading } = this.compiler;
    const found = await runProcess(command, [...leading, "-print-prog-name=ar"], { timeoutMs: MINUTES, signal: options.signal });
    return found.stdout.trim() || "ar";
  }

  async #compileOne(source: Source, headers: readonly Source[], emit: Stage, options: StageOptions): Promise<Artifact[]> {
    const c = await this.source(source);
    if (emit === "c") return [c];
    const i = await this.preprocess(c, headers, options);
    if (emit === "i") return [c, i];
    const s = await this.compile(i, options);
    if (emit === "s") return [c, i, s];
    return [c, i, s, await this.assemble(s, options)];
  }

  async #stage<S extends Stage>(
    stage: S,
    name: string,
    inputs: readonly Input[],
    args: readonly string[],
    options: StageOptions,
    tool?: string,
    output = `${name}.${stage}`,
  ): Promise<Artifact<S>> {
    const { command, leading, identity } = this.compiler;
    const program = tool ?? command;
    const full = tool === undefined ? [...leading, ...args] : args;
    const key = hashOf(JSON.stringify([RECIPE, stage, identity, program, full, inputs.map((i) => [i.name, i.sha256])]));
    const path = join(this.cache, `${key}.${stage}`);
    let work = this.#running.get(key);
    if (work === undefined) {
      work = this.#make(path, inputs, program, full, output, options).finally(() => this.#running.delete(key));
      this.#running.set(key, work);
    }
    return { stage, name, path, ...(await work) };
  }

  async #make(
    path: string,
    inputs: readonly Input[],
    program: string,
    args: readonly string[],
    output: string,
    options: StageOptions,
  ): Promise<{ sha256: string; fromCache: boolean }> {
    const known = await readFile(path).catch(() => undefined);
    if (known !== undefined && known.length > 0) {
      await markUsed(path);
      return { sha256: hashOf(known), fromCache: true };
    }
    await makeFolder(this.cache, 0o700);
    await pruneUnused(this.cache);
    const folder = await mkdtemp(join(this.cache, "work-"));
    try {
      for (const input of inputs) await input.place(folder);
      const { signal } = options;
      const result = await this.#slots.use(() => runProcess(program, args, { cwd: folder, timeoutMs: this.#timeoutMs, signal }));
      if (signal?.aborted) throw new HoneError("aborted", "the build was aborted");
      if (!result.ok) throw await this.#failure(folder, inputs, program, args, result);
      const bytes = await readFile(join(folder, output));
      await rename(join(folder, output), path);
      return { sha256: hashOf(bytes), fromCache: false };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #failure(
    folder: string,
    inputs: readonly Input[],
    program: string,
    args: readonly string[],
    result: { readonly stderr: string; readonly why: string; readonly missing: boolean },
  ): Promise<HoneError> {
    if (result.missing)
      return new HoneError("toolchain.missing", `${program} cannot be run`, { hint: "Install a C compiler with its binutils." });
    if (isFull(`${result.why} ${result.stderr}`)) return unwritable(new Error(`${program} ${result.why}`), this.cache, CACHE_HINT);
    const keep = join(this.cache, "failed");
    const first = inputs[0];
    const kept = first === undefined ? keep : join(keep, first.name);
    await makeFolder(keep, 0o700);
    for (const input of inputs) await copyFile(join(folder, input.name), join(keep, input.name)).catch(() => undefined);
    const stderr = result.stderr.length > 4000 ? `${result.stderr.slice(0, 4000)}\n…` : result.stderr;
    return new HoneError("toolchain.failed", `${program} ${result.why}:\n${stderr.trimEnd()}`, {
      at: { file: kept },
      hint: `Its input was kept. To repeat: cd ${keep} && ${[program, ...args].join(" ")}`,
    });
  }
}

/** For engines and programs alike: position-independent, nothing visible but what says so, no path of this machine. */
const COMMON: readonly string[] = ["-fPIC", "-fvisibility=hidden", "-g0"];

/** The assembler and the linker need to know the machine, not the optimisations. */
function machineFlags(options: StageOptions): string[] {
  return (options.flags ?? []).filter((flag) => flag.startsWith("-m") || flag.startsWith("--target=") || flag.startsWith("--sysroot="));
}

function finish(outputs: readonly Artifact[], all: readonly Artifact[]): BuildResult {
  return { outputs, all, fromCache: all.every((a) => a.stage === "c" || a.fromCache) };
}

function inputOf(artifact: Artifact): Input {
  const name = `${artifact.name}.${artifact.stage}`;
  return { name, sha256: artifact.sha256, place: (folder) => copyFile(artifact.path, join(folder, name)) };
}

function splitName(file: string): { name: string; extension: string } {
  const found = /^([A-Za-z0-9_][A-Za-z0-9_.-]*)(\.[ch])$/.exec(file);
  if (found === null) throw new HoneError("usage", `"${file}" is not a plain name of a .c or .h file`);
  return { name: found[1] ?? "", extension: found[2] ?? "" };
}

function hashOf(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** At most `free` jobs at a time, first come first served. */
class Semaphore {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(free: number) {
    this.#free = free;
  }

  async use<T>(job: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((go) => this.#waiting.push(go));
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
