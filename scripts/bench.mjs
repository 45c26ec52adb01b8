// npm run bench:metrics, and benches to come: node scripts/bench.mjs NAME runs scripts/bench/NAME.ts.
import { ensureInstalled, runNode } from "./setup.mjs";

const [name = "metrics", ...rest] = process.argv.slice(2);
ensureInstalled();
process.exitCode = runNode(["node_modules/tsx/dist/cli.mjs", `scripts/bench/${name}.ts`, ...rest]);
