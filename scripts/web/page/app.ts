/** Drop a photo, or let the camera look: faces and how long finding them took. */
import { makeImage, type Image } from "../../../src/data/image.ts";
import { parseRecipe } from "../../../src/vision/recipes.ts";
import { detectFaces, type Face, type FaceSession } from "../../../src/vision/face.ts";
import { HoneError, Session } from "../../../src/web.ts";
import { Camera } from "./camera.ts";
import { contextOf, drawFaces, History } from "./draw.ts";

function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${id}`);
}

const picture = element("picture", HTMLCanvasElement);
const stage = element("stage", HTMLElement);
const file = element("file", HTMLInputElement);
const cameraButton = element("camera", HTMLButtonElement);
const history = new History(element("history", HTMLCanvasElement));
/** Where a picture lies until its faces are known: the page shows both at once. */
const work = document.createElement("canvas");

const show = (id: string, text: string): void => {
  element(id, HTMLElement).textContent = text;
};
const toggle = (id: string, shown: boolean): void => {
  element(id, HTMLElement).hidden = !shown;
};

/** Pictures are brought between these: no detector here looks at more, and in less the labels would hide the faces. */
const [SHORTEST, LONGEST] = [480, 1280];

function problem(error: unknown): void {
  show("problem", error instanceof HoneError ? error.describe() : error instanceof Error ? error.message : String(error));
  toggle("problem", true);
  busy("");
}

/** What the page waits for; nothing when empty. */
function busy(what: string): void {
  show("busy", what);
  toggle("busy", what !== "");
  stage.setAttribute("aria-busy", String(what !== ""));
}

/** Opened while the page already takes photos: the first one waits for it, and is not lost. */
const engine = open();

interface Found {
  readonly faces: readonly Face[];
  readonly modelMs: number;
}

interface OpenEngine {
  find(image: Image): Promise<Found>;
}

async function open(): Promise<OpenEngine | undefined> {
  try {
    const began = performance.now();
    const session = await Session.open("engine.hone", { worker: () => new Worker("worker.js", { type: "module" }) });
    const recipe = parseRecipe(session.manifest.recipe);
    show("about", `${recipe.name} as ${session.info.target}, opened in ${(performance.now() - began).toFixed(0)} ms`);
    let modelMs = 0;
    const timed: FaceSession = {
      inputMetadata: session.inputMetadata,
      inputNames: session.inputNames,
      run: async (feeds) => {
        const start = performance.now();
        const outputs = await session.run(feeds);
        modelMs = performance.now() - start;
        return outputs;
      },
    };
    return { find: async (image) => ({ faces: await detectFaces(timed, recipe, image), modelMs }) };
  } catch (error) {
    show("about", "");
    problem(error);
    return undefined;
  }
}

/** What a canvas shows, as red, green and blue. */
function pixels(canvas: HTMLCanvasElement): Image {
  const { data, width, height } = contextOf(canvas).getImageData(0, 0, canvas.width, canvas.height);
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0, o = 0; i < data.length; i += 4) {
    rgb[o++] = data[i] ?? 0;
    rgb[o++] = data[i + 1] ?? 0;
    rgb[o++] = data[i + 2] ?? 0;
  }
  return makeImage(width, height, rgb);
}

interface Source {
  readonly image: CanvasImageSource;
  readonly width: number;
  readonly height: number;
  /** As in a mirror. */
  readonly mirrored?: boolean;
}

function resize(canvas: HTMLCanvasElement, width: number, height: number): void {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}

function drawSource({ image, width, height, mirrored }: Source): void {
  const longest = Math.max(width, height);
  const scale = Math.min(LONGEST, Math.max(SHORTEST, longest)) / longest;
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  resize(work, w, h);
  const c = contextOf(work);
  c.imageSmoothingQuality = "high";
  // What is transparent is white, as on paper.
  c.fillStyle = "#fff";
  c.fillRect(0, 0, w, h);
  c.setTransform(mirrored ? -1 : 1, 0, 0, 1, mirrored ? w : 0, 0);
  c.drawImage(image, 0, 0, w, h);
  c.resetTransform();
}

/** Who looks: each photo and each start of the camera is a turn, and what an earlier one still finds is not shown. */
let turn = 0;

async function look(source: Source, mine: number): Promise<number | undefined> {
  const opened = await engine;
  if (!opened || mine !== turn) return undefined;
  const began = performance.now();
  drawSource(source);
  const { faces, modelMs } = await opened.find(pixels(work));
  const whole = performance.now() - began;
  if (mine !== turn) return undefined;
  resize(picture, work.width, work.height);
  toggle("picture", true);
  toggle("hint", false);
  stage.classList.add("filled");
  contextOf(picture).drawImage(work, 0, 0);
  drawFaces(picture, faces);
  tell(faces, modelMs, whole);
  return faces.length;
}

const countOf = (n: number): string => (n === 1 ? "1 face" : `${n} faces`);

function tell(faces: readonly Face[], modelMs: number, whole: number): void {
  picture.setAttribute("aria-label", `Picture with ${countOf(faces.length)}`);
  show("faces", String(faces.length));
  show("model-time", `${modelMs.toFixed(1)} ms`);
  show("whole-time", `${whole.toFixed(1)} ms`);
  const caption = history.add(modelMs);
  show("caption", caption);
  toggle("times", caption !== "");
  const rows = faces.map(({ score, box: [, , w, h] }) => {
    const row = document.createElement("li");
    for (const text of [`${Math.round(100 * score)}% sure`, `${w.toFixed(0)} × ${h.toFixed(0)} px`]) row.append(span(text));
    return row;
  });
  element("list", HTMLElement).replaceChildren(...rows);
  toggle("list", rows.length > 0);
}

function span(text: string): HTMLSpanElement {
  const made = document.createElement("span");
  made.textContent = text;
  return made;
}

/** What is no picture, or one that this browser has no decoder for. */
const UNREADABLE = "This file is no picture that the browser can read. JPEG, PNG and WebP are.";

async function lookAtBlob(blob: Blob): Promise<void> {
  stopCamera();
  const mine = ++turn;
  toggle("problem", false);
  busy("Looking …");
  try {
    const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
    const count = await look({ image: bitmap, width: bitmap.width, height: bitmap.height }, mine);
    bitmap.close();
    if (count !== undefined) show("status", `${countOf(count)} found`);
    if (mine === turn) busy("");
  } catch (error) {
    if (mine === turn) problem(error instanceof DOMException ? new Error(UNREADABLE) : error);
  }
}

/** Whether the camera looks, or is asked for. */
let watching = false;

function setWatching(on: boolean): void {
  watching = on;
  cameraButton.textContent = on ? "Stop the camera" : "Use the camera";
  cameraButton.setAttribute("aria-pressed", String(on));
  toggle("rate-row", on);
}

function stopCamera(): void {
  if (!watching) return;
  turn++;
  setWatching(false);
  busy("");
}

async function startCamera(): Promise<void> {
  const mine = ++turn;
  toggle("problem", false);
  setWatching(true);
  busy("Waiting for the camera …");
  let camera: Camera | undefined;
  try {
    camera = await Camera.open();
    for (let last = performance.now(); mine === turn;) {
      await new Promise(requestAnimationFrame);
      if ((await look(camera.frame(), mine)) === undefined) break;
      busy("");
      const now = performance.now();
      show("rate", (1000 / (now - last)).toFixed(0));
      last = now;
    }
  } catch (error) {
    if (mine === turn) {
      stopCamera();
      problem(error);
    }
  } finally {
    camera?.close();
  }
  if (mine === turn) stopCamera();
}

const choose = (): void => {
  file.click();
};
element("choose", HTMLButtonElement).addEventListener("click", choose);
stage.addEventListener("click", () => {
  if (!stage.classList.contains("filled")) choose();
});
file.addEventListener("change", () => {
  const [chosen] = file.files ?? [];
  if (chosen) void lookAtBlob(chosen);
  // The same file can be chosen again.
  file.value = "";
});
cameraButton.addEventListener("click", () => {
  if (watching) stopCamera();
  else void startCamera();
});
const sample = element("sample", HTMLButtonElement);
sample.addEventListener("click", () => {
  fetch("sample.jpg").then(async (response) => lookAtBlob(await response.blob()), problem);
});
fetch("sample.jpg", { method: "HEAD" }).then(
  ({ ok }) => {
    sample.hidden = !ok;
  },
  () => undefined,
);
// Over the whole page: a photo that misses the stage would replace the page.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  stage.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) stage.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  stage.classList.remove("over");
  const [dropped] = event.dataTransfer?.files ?? [];
  if (dropped) void lookAtBlob(dropped);
});
document.addEventListener("paste", (event) => {
  const [pasted] = event.clipboardData?.files ?? [];
  if (pasted) void lookAtBlob(pasted);
});
