// npm run check: everything that judges the code without running it. All steps run; the exit code is 1 if any failed.
// `npm run check -- rooms lint` runs the named steps only.
import { spawnSync } from "node:child_process";
import { ensureBuilt, ensureInstalled, root } from "./setup.mjs";

const steps = {
  types: ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json"],
  web: ["node_modules/typescript/bin/tsc", "-p", "tsconfig.web.json"],
  lint: ["node_modules/eslint/bin/eslint.js", ".", "--max-warnings=0"],
  format: ["node_modules/prettier/bin/prettier.cjs", "--check", "--log-level=warn", "."],
  rooms: ["node_modules/dependency-cruiser/bin/dependency-cruise.mjs", "src", "--config", ".dependency-cruiser.cjs"],
  unused: ["node_modules/knip/bin/knip.js"],
  package: ["node_modules/publint/src/cli.js", "--strict"],
  sizes: ["scripts/file-sizes.mjs"],
};

const named = process.argv.slice(2);
const unknown = named.filter((name) => !Object.hasOwn(steps, name));
if (unknown.length > 0) {
  process.stderr.write(`no check is called ${unknown.join(", ")}; there are ${Object.keys(steps).join(", ")}\n`);
  process.exit(2);
}

ensureInstalled();
if (named.length === 0 || named.includes("package")) ensureBuilt();
const failed = [];
for (const [name, args] of Object.entries(steps)) {
  if (named.length > 0 && !named.includes(name)) continue;
  const began = Date.now();
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28 });
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? "ok    " : "FAILED"} ${name.padEnd(8)} ${seconds} s\n`);
  if (status !== 0) {
    failed.push(name);
    process.stdout.write(`${stdout}${stderr}\n`);
  }
}
if (failed.length > 0) {
  process.stdout.write(`check failed: ${failed.join(", ")}\n`);
  process.exitCode = 1;
}
