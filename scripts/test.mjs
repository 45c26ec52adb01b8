// npm test: set up what is missing, then every test (or those named: npm test -- src/util).
import { ensureBuilt, ensureInstalled, runNode } from "./setup.mjs";

ensureInstalled();
ensureBuilt();
process.exitCode = runNode(["node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2)]);
