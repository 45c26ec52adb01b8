import { element, FAINT, GRID, INK, type Markup } from "./svg.ts";

export interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Ticks, gridlines and titles of a frame whose axes both run from 0 to `xMost` and `yMost`. */
export function axes(
  frame: Frame,
  x: { readonly title: string; readonly most: number },
  y: { readonly title: string; readonly most: number },
): Markup[] {
  const steps = [0, 0.2, 0.4, 0.6, 0.8, 1];
  const { left, top, width, height } = frame;
  const bottom = top + height;
  const label = (share: number, most: number): string => String(Number((share * most).toPrecision(3)));
  return [
    ...steps.map((s) => element("line", { x1: left + s * width, y1: top, x2: left + s * width, y2: bottom, stroke: GRID })),
    ...steps.map((s) => element("line", { x1: left, y1: bottom - s * height, x2: left + width, y2: bottom - s * height, stroke: GRID })),
    ...steps.map((s) => element("text", { x: left + s * width, y: bottom + 16, "text-anchor": "middle", fill: FAINT }, label(s, x.most))),
    ...steps.map((s) => element("text", { x: left - 8, y: bottom - s * height + 4, "text-anchor": "end", fill: FAINT }, label(s, y.most))),
    element("text", { x: left + width / 2, y: bottom + 34, "text-anchor": "middle", fill: INK }, x.title),
    element(
      "text",
      { x: left - 38, y: top + height / 2, "text-anchor": "middle", fill: INK, transform: `rotate(-90 ${left - 38} ${top + height / 2})` },
      y.title,
    ),
  ];
}
