// Everything that has to be there before hone runs: packages when the lock file changed, dist/ when the sources changed.
// Plain Node only: this file runs on a machine where nothing is installed yet.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
const say = (text) => process.stderr.write(`${text}\n`);

/** Installs what package-lock.json says, unless npm's own record of node_modules already agrees with it. */
export function ensureInstalled() {
  checkNodeVersion();
  if (installMatchesLock()) return;
  say("installing packages (first run, or package-lock.json changed) ...");
  const npm = process.env.npm_execpath?.endsWith("npm-cli.js") ? [process.execPath, process.env.npm_execpath] : ["npm"];
  const args = [...npm.slice(1), "ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync(npm[0], args, { cwd: root, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  if (status !== 0) fail("npm ci failed: see its messages above");
}

/** Compiles src/ into dist/, unless dist/ was made from these very sources. */
export function ensureBuilt() {
  const stamp = sourceHash();
  if (readText(join(root, "dist", ".stamp")) === stamp) return;
  say("building dist/ (first run, or sources changed) ...");
  const fresh = join(root, `dist.${process.pid}.tmp`);
  process.once("exit", () => rmSync(fresh, { recursive: true, force: true }));
  const tsc = [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json", "--outDir", fresh];
  const { status } = spawnSync(process.execPath, tsc, { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) fail("the build failed: see the compiler's messages above");
  copyAssets(fresh);
  writeFileSync(join(fresh, ".stamp"), stamp);
  // Swapped in whole, so that dist/ is never half of one build and half of another.
  rmSync(join(root, "dist"), { recursive: true, force: true });
  renameSync(fresh, join(root, "dist"));
}

/** Runs a Node program in the checkout with this terminal; returns its exit code. */
export function runNode(args) {
  const { status, signal } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  return status ?? (signal === "SIGINT" ? 130 : 1);
}

function checkNodeVersion() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) fail(`hone needs Node 20.19 or newer; this is ${process.versions.node}`);
}

function installMatchesLock() {
  const installed = readText(join(root, "node_modules/.package-lock.json"));
  if (installed === undefined) return false;
  const have = JSON.parse(installed).packages;
  const want = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const { dependencies, devDependencies } = want[""];
  const named = Object.keys({ ...dependencies, ...devDependencies });
  // A package that is named is needed here, even where npm marks it as another's optional peer.
  if (!named.every((name) => have[`node_modules/${name}`] !== undefined)) return false;
  return Object.entries(want).every(([path, entry]) => {
    if (path === "") return true;
    const found = have[path];
    // Optional packages are those of other platforms: npm leaves them out.
    return found === undefined
      ? entry.optional === true || entry.devOptional === true
      : found.version === entry.version && found.integrity === entry.integrity;
  });
}

function sourceHash() {
  const hash = createHash("sha256").update(process.versions.node);
  const files = ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"].map((name) => join(root, name));
  for (const file of [...files, ...filesUnder(join(root, "src")).filter((name) => !name.endsWith(".test.ts"))]) {
    const bytes = readFileSync(file);
    hash.update(`${relative(root, file)}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}

/** Whatever in src/ is not TypeScript (recipes, the C support file) belongs beside the code that reads it. */
function copyAssets(out) {
  const src = join(root, "src");
  for (const file of filesUnder(src)) {
    if (file.endsWith(".ts")) continue;
    const to = join(out, relative(src, file));
    mkdirSync(dirname(to), { recursive: true });
    cpSync(file, to);
  }
}

function filesUnder(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function readText(file) {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

function fail(message) {
  say(message);
  process.exit(1);
}
