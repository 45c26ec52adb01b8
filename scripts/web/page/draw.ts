/** The picture with the faces on it, and the history of latencies. */
import type { Face } from "../../../src/vision/face.ts";

const ACCENT = "#6ee7b7";

export function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser draws nothing");
  return context;
}

/** Corners around each face, its points, and how sure the model is. */
export function drawFaces(canvas: HTMLCanvasElement, faces: readonly Face[]): void {
  const c = contextOf(canvas);
  const unit = Math.max(canvas.width, canvas.height) / 640;
  c.lineWidth = 2.5 * unit;
  c.lineCap = "round";
  c.lineJoin = "round";
  for (const { box, points, score } of faces) {
    const [x, y, w, h] = box;
    const arm = Math.min(w, h) / 4;
    c.strokeStyle = ACCENT;
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
    c.stroke();
    c.fillStyle = "#fff";
    for (const [px, py] of points) {
      c.beginPath();
      c.arc(px, py, Math.max(1.5, w / 45), 0, 2 * Math.PI);
      c.fill();
    }
    label(c, `${Math.round(100 * score)}%`, x, y, unit);
  }
}

function label(c: CanvasRenderingContext2D, text: string, x: number, y: number, unit: number): void {
  c.font = `600 ${12 * unit}px system-ui, sans-serif`;
  const width = c.measureText(text).width + 10 * unit;
  const top = Math.max(0, y - 20 * unit);
  c.fillStyle = ACCENT;
  c.beginPath();
  c.roundRect(x, top, width, 16 * unit, 4 * unit);
  c.fill();
  c.fillStyle = "#062018";
  c.textBaseline = "middle";
  c.fillText(text, x + 5 * unit, top + 8.5 * unit);
}

const KEPT = 60;

export class History {
  readonly #canvas: HTMLCanvasElement;
  #times: readonly number[] = [];

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
  }

  add(milliseconds: number): void {
    this.#times = [...this.#times, milliseconds].slice(-KEPT);
    const { width, height } = this.#canvas;
    const c = contextOf(this.#canvas);
    c.clearRect(0, 0, width, height);
    const most = Math.max(...this.#times);
    const step = width / KEPT;
    this.#times.forEach((t, i) => {
      const bar = Math.max(3, (t / most) * (height - 34));
      c.fillStyle = i === this.#times.length - 1 ? ACCENT : "#3b6f60";
      c.fillRect(i * step + 1, height - bar, step - 2, bar);
    });
    c.fillStyle = "#93a0b4";
    c.font = "20px system-ui, sans-serif";
    c.fillText(`${most.toFixed(0)} ms at most`, 10, 22);
  }
}
