/** The process around the command line: signals, pipes that close, the exit code. */
import { runCli } from "./cli.ts";

const abort = new AbortController();

process.once("SIGINT", () => {
  abort.abort();
  // Whoever is impatient: a second interrupt ends at once.
  process.once("SIGINT", () => process.exit(130));
});
process.once("SIGTERM", () => abort.abort());

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // `hone inspect … | head` is no failure.
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

process.exitCode = await runCli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  signal: abort.signal,
  env: process.env,
});
