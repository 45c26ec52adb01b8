/**
 * Whether Vite, webpack and esbuild, as npm gives them today, make a page of hone-engine/web that runs under the strict policy:
 * `npm run bundlers [-- NAME...]`. The package is packed and installed into a new folder, as a user would. Needs npm's registry and a
 * Chromium, and says so where one is missing.
 */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { Browser } from "playwright-core";
import { Session } from "../../src/runtime/node/session.ts";
import { numbers, sharedEngine } from "../../src/runtime/testing/wasm.ts";
import { must } from "../../src/util/errors.ts";
import { ensureBuilt } from "../setup.mjs";
import { ROOT, type Files } from "./bundle.ts";
import { findChromium, launchChromium } from "./chromium.ts";
import { headersOf, servePage } from "./server.ts";

interface Bundler {
  readonly name: string;
  /** Program of the folder that makes the page, in dist/ below it. */
  readonly program: string;
}

const BUNDLERS: readonly Bundler[] = ["vite", "webpack", "esbuild"].map((name) => ({ name, program: `${name}.mjs` }));

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const DIMS = [1, 16, 40, 40];
const THREADS = 2;

class Failed extends Error {}

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8", maxBuffer: 1 << 26 });
  if (status !== 0) throw new Failed(`${command} ${args[0] ?? ""} ended with ${String(status)}:\n${stdout}${stderr}`);
  return stdout;
}

/** A folder with the page's sources, the package and the bundlers. Throws {@link Failed} when npm cannot install them. */
function makeApp(app: string, names: readonly string[]): void {
  cpSync(join(import.meta.dirname, "bundlers"), app, { recursive: true });
  mkdirSync(join(app, "public"));
  writeFileSync(join(app, "public/engine.hone"), sharedEngine());
  writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", private: true, type: "module" }));
  const packed = run("npm", ["pack", "--silent", "--pack-destination", app], ROOT).trim();
  run("npm", ["install", "--no-audit", "--no-fund", `./${packed}`, ...names], app);
}

/** What a bundler made, by the path under which it is served. */
function filesOf(folder: string): Files {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => statSync(join(folder, name)).isFile());
  return new Map(names.map((name) => [relative(folder, join(folder, name)), new Uint8Array(readFileSync(join(folder, name)))]));
}

interface PageResult {
  /** By how many threads the page ran the engine. */
  readonly threads: number;
  /** What came out. */
  readonly y: readonly number[];
}

async function openPage(browser: Browser, url: string): Promise<PageResult> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => message.type() === "error" && !message.text().includes("404") && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  try {
    await page.goto(url);
    const text = await page.waitForFunction(() => document.body.dataset["result"], undefined, { timeout: 60_000 });
    const result = JSON.parse(String(await text.jsonValue())) as { threads: number; y: number[]; error?: string };
    if (result.error !== undefined || complaints.length > 0) throw new Failed([result.error, ...complaints].join("; "));
    return result;
  } catch (error) {
    throw new Failed([error instanceof Error ? error.message : String(error), ...complaints].join("; "));
  } finally {
    await page.close();
  }
}

declare const document: { readonly body: { readonly dataset: Readonly<Record<string, string | undefined>> } };

async function tryBundler(app: string, { name, program }: Bundler, browser: Browser, want: readonly number[]): Promise<void> {
  rmSync(join(app, "dist"), { recursive: true, force: true });
  run(process.execPath, [program], app);
  const { version } = JSON.parse(readFileSync(join(app, "node_modules", name, "package.json"), "utf8")) as { readonly version: string };
  const files = filesOf(join(app, "dist"));
  for (const isolated of [false, true]) {
    const server = await servePage(files, { isolated });
    try {
      judge(await openPage(browser, server.url), isolated, want);
    } finally {
      await server.close();
    }
  }
  const scripts = [...files].filter(([path]) => path.endsWith(".js"));
  process.stdout.write(`${name} ${version}: ${scripts.map(([path]) => path).join(", ")}; one thread, and ${THREADS} in an isolated page\n`);
}

/** Throws {@link Failed}. */
function judge({ threads, y }: PageResult, isolated: boolean, want: readonly number[]): void {
  if (threads !== (isolated ? THREADS : 1)) throw new Failed(`${threads} threads run in a page that is ${isolated ? "" : "not "}isolated`);
  const off = y.map((v, i) => Math.abs(v - (want[i] ?? NaN))).reduce((a, b) => Math.max(a, b), y.length === want.length ? 0 : Infinity);
  if (!(off <= 1e-4)) throw new Failed(`the page's results are off by ${off}`);
}

/** Vite's development server, which serves the package's own files. */
async function tryDevelopment(app: string, browser: Browser, want: readonly number[]): Promise<void> {
  for (const isolated of [false, true]) {
    const server = spawn(process.execPath, ["vite-dev.mjs", JSON.stringify(headersOf(isolated))], {
      cwd: app,
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      const url = await new Promise<string>((resolve, reject) => {
        server.stdout.once("data", (text: Buffer) => resolve(text.toString().trim()));
        server.once("exit", (code) => reject(new Failed(`vite's server ended with ${String(code)}`)));
      });
      judge(await openPage(browser, url), isolated, want);
    } finally {
      server.stdin.end();
    }
  }
  process.stdout.write(`vite, development server: one thread, and ${THREADS} in an isolated page\n`);
}

async function wanted(): Promise<readonly number[]> {
  const session = await Session.open(sharedEngine());
  const { y } = session.runSync({ x: { type: "float32", dims: DIMS, data: numbers(25_600, 11) } });
  await session.close();
  return Array.from<number | bigint, number>(must(y, "y").data, Number);
}

async function tryAll(app: string, bundlers: readonly Bundler[], browser: Browser): Promise<void> {
  const want = await wanted();
  for (const bundler of bundlers) {
    try {
      await tryBundler(app, bundler, browser, want);
      if (bundler.name === "vite") await tryDevelopment(app, browser, want);
    } catch (error) {
      process.exitCode = 1;
      say(`${bundler.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

const UNREACHABLE = /ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENETUNREACH/;
const named = process.argv.slice(2);
const chosen = BUNDLERS.filter(({ name }) => named.length === 0 || named.includes(name));
const executable = findChromium();
const folder = mkdtempSync(join(tmpdir(), "hone-bundlers-"));
try {
  if (executable === undefined) {
    say("skipped: Chromium is not installed");
  } else {
    ensureBuilt();
    makeApp(
      folder,
      chosen.map(({ name }) => name),
    );
    const browser = await launchChromium(executable);
    await tryAll(folder, chosen, browser).finally(() => browser.close());
  }
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  const unreachable = error instanceof Failed && UNREACHABLE.test(text);
  if (!unreachable) process.exitCode = 1;
  say(unreachable ? "skipped: npm reaches no registry" : text);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
