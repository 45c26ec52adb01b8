// npm start: set up what is missing, then the demo.
import { ensureBuilt, ensureInstalled, runNode } from "./setup.mjs";

ensureInstalled();
ensureBuilt();
process.exitCode = runNode(["bin/hone.js", "demo", ...process.argv.slice(2)]);
