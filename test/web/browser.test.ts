/** hone-engine/web in Chromium. Skipped where there is none. */
import { gzipSync } from "node:zlib";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundlePage, type Files } from "../../scripts/web/bundle.ts";
import { findChromium, launchChromium } from "../../scripts/web/chromium.ts";
import { servePage, textFile } from "../../scripts/web/server.ts";
import { Session } from "../../src/runtime/node/session.ts";
import { convEngine, numbers, sharedEngine, trappingEngine } from "../../src/runtime/testing/wasm.ts";
import { must } from "../../src/util/errors.ts";
import type { PageResult, Programs } from "./page.ts";

const chromium = findChromium();
if (chromium === undefined) process.stderr.write("skipped: there is no Chromium for the browser's tests\n");

const HTML = `<!doctype html><meta charset="utf-8"><title>test</title><script type="module" src="page.js"></script>`;
const engine = convEngine();
const shared = sharedEngine();
const dims = [1, 3, 8, 8];
const x = numbers(192, 7);

let files: Files = new Map();
beforeAll(async () => {
  const bundles = await bundlePage({ "page.js": "test/web/page.ts" });
  files = new Map([
    ...bundles,
    ["index.html", textFile(HTML)],
    ["engine.hone", engine],
    ["shared.hone", shared],
    ["trapping.hone", trappingEngine()],
  ]);
}, 60_000);

test("the runtime for pages is at most 60 kB of gzip, its worker included", async () => {
  const bundles = await bundlePage({ "web.js": "src/web.ts" });
  const size = [...bundles.values()].reduce((n, bytes) => n + gzipSync(bytes).length, 0);
  expect(size).toBeLessThanOrEqual(60_000);
  const text = new TextDecoder().decode(bundles.get("web.js"));
  expect(text).not.toMatch(/\beval\(|new Function|blob:/);
});

describe.skipIf(chromium === undefined)("in Chromium", () => {
  let browser: Browser | undefined;
  beforeAll(async () => {
    browser = await launchChromium(must(chromium, "Chromium"));
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
  });

  /** Calls a program of page.ts in a fresh page, and fails for whatever the page complains about. */
  async function inPage<K extends keyof Programs>(
    isolated: boolean,
    name: K,
    args: Parameters<Programs[K]>,
  ): Promise<Awaited<ReturnType<Programs[K]>>> {
    const server = await servePage(files, { isolated });
    const page = await must(browser, "browser").newPage();
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" && !message.text().includes("404")) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    try {
      await page.goto(server.url);
      await page.waitForFunction(() => "programs" in globalThis);
      const call = `programs[${JSON.stringify(name)}](...${JSON.stringify(args)})`;
      const result = await page.evaluate<Awaited<ReturnType<Programs[K]>>>(call);
      expect(complaints).toEqual([]);
      return result;
    } finally {
      await page.close();
      await server.close();
    }
  }

  async function wanted(): Promise<number[]> {
    const session = await Session.open(engine);
    const { y } = session.runSync({ x: { type: "float32", dims, data: x } });
    await session.close();
    return Array.from(must(y, "y").data, Number);
  }

  test.each([
    ["cross-origin isolated", true, "url"],
    ["not isolated", false, "url"],
    ["not isolated, from bytes", false, "bytes"],
  ] as const)("%s: an engine opens under a strict policy and gives what Node gives", async (_, isolated, from) => {
    const result: PageResult = await inPage(isolated, "run", [from, [...x], dims]);
    expect(result).toMatchObject({ isolated, names: ["y"], type: "float32", dims: [1, 8, 8, 8] });
    expect(result).toMatchObject({ syncError: "usage", closedError: "engine.closed" });
    expect(result.target).toMatch(/^wasm:(relaxed|simd128)$/);
    const want = await wanted();
    expect(result.data).toHaveLength(want.length);
    result.data.forEach((v, i) => expect(v).toBeCloseTo(want[i] ?? NaN, 5));
  });

  test("workers share a run in an isolated page, to the bit; in another there is one, and info says so", { timeout: 60_000 }, async () => {
    const x = [...numbers(25_600, 11)];
    const alone = await inPage(false, "threads", [2, x, [1, 16, 40, 40]]);
    expect(alone.threads).toBe(1);
    expect(alone.why).toMatch(/; one thread, because the page is not cross-origin isolated$/);
    const want = must(alone.results[0], "a result");
    expect(want.split(",").some((v) => Number(v) !== 0)).toBe(true);
    for (const count of [1, 2, 3]) {
      const result = await inPage(true, "threads", [count, x, [1, 16, 40, 40]]);
      expect(result.threads).toBe(count);
      expect(result.results).toEqual([want, want, want]);
      expect(result.codes).toEqual(count === 1 ? [] : ["internal", "no error", "internal", "no error"]);
    }
  });

  test("what goes wrong is an error with a code", async () => {
    expect(await inPage(false, "errors", [])).toEqual(["file.not-found", "engine.damaged", "engine.load", "aborted"]);
  });
});
