import { TIDE_KINDS, type TideResult } from "../metrics/tide.ts";
import { COLOURS, element, FAINT, INK, svg } from "./svg.ts";

const ABOUT: Readonly<Record<string, string>> = {
  classification: "right place, wrong class",
  localisation: "right class, box too far off",
  both: "wrong class and box off",
  duplicate: "object found before",
  background: "nothing is there",
  missed: "object not found at all",
};

/** TIDE's breakdown as an SVG file: how many points of AP each kind of error costs. */
export function errorChart(result: TideResult): string {
  const [left, top, row, width] = [266, 66, 30, 350];
  const most = Math.max(0.01, ...TIDE_KINDS.map((kind) => result.gains[kind]));
  const bars = TIDE_KINDS.map((kind, i) => {
    const gain = result.gains[kind];
    const length = (Math.max(0, gain) / most) * width;
    const y = top + i * row;
    return [
      element("text", { x: 16, y: y + 13, fill: INK }, kind),
      element("text", { x: 106, y: y + 13, fill: FAINT, "font-size": 11 }, ABOUT[kind]),
      element("rect", { x: left, y, width: Math.max(1, length), height: row - 10, rx: 2, fill: COLOURS[0] }),
      element("text", { x: left + length + 8, y: y + 14, fill: INK }, `${(gain * 100).toFixed(1)}  (${result.counts[kind]})`),
    ];
  });
  const title = "What the errors cost, in points of AP50";
  return svg(
    left + width + 110,
    top + TIDE_KINDS.length * row + 20,
    title,
    element("text", { x: 16, y: 22, fill: INK, "font-weight": 600, "font-size": 14 }, title),
    element(
      "text",
      { x: 16, y: 42, fill: FAINT },
      `AP50 is ${(result.AP * 100).toFixed(1)}; a bar is how far it would rise with that kind mended (in brackets: how many)`,
    ),
    bars,
  );
}
