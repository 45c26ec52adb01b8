/** Drop a photo, or let the camera look: faces and how long finding them took. */
import { makeImage, type Image } from "../../../src/data/image.ts";
import { parseRecipe } from "../../../src/vision/recipes.ts";
import { detectFaces, type Face, type FaceSession } from "../../../src/vision/face.ts";
import { HoneError, Session } from "../../../src/web.ts";
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
const show = (id: string, text: string): void => {
  element(id, HTMLElement).textContent = text;
};

/** Longer sides are drawn smaller: no detector here looks at more. */
const LONGEST = 1280;

function problem(error: unknown): void {
  const box = element("problem", HTMLElement);
  box.textContent = error instanceof HoneError ? error.describe() : error instanceof Error ? error.message : String(error);
  box.hidden = false;
}

/** Opened while the page already takes photos: the first one waits for it, and is not lost. */
const engine = open();

interface OpenEngine {
  find(image: Image): Promise<{ readonly faces: readonly Face[]; readonly modelMs: number }>;
}

async function open(): Promise<OpenEngine | undefined> {
  try {
    const began = performance.now();
    const session = await Session.open("engine.hone", { worker: () => new Worker("worker.js", { type: "module" }) });
    const recipe = parseRecipe(session.manifest.recipe);
    const { target } = session.info;
    const threads = crossOriginIsolated ? "cross-origin isolated" : "not cross-origin isolated";
    show("about", `${recipe.name}, ${target}, opened in ${(performance.now() - began).toFixed(0)} ms; this page is ${threads}.`);
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

/** What the canvas shows, as red, green and blue. */
function pixels(): Image {
  const { data, width, height } = contextOf(picture).getImageData(0, 0, picture.width, picture.height);
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0, o = 0; i < data.length; i += 4) {
    rgb[o++] = data[i] ?? 0;
    rgb[o++] = data[i + 1] ?? 0;
    rgb[o++] = data[i + 2] ?? 0;
  }
  return makeImage(width, height, rgb);
}

async function look(source: CanvasImageSource, width: number, height: number): Promise<void> {
  const opened = await engine;
  if (!opened) return;
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  if (picture.width !== w || picture.height !== h) Object.assign(picture, { width: w, height: h });
  contextOf(picture).drawImage(source, 0, 0, w, h);
  const began = performance.now();
  const { faces, modelMs } = await opened.find(pixels());
  const whole = performance.now() - began;
  drawFaces(picture, faces);
  picture.hidden = false;
  element("hint", HTMLElement).hidden = true;
  stage.classList.add("filled");
  show("faces", String(faces.length));
  show("model-time", `${modelMs.toFixed(1)} ms`);
  show("whole-time", `${whole.toFixed(1)} ms`);
  history.add(modelMs);
}

async function lookAtBlob(blob: Blob): Promise<void> {
  stopCamera();
  element("problem", HTMLElement).hidden = true;
  try {
    const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
    await look(bitmap, bitmap.width, bitmap.height);
    bitmap.close();
  } catch (error) {
    problem(error instanceof DOMException ? new Error("this file is no picture that the browser can read") : error);
  }
}

let stream: MediaStream | undefined;

function stopCamera(): void {
  stream?.getTracks().forEach((track) => {
    track.stop();
  });
  stream = undefined;
  cameraButton.textContent = "Use the camera";
  cameraButton.classList.remove("on");
}

async function startCamera(): Promise<void> {
  element("problem", HTMLElement).hidden = true;
  try {
    const mine = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    stream = mine;
    cameraButton.textContent = "Stop the camera";
    cameraButton.classList.add("on");
    const video = document.createElement("video");
    video.srcObject = mine;
    video.muted = true;
    await video.play();
    while (stream === mine) {
      await new Promise(requestAnimationFrame);
      await look(video, video.videoWidth, video.videoHeight);
    }
  } catch (error) {
    stopCamera();
    problem(error instanceof DOMException ? new Error(`the camera cannot be used: ${error.message}`) : error);
  }
}

element("choose", HTMLButtonElement).addEventListener("click", () => {
  file.click();
});
file.addEventListener("change", () => {
  const [chosen] = file.files ?? [];
  if (chosen) void lookAtBlob(chosen);
});
cameraButton.addEventListener("click", () => {
  if (stream) stopCamera();
  else void startCamera();
});
const sample = element("sample", HTMLButtonElement);
sample.addEventListener("click", () => {
  void fetch("sample.jpg").then(async (response) => lookAtBlob(await response.blob()));
});
void fetch("sample.jpg", { method: "HEAD" }).then(({ ok }) => {
  sample.hidden = !ok;
});
stage.addEventListener("dragover", (event) => {
  event.preventDefault();
  stage.classList.add("over");
});
stage.addEventListener("dragleave", () => {
  stage.classList.remove("over");
});
stage.addEventListener("drop", (event) => {
  event.preventDefault();
  stage.classList.remove("over");
  const [dropped] = event.dataTransfer?.files ?? [];
  if (dropped) void lookAtBlob(dropped);
});
document.addEventListener("paste", (event) => {
  const [pasted] = event.clipboardData?.files ?? [];
  if (pasted) void lookAtBlob(pasted);
});
