import {
  ProblemList,
  stemOf,
  type AnnotatedImage,
  type Annotation,
  type AnnotationBox,
  type AnnotationId,
  type AnnotationSet,
  type DetectedObject,
  type DetectionList,
  type NamedText,
} from "./records.ts";

/**
 * What the four numbers of a line are. "corners": left top right bottom (Cartucho/mAP); "size": left top width height
 * (Object-Detection-Metrics). Both name pixels, so overlaps of theirs are VOC's, with +1.
 */
export type BoxTextForm = "corners" | "size";

/** Ground truth, a file an image: a class name and four numbers a line, and perhaps the word difficult. Categories are the names. */
export function readBoxTruths(files: readonly NamedText[], form: BoxTextForm): AnnotationSet {
  const problems = new ProblemList();
  const images: AnnotatedImage[] = [];
  const truths: Annotation[] = [];
  const names = new Set<string>();
  for (const { name, text } of files) {
    const image = stemOf(name);
    images.push({ id: image });
    eachLine(text, (line, number) => {
      const words = line.split(/\s+/);
      const difficult = words.at(-1) === "difficult";
      const row = parseRow(difficult ? words.slice(0, -1) : words, 4);
      if (row === undefined) {
        problems.add(`line ${number}: no class name and four numbers`, name);
        return;
      }
      names.add(row.category);
      truths.push({ image, category: row.category, box: boxOf(row.numbers, form), ...(difficult ? { difficult } : {}) });
    });
  }
  return { images, categories: [...names].sort().map((id) => ({ id, name: id })), truths, problems: problems.list() };
}

/** Detections, a file an image: a class name, a score and four numbers a line. */
export function readBoxDetections(files: readonly NamedText[], form: BoxTextForm): DetectionList {
  const problems = new ProblemList();
  const detections: DetectedObject[] = [];
  for (const { name, text } of files) {
    const image = stemOf(name);
    eachLine(text, (line, number) => {
      const row = parseRow(line.split(/\s+/), 5);
      if (row === undefined) problems.add(`line ${number}: no class name, score and four numbers`, name);
      else detections.push({ image, category: row.category, score: row.numbers[0] ?? NaN, box: boxOf(row.numbers.slice(1), form) });
    });
  }
  return { detections, problems: problems.list() };
}

/** One text a file of ground truth, by image. */
export function writeBoxTruths(set: Pick<AnnotationSet, "images" | "truths">, form: BoxTextForm): NamedText[] {
  return writeByImage(
    set.images,
    set.truths,
    (t) => `${nameWord(t.category)} ${numbersOf(t.box, form)}${t.difficult === true ? " difficult" : ""}`,
  );
}

/** One text a file of detections, by image. */
export function writeBoxDetections(
  images: readonly AnnotatedImage[],
  detections: readonly DetectedObject[],
  form: BoxTextForm,
): NamedText[] {
  return writeByImage(images, detections, (d) => `${nameWord(d.category)} ${d.score} ${numbersOf(d.box, form)}`);
}

/** Lines of each image, one text an image; images without lines get an empty text. */
export function writeByImage<T extends { readonly image: AnnotationId }>(
  images: readonly AnnotatedImage[],
  rows: readonly T[],
  line: (row: T, image: AnnotatedImage) => string,
): NamedText[] {
  const texts = new Map<AnnotationId, string[]>(images.map((image) => [image.id, []]));
  const byId = new Map(images.map((image) => [image.id, image]));
  for (const row of rows) texts.get(row.image)?.push(`${line(row, byId.get(row.image) ?? { id: row.image })}\n`);
  return images.map((image) => ({ name: `${stemOf(String(image.id))}.txt`, text: (texts.get(image.id) ?? []).join("") }));
}

function eachLine(text: string, visit: (line: string, number: number) => void): void {
  text.split(/\r?\n/).forEach((line, i) => {
    if (line.trim() !== "") visit(line.trim(), i + 1);
  });
}

/** The last `count` words as numbers; what stands before them is the name, which may have spaces. */
function parseRow(words: readonly string[], count: number): { category: string; numbers: number[] } | undefined {
  const numbers = words.slice(-count).map(Number);
  if (words.length <= count || numbers.some((v) => Number.isNaN(v))) return undefined;
  return { category: words.slice(0, -count).join(" "), numbers };
}

function boxOf(numbers: readonly number[], form: BoxTextForm): AnnotationBox {
  const [a = 0, b = 0, c = 0, d = 0] = numbers;
  return form === "corners" ? [a, b, c - a, d - b] : [a, b, c, d];
}

function numbersOf([x, y, w, h]: AnnotationBox, form: BoxTextForm): string {
  return form === "corners" ? `${x} ${y} ${x + w} ${y + h}` : `${x} ${y} ${w} ${h}`;
}

function nameWord(category: AnnotationId): string {
  return String(category).trim().replaceAll(/\s+/g, "_");
}
