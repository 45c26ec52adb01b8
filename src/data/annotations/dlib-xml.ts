import { ProblemList, type AnnotatedImage, type Annotation, type AnnotationId, type AnnotationSet } from "./records.ts";
import { attribute, childrenOf, childText, escapeXml, parseXml } from "./xml.ts";

/** Numbered parts beyond this are no landmark set. */
const MAX_PARTS = 10_000;

/**
 * dlib's imglab XML: boxes, with landmarks as keypoints in the order of their part names (visibility 2; parts that are missing have 0).
 * Boxes marked ignore are difficult. Images are named by their file attribute.
 * @throws HoneError annotations.invalid when the text is no XML with a <dataset>
 */
export function readDlibXml(text: string, file?: string): AnnotationSet {
  const problems = new ProblemList(file);
  const images: AnnotatedImage[] = [];
  const truths: Annotation[] = [];
  const labels = new Set<string>();
  const root = parseXml(text, "dataset", file);
  for (const node of childrenOf(childrenOf(root, "images")[0], "image")) {
    const name = attribute(node, "file");
    if (name === undefined) {
      problems.add("an image has no file attribute");
      continue;
    }
    const [width, height] = [Number(attribute(node, "width")), Number(attribute(node, "height"))];
    images.push({ id: name, file: name, ...(width > 0 && height > 0 ? { width, height } : {}) });
    childrenOf(node, "box").forEach((box, i) => {
      const truth = boxOf(box, name);
      if (truth === undefined) problems.add(`box ${i} of ${name} has no top, left, width and height`);
      else {
        labels.add(String(truth.category));
        truths.push(truth);
      }
    });
  }
  return { images, categories: [...labels].sort().map((id) => ({ id, name: id })), truths, problems: problems.list() };
}

function boxOf(box: unknown, image: AnnotationId): Annotation | undefined {
  const [x, y, w, h] = ["left", "top", "width", "height"].map((key) => Number(attribute(box, key) ?? NaN)) as [
    number,
    number,
    number,
    number,
  ];
  if (!Number.isFinite(x + y + w + h)) return undefined;
  const keypoints = keypointsOf(childrenOf(box, "part"));
  return {
    image,
    category: childText(box, "label") ?? "face",
    box: [x, y, w, h],
    ...(attribute(box, "ignore") === "1" ? { difficult: true } : {}),
    ...(keypoints.length > 0 ? { keypoints } : {}),
  };
}

/** Parts with numbers for names go to their number; others follow in order of name. */
function keypointsOf(parts: readonly unknown[]): number[] {
  const named = parts.slice(0, MAX_PARTS).map((part) => ({
    name: attribute(part, "name") ?? "",
    x: Number(attribute(part, "x") ?? NaN),
    y: Number(attribute(part, "y") ?? NaN),
  }));
  const good = named.filter((p) => Number.isFinite(p.x + p.y));
  const numbered = good.every((p) => /^\d{1,4}$/.test(p.name));
  const sorted = good.sort((a, b) => (numbered ? Number(a.name) - Number(b.name) : a.name < b.name ? -1 : 1));
  const places = sorted.map((p, i) => (numbered ? Number(p.name) : i));
  const points = new Array<number>(((places.at(-1) ?? -1) + 1) * 3).fill(0);
  sorted.forEach((p, i) => points.splice((places[i] as number) * 3, 3, p.x, p.y, 2));
  return points;
}

/** dlib's XML of a set, with keypoints as parts. */
export function writeDlibXml(set: Pick<AnnotationSet, "images" | "truths">): string {
  const byImage = new Map<AnnotationId, Annotation[]>(set.images.map((i) => [i.id, []]));
  for (const truth of set.truths) byImage.get(truth.image)?.push(truth);
  const lines = set.images.flatMap((image) => {
    const size = image.width !== undefined && image.height !== undefined ? ` width='${image.width}' height='${image.height}'` : "";
    return [
      `  <image file='${escapeXml(image.file ?? String(image.id)).replaceAll("'", "&apos;")}'${size}>`,
      ...(byImage.get(image.id) ?? []).flatMap(boxLines),
      "  </image>",
    ];
  });
  return ["<?xml version='1.0' encoding='UTF-8'?>", "<dataset>", "<images>", ...lines, "</images>", "</dataset>", ""].join("\n");
}

function boxLines(truth: Annotation): string[] {
  const [x, y, w, h] = truth.box;
  const points = truth.keypoints ?? [];
  const parts = Array.from({ length: Math.floor(points.length / 3) }, (_, i) => i)
    .filter((i) => (points[i * 3 + 2] ?? 0) > 0)
    .map((i) => `      <part name='${String(i).padStart(2, "0")}' x='${points[i * 3] ?? 0}' y='${points[i * 3 + 1] ?? 0}'/>`);
  return [
    `    <box top='${y}' left='${x}' width='${w}' height='${h}'${truth.difficult === true ? " ignore='1'" : ""}>`,
    `      <label>${escapeXml(String(truth.category))}</label>`,
    ...parts,
    "    </box>",
  ];
}
