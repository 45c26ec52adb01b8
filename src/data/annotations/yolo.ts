import { writeByImage } from "./box-text.ts";
import {
  ProblemList,
  stemOf,
  type AnnotatedImage,
  type Annotation,
  type AnnotationBox,
  type AnnotationSet,
  type DetectedObject,
  type DetectionList,
  type NamedText,
} from "./records.ts";

/** Pixel sizes by image name without extension: YOLO's numbers are shares of them. */
export type ImageSizes = ReadonlyMap<string, { readonly width: number; readonly height: number }>;

interface YoloRow {
  readonly category: number;
  readonly box: AnnotationBox;
  readonly score?: number;
  readonly polygon?: number[];
}

/**
 * YOLO labels, a file an image: class, centre x, centre y, width, height as shares of the image; or class and a polygon.
 * @param names by class number, from data.yaml or classes.txt
 */
export function readYolo(files: readonly NamedText[], sizes: ImageSizes, names: readonly string[] = []): AnnotationSet {
  const problems = new ProblemList();
  const images: AnnotatedImage[] = [];
  const truths: Annotation[] = [];
  const seen = new Set<number>(names.keys());
  eachRow(files, sizes, problems, images, (image, { category, box, polygon }) => {
    seen.add(category);
    truths.push({ image, category, box, ...(polygon ? { segmentation: [polygon] } : {}) });
  });
  const categories = [...seen].sort((a, b) => a - b).map((id) => ({ id, name: names[id] ?? String(id) }));
  return { images, categories, truths, problems: problems.list() };
}

/** YOLO detections: as labels, with the score as sixth number. */
export function readYoloDetections(files: readonly NamedText[], sizes: ImageSizes): DetectionList {
  const problems = new ProblemList();
  const detections: DetectedObject[] = [];
  eachRow(files, sizes, problems, [], (image, { category, box, score }, name) => {
    if (score === undefined) problems.add("a line has no score as its sixth number", name);
    else detections.push({ image, category, box, score });
  });
  return { detections, problems: problems.list() };
}

/** One text a file of labels, by image; images must have sizes and categories be class numbers. */
export function writeYolo(set: Pick<AnnotationSet, "images" | "truths" | "categories">): NamedText[] {
  const classOf = new Map(set.categories.map((c, i) => [c.id, typeof c.id === "number" ? c.id : i]));
  return writeByImage(set.images, set.truths, (truth, { width = 1, height = 1 }) => {
    const [x, y, w, h] = truth.box;
    const shares = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height];
    return `${classOf.get(truth.category) ?? String(truth.category)} ${shares.map((v) => String(Number(v.toFixed(8)))).join(" ")}`;
  });
}

function eachRow(
  files: readonly NamedText[],
  sizes: ImageSizes,
  problems: ProblemList,
  images: AnnotatedImage[],
  visit: (image: string, row: YoloRow, name: string) => void,
): void {
  for (const { name, text } of files) {
    const image = stemOf(name);
    const size = sizes.get(image);
    if (size === undefined) {
      problems.add("the size of this image is not known, so its shares cannot become pixels", name);
      continue;
    }
    images.push({ id: image, ...size });
    text.split(/\r?\n/).forEach((line, i) => {
      if (line.trim() === "") return;
      const row = parseRow(line.trim().split(/\s+/).map(Number), size.width, size.height);
      if (row === undefined) problems.add(`line ${i + 1}: neither a class and four shares, with or without a score, nor a polygon`, name);
      else visit(image, row, name);
    });
  }
}

function parseRow(numbers: readonly number[], width: number, height: number): YoloRow | undefined {
  const [category = NaN, ...rest] = numbers;
  if (!Number.isInteger(category) || category < 0 || rest.some((v) => !Number.isFinite(v))) return undefined;
  if (rest.length === 4 || rest.length === 5) {
    const [score] = rest.slice(4);
    return { category, box: boxOf(rest, width, height), ...(score === undefined ? {} : { score }) };
  }
  if (rest.length < 6 || rest.length % 2 === 1) return undefined;
  const polygon = rest.map((v, i) => v * (i % 2 === 0 ? width : height));
  return { category, polygon, box: boundsOf(polygon) };
}

function boxOf([cx = 0, cy = 0, w = 0, h = 0]: readonly number[], width: number, height: number): AnnotationBox {
  return [(cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height];
}

function boundsOf(polygon: readonly number[]): AnnotationBox {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  polygon.forEach((v, i) => {
    if (i % 2 === 0) [x0, x1] = [Math.min(x0, v), Math.max(x1, v)];
    else [y0, y1] = [Math.min(y0, v), Math.max(y1, v)];
  });
  return [x0, y0, x1 - x0, y1 - y0];
}
