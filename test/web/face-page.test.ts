/** The page of `npm run web` in Chromium. Skipped where there is none, or no photo. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium, launchChromium } from "../../scripts/web/chromium.ts";
import { faceEngine, pageFiles } from "../../scripts/web/serve.ts";
import { servePage, type PageServer } from "../../scripts/web/server.ts";
import { packageFile } from "../../src/workflow/detector.ts";
import { must } from "../../src/util/errors.ts";

const chromium = findChromium();
const sample = packageFile("@vladmandic/face-api", "demo/sample1.jpg");
if (chromium === undefined || sample === undefined) process.stderr.write("skipped: there is no Chromium, or no photo, for the face page\n");

describe.skipIf(chromium === undefined || sample === undefined)("npm run web", () => {
  let server: PageServer | undefined;
  let folder = "";
  /** One whose camera nobody allows, and one that takes the photo for what its camera sees. */
  let plain: Browser | undefined;
  let watching: Browser | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "hone-camera-"));
    const film = join(folder, "film.mjpeg");
    const frame = await sharp(must(sample, "sample")).resize(640, 480).jpeg().toBuffer();
    writeFileSync(film, Buffer.concat([frame, frame]));
    server = await servePage(await pageFiles(await faceEngine()), { isolated: true });
    const launch = (answer: string): Promise<Browser> =>
      launchChromium(must(chromium, "Chromium"), [
        "--use-fake-device-for-media-stream",
        `--use-file-for-fake-video-capture=${film}`,
        `--use-fake-ui-for-media-stream${answer}`,
      ]);
    [plain, watching] = [await launch("=deny"), await launch("")];
  }, 60_000);
  afterAll(async () => {
    await plain?.close();
    await watching?.close();
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens the page, and fails for whatever it complains about. */
  async function onPage(browser: Browser | undefined, work: (page: Page) => Promise<void>): Promise<void> {
    const page = await must(browser, "a browser").newPage();
    const complaints: string[] = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    try {
      await work(page);
      expect(complaints).toEqual([]);
    } finally {
      await page.close();
    }
  }

  const settled = (page: Page): Promise<unknown> =>
    page.waitForSelector("#picture:not([hidden]), #problem:not([hidden])", { timeout: 60_000 });

  test("a dropped photo shows its faces; what is no photo is told", { timeout: 120_000 }, async () => {
    await onPage(plain, async (page) => {
      // The photo is there before the engine is: it must not be lost.
      await page.route("**/engine.hone", async (route) => {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        await route.continue();
      });
      await page.goto(must(server, "server").url);
      await page.setInputFiles("#file", must(sample, "sample"));
      await settled(page);
      expect(await page.textContent("#problem")).toBe("");
      expect(await page.textContent("#faces")).toBe("3");
      expect(await page.textContent("#status")).toBe("3 faces found");
      expect(await page.locator("#list li").count()).toBe(3);
      expect(await page.textContent("#model-time")).toMatch(/^\d+\.\d ms$/);
      expect(await page.getByRole("img", { name: "Picture with 3 faces" }).isVisible()).toBe(true);
      await page.setInputFiles("#file", { name: "not-a-photo.jpg", mimeType: "image/jpeg", buffer: Buffer.from("text") });
      await page.waitForSelector("#problem:not([hidden])");
      expect(await page.getByRole("alert").textContent()).toContain("no picture that the browser can read");
      expect(await page.isVisible("#busy")).toBe(false);
    });
  });

  test("the camera looks until it is stopped", { timeout: 120_000 }, async () => {
    await onPage(watching, async (page) => {
      await page.goto(must(server, "server").url);
      await page.getByRole("button", { name: "Use the camera" }).click();
      await settled(page);
      await page.locator("#rate", { hasText: /^[1-9]/ }).waitFor();
      expect(await page.textContent("#problem")).toBe("");
      expect(await page.textContent("#faces")).toBe("3");
      await page.getByRole("button", { name: "Stop the camera", pressed: true }).click();
      expect(await page.isVisible("#rate")).toBe(false);
      // A photo takes over from the camera.
      await page.getByRole("button", { name: "Use the camera" }).click();
      await page.setInputFiles("#file", must(sample, "sample"));
      await page.waitForSelector("#status:not(:empty)", { state: "attached" });
      expect(await page.getByRole("button", { name: "Use the camera", pressed: false }).isVisible()).toBe(true);
    });
  });

  test("a camera that is not allowed is told, and photos still work", { timeout: 120_000 }, async () => {
    await onPage(plain, async (page) => {
      await page.goto(must(server, "server").url);
      await page.getByRole("button", { name: "Use the camera" }).click();
      await page.waitForSelector("#problem:not([hidden])");
      expect(await page.textContent("#problem")).toMatch(/^The camera is not allowed here\. Allow it/);
      await page.getByRole("button", { name: "Show a sample" }).click();
      await page.waitForSelector("#picture:not([hidden])", { timeout: 60_000 });
      expect(await page.isVisible("#problem")).toBe(false);
    });
  });
});
