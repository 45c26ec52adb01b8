// npm test: set up what is missing, then every test (or those named: npm test -- src/util).
// npm test -- --without-compiler: the same on a machine where no C compiler is found.
import { pathWithoutCompiler } from "./no-compiler.mjs";
import { ensureBuilt, ensureInstalled, runNode } from "./setup.mjs";

const args = process.argv.slice(2);
const named = args.filter((arg) => arg !== "--without-compiler");
ensureInstalled();
ensureBuilt();
if (named.length < args.length) {
  const path = pathWithoutCompiler();
  process.once("exit", path.remove);
  process.env.PATH = path.folder;
  delete process.env.CC;
  delete process.env.HONE_CC;
}
process.exitCode = runNode(["node_modules/vitest/vitest.mjs", "run", ...named]);
