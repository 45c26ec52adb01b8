import { element, type Markup } from "./svg.ts";

type BoxTuple = readonly [x: number, y: number, width: number, height: number];

/** One picture of the gallery: what went wrong, and where. */
export interface GalleryItem {
  readonly caption: string;
  /** Whole image as a data URI; without one the boxes are drawn on grey. */
  readonly image?: string;
  readonly width: number;
  readonly height: number;
  /** The box to look at. */
  readonly focus: BoxTuple;
  readonly truths: readonly BoxTuple[];
  readonly detections: readonly { readonly box: BoxTuple; readonly score: number }[];
}

const [TILE, MARGIN] = [220, 0.6];

/** A tile that shows the surroundings of the focus: ground truth green and solid, detections orange and dashed, the focus thick. */
export function galleryTile(item: GalleryItem): Markup {
  const view = viewOf(item);
  const stroke = view.size / TILE;
  const rect = ([x, y, w, h]: BoxTuple, colour: string, dashed: boolean): Markup =>
    element("rect", {
      ...{ x, y, width: Math.max(0, w), height: Math.max(0, h), fill: "none", stroke: colour },
      "stroke-width": stroke * (same([x, y, w, h], item.focus) ? 3 : 1.5),
      "stroke-dasharray": dashed ? `${(stroke * 6).toFixed(2)} ${(stroke * 3).toFixed(2)}` : undefined,
    });
  const picture = element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `${view.x.toFixed(2)} ${view.y.toFixed(2)} ${view.size.toFixed(2)} ${view.size.toFixed(2)}`,
      width: TILE,
      height: TILE,
      role: "img",
      "aria-label": item.caption,
    },
    element("rect", { x: 0, y: 0, width: item.width, height: item.height, fill: "#d9dee3" }),
    item.image === undefined ? undefined : element("image", { href: item.image, x: 0, y: 0, width: item.width, height: item.height }),
    item.detections.map((d) => rect(d.box, "#e8590c", true)),
    item.truths.map((box) => rect(box, "#2b8a3e", false)),
  );
  return element("figure", {}, picture, element("figcaption", {}, item.caption));
}

function viewOf({ focus: [x, y, w, h], width, height }: GalleryItem): { x: number; y: number; size: number } {
  const size = Math.min(Math.max(w, h, 16) * (1 + 2 * MARGIN), Math.max(width, height));
  const place = (centre: number, most: number): number =>
    most <= size ? (most - size) / 2 : Math.min(Math.max(centre - size / 2, 0), most - size);
  return { x: place(x + w / 2, width), y: place(y + h / 2, height), size };
}

function same(a: BoxTuple, b: BoxTuple): boolean {
  return a.every((v, i) => v === b[i]);
}
