/** The command line: arguments to a verb, its outcome to stdout, errors to stderr, all to an exit code. */
import { Command, CommanderError } from "commander";
import { HONE_VERSION } from "../index.ts";
import { HoneError } from "../util/errors.ts";
import { flag, toCommander } from "./options.ts";
import { openProgress } from "./progress.ts";
import { paint } from "./text.ts";
import type { Outcome, Verb } from "./verb.ts";
import { VERBS } from "./verbs.ts";

/** Where a command line reads and writes; the process in main.ts, memory in tests. */
export interface Io {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Of the objects that --json prints; docs/cli.md describes them. */
const JSON_VERSION = 1;
const JSON_FLAG = flag("--json", "print one JSON object on stdout");

/** Runs a command line (without node and the script); the answer is the exit code. Never rejects. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const json = argv.includes("--json");
  let code = 0;
  try {
    const program = await buildProgram(argv, io, (exit) => (code = exit));
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    return fail(error instanceof CommanderError ? usageError(error) : error, json, io);
  }
}

async function buildProgram(argv: readonly string[], io: Io, done: (exit: number) => void): Promise<Command> {
  const program = new Command("hone")
    .usage("VERB [options]")
    .description("Imports a trained model, optimises it, compiles it to native code and runs it.")
    .version(HONE_VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .addHelpText("before", `${examplesText(PROGRAM_EXAMPLES)}\n`)
    .addHelpText(
      "after",
      "\n`hone VERB --help` says more about a verb. Exit codes: 0 ok, 1 failure, 2 usage, 3 gate missed, 4 unsupported, 130 interrupted.",
    );
  quiet(program, io);
  const named = argv.find((a) => !a.startsWith("-") && a !== "help");
  for (const [name, { summary, load }] of Object.entries(VERBS)) {
    const command = program.command(name).description(sentence(summary)).summary(summary);
    quiet(command, io);
    if (name === named) configure(command, await load(), io, done);
  }
  return program;
}

/** Commander prints nothing but help: errors come back as exceptions. */
function quiet(command: Command, io: Io): void {
  command
    .exitOverride()
    .showHelpAfterError(false)
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      outputError: () => undefined,
    })
    .configureHelp({ helpWidth: 100 });
}

function configure(command: Command, verb: Verb, io: Io, done: (exit: number) => void): void {
  verb.arguments.forEach((a) => command.argument(a.name, a.about));
  Object.values(verb.options).forEach((spec) => command.addOption(toCommander(spec)));
  command.addOption(toCommander(JSON_FLAG)).addHelpText("before", `${examplesText(verb.examples)}\n`);
  command.action(async () => {
    const progress = await openProgress(io.stderr);
    let outcome: Outcome;
    try {
      outcome = await verb.run({ signal: io.signal, onEvent: progress.onEvent }, command.args, command.opts());
    } finally {
      progress.stop();
    }
    done(report(outcome, command.opts()["json"] === true, io));
  });
}

/** Prints what a verb answered; the exit code is its failure's. */
function report({ json, text, failure }: Outcome, asJson: boolean, io: Io): number {
  if (asJson) printJson({ ...json, ...(failure ? { error: errorJson(failure) } : {}) }, io);
  else io.stdout.write(`${text(paint(colour(io.stdout, io)))}\n`);
  if (failure === undefined) return 0;
  printError(failure, io);
  return failure.exitCode;
}

function fail(error: unknown, json: boolean, io: Io): number {
  const known = toHoneError(error, io);
  if (json) printJson({ error: errorJson(known) }, io);
  printError(known, io);
  return known.exitCode;
}

function toHoneError(error: unknown, io: Io): HoneError {
  if (error instanceof HoneError) return error;
  if (io.signal.aborted) return new HoneError("aborted", "interrupted", { cause: error });
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new HoneError("internal", stack, {
    cause: error,
    hint: "This is a bug in hone. Please report it with the command and the model.",
  });
}

/** `error: unknown option '--outptu'\n(Did you mean --output?)` in our own words. */
function usageError(error: CommanderError): HoneError {
  if (error.code === "commander.help") return new HoneError("usage", "which verb?", { hint: "`hone --help` lists them." });
  const [message = "", more = ""] = error.message.replace(/^error: /, "").split("\n");
  const suggestion = /^\((.*)\)$/.exec(more)?.[1];
  return new HoneError("usage", message, { hint: suggestion ?? "`hone --help` lists the verbs, `hone VERB --help` the options of one." });
}

function printJson(value: Readonly<Record<string, unknown>>, io: Io): void {
  io.stdout.write(`${JSON.stringify({ version: JSON_VERSION, ...value }, null, io.stdout.isTTY ? 2 : undefined)}\n`);
}

function errorJson(error: HoneError): Record<string, unknown> {
  const { code, message, at, hint, problems } = error;
  return { code, message, at, ...(hint === undefined ? {} : { hint }), problems };
}

function printError(error: HoneError, io: Io): void {
  const p = paint(colour(io.stderr, io));
  io.stderr.write(`${p.red(`error ${error.code}:`)} ${error.describe()}\n`);
}

function colour(stream: Io["stdout"], { env }: Io): boolean {
  if (env["NO_COLOR"]) return false;
  return stream.isTTY === true && env["TERM"] !== "dumb";
}

const PROGRAM_EXAMPLES = [
  ["demo", "see it work"],
  ["build model.onnx -o model.hone", "compile a model for this machine"],
  ["compare model.onnx --against onnxruntime", "prove that the engine computes the same"],
  ["face photo.jpg -o faces.png", "find faces and draw them"],
] as const;

function examplesText(examples: readonly (readonly [string, string])[]): string {
  const wide = Math.max(...examples.map(([line]) => line.length));
  return ["Examples:", ...examples.map(([line, what]) => `  hone ${line.padEnd(wide)}   ${what}`)].join("\n");
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
