import { HoneError } from "../util/errors.ts";
import { runProcess } from "./process.ts";

/** A C compiler that was found and asked for its version. */
export interface Compiler {
  readonly command: string;
  /** Arguments that come before all others, from a CC such as `ccache gcc`. */
  readonly leading: readonly string[];
  readonly family: "gcc" | "clang" | "other";
  readonly version: string;
  /** The machine it compiles for, such as `x86_64-linux-gnu`. */
  readonly target: string;
  /** What tells its output from another's: part of every cache key. */
  readonly identity: string;
}

export interface FindOptions {
  /** A command such as `clang` or `aarch64-linux-gnu-gcc`; nothing else is tried then. */
  readonly cc?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

const INSTALL_HINT =
  "Install one (Debian: apt-get install gcc; Fedora: dnf install gcc; macOS: xcode-select --install), or name one with HONE_CC=/path/to/cc.";

const probes = new Map<string, Promise<Compiler | undefined>>();

/**
 * The C compiler to use: the one named, else `$HONE_CC`, else the first that works of `$CC`, cc, gcc, clang.
 * Throws `toolchain.missing`.
 */
export async function findCompiler(options: FindOptions = {}): Promise<Compiler> {
  const named = options.cc ?? (process.env["HONE_CC"] || undefined);
  const commands = named === undefined ? [process.env["CC"], "cc", "gcc", "clang"] : [named];
  for (const command of commands) {
    if (command === undefined || command.trim() === "") continue;
    const compiler = await probe(command.trim());
    if (options.signal?.aborted) throw new HoneError("aborted", "aborted while looking for a C compiler");
    if (compiler !== undefined) return compiler;
  }
  const message =
    named === undefined ? "no C compiler was found: cc, gcc and clang are not in PATH" : `"${named}" is no C compiler that works`;
  throw new HoneError("toolchain.missing", message, { hint: INSTALL_HINT });
}

function probe(command: string): Promise<Compiler | undefined> {
  const key = `${command}\0${process.env["PATH"] ?? ""}`;
  const known = probes.get(key);
  if (known !== undefined) return known;
  const fresh = askVersion(command);
  probes.set(key, fresh);
  return fresh;
}

async function askVersion(text: string): Promise<Compiler | undefined> {
  const [command = "", ...leading] = text.split(/\s+/);
  const ask = (flag: string): ReturnType<typeof runProcess> => runProcess(command, [...leading, flag], { timeoutMs: 20_000 });
  const about = await ask("--version");
  if (!about.ok) return undefined;
  const [machine, number] = await Promise.all([ask("-dumpmachine"), ask("-dumpversion")]);
  const line = about.stdout.split("\n", 1)[0] ?? "";
  const family = /clang/i.test(about.stdout) ? "clang" : /gcc|free software foundation/i.test(about.stdout) ? "gcc" : "other";
  const version = /\d+\.\d+(\.\d+)?/.exec(line.replace(/\([^)]*\)/g, ""))?.[0] ?? number.stdout.trim();
  const target = machine.ok ? machine.stdout.trim() : "unknown";
  return { command, leading, family, version, target, identity: `${line}\n${target}` };
}
