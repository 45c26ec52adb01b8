/** The picture with the faces on it, and the history of latencies. */
import type { Face } from "../../../src/vision/face.ts";

const [BRIGHT, DARK] = ["#6ee7b7", "#062018"];

export function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser draws nothing");
  return context;
}

/** How many of a canvas's pixels a pixel of the page has, where the canvas is shown whole. */
function pixelOf(canvas: HTMLCanvasElement): number {
  const { width, height } = canvas.getBoundingClientRect();
  return width > 0 && height > 0 ? Math.max(canvas.width / width, canvas.height / height) : 1;
}

/** Corners around each face, its points, and how sure the model is: bright with a dark edge, to be seen on any photo. */
export function drawFaces(canvas: HTMLCanvasElement, faces: readonly Face[]): void {
  const c = contextOf(canvas);
  const unit = pixelOf(canvas);
  c.lineCap = "round";
  c.lineJoin = "round";
  for (const { box, points, score } of faces) {
    corners(c, box);
    for (const [colour, width] of [
      [DARK, 4.5],
      [BRIGHT, 2.5],
    ] as const) {
      c.strokeStyle = colour;
      c.lineWidth = width * unit;
      c.stroke();
    }
    const radius = Math.max(1.5 * unit, box[2] / 45);
    for (const [x, y] of points) {
      disc(c, x, y, radius + 0.8 * unit, DARK);
      disc(c, x, y, radius, "#fff");
    }
    label(c, `${Math.round(100 * score)}%`, box[0], box[1], unit);
  }
}

function corners(c: CanvasRenderingContext2D, [x, y, w, h]: Face["box"]): void {
  const arm = Math.min(w, h) / 4;
  c.beginPath();
  for (const [cx, cy, sx, sy] of [
    [x, y, 1, 1],
    [x + w, y, -1, 1],
    [x + w, y + h, -1, -1],
    [x, y + h, 1, -1],
  ] as const) {
    c.moveTo(cx + sx * arm, cy);
    c.lineTo(cx, cy);
    c.lineTo(cx, cy + sy * arm);
  }
}

function disc(c: CanvasRenderingContext2D, x: number, y: number, radius: number, colour: string): void {
  c.fillStyle = colour;
  c.beginPath();
  c.arc(x, y, radius, 0, 2 * Math.PI);
  c.fill();
}

function label(c: CanvasRenderingContext2D, text: string, x: number, y: number, unit: number): void {
  c.font = `600 ${12 * unit}px system-ui, sans-serif`;
  const width = c.measureText(text).width + 10 * unit;
  const left = Math.min(Math.max(0, x), Math.max(0, c.canvas.width - width));
  const top = Math.max(0, y - 21 * unit);
  c.fillStyle = BRIGHT;
  c.strokeStyle = DARK;
  c.lineWidth = unit;
  c.beginPath();
  c.roundRect(left, top, width, 16 * unit, 4 * unit);
  c.stroke();
  c.fill();
  c.fillStyle = DARK;
  c.textBaseline = "middle";
  c.fillText(text, left + 5 * unit, top + 8.5 * unit);
}

const KEPT = 60;

/** Bars of the model's time, in the page's colours. */
export class History {
  readonly #canvas: HTMLCanvasElement;
  #times: readonly number[] = [];

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
  }

  /** Adds a run, and says what the bars show; there is nothing to say of one. */
  add(milliseconds: number): string {
    this.#times = [...this.#times, milliseconds].slice(-KEPT);
    const { width, height } = this.#canvas;
    const c = contextOf(this.#canvas);
    const style = getComputedStyle(this.#canvas);
    const [last, others] = ["--accent", "--bar"].map((name) => style.getPropertyValue(name));
    c.clearRect(0, 0, width, height);
    const sorted = [...this.#times].sort((a, b) => a - b);
    const [most = 0, median = 0] = [sorted.at(-1), sorted[sorted.length >> 1]];
    const step = width / KEPT;
    this.#times.forEach((t, i) => {
      const bar = Math.max(3, (t / most) * height);
      c.fillStyle = (i === this.#times.length - 1 ? last : others) ?? BRIGHT;
      c.fillRect(i * step + 1, height - bar, step - 2, bar);
    });
    if (sorted.length < 2) return "";
    return `model, the last ${sorted.length} runs: median ${median.toFixed(1)} ms, at most ${most.toFixed(1)} ms`;
  }
}
