import {
  ProblemList,
  type AnnotatedImage,
  type Annotation,
  type AnnotationId,
  type AnnotationSet,
  type DetectedObject,
  type DetectionList,
  type NamedText,
} from "./records.ts";

/**
 * WIDER FACE's annotation text (wider_face_val_bbx_gt.txt): a file name, a count, then x y w h and six attributes a line.
 * Faces marked invalid are difficult. An image with 0 faces has one line of zeros, which is skipped.
 */
export function readWiderText(text: string, file?: string): AnnotationSet {
  const problems = new ProblemList(file);
  const images: AnnotatedImage[] = [];
  const truths: Annotation[] = [];
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  let at = 0;
  while (at < lines.length) {
    const name = lines[at++] ?? "";
    if (name === "") continue;
    const count = Number(lines[at] ?? "");
    if (!Number.isInteger(count) || count < 0 || lines[at] === "") {
      problems.add(`line ${at + 1}: "${(lines[at] ?? "").slice(0, 40)}" is no number of faces for ${name.slice(0, 80)}`);
      continue;
    }
    const rows = lines.slice(at + 1, at + 1 + Math.max(count, 1));
    if (rows.length < count) problems.add(`${name} promises ${count} faces; the file ends after ${rows.length}`);
    const image = name.replace(/\.[a-z]+$/i, "");
    images.push({ id: image, file: name });
    if (count > 0) rows.forEach((row, i) => faceOf(row, image, at + 2 + i, truths, problems));
    at += 1 + rows.length;
  }
  return { images, categories: [{ id: 1, name: "face" }], truths, problems: problems.list() };
}

function faceOf(row: string, image: string, line: number, truths: Annotation[], problems: ProblemList): void {
  const numbers = row.split(/\s+/).map(Number);
  const [x = NaN, y = NaN, w = NaN, h = NaN] = numbers;
  if (!Number.isFinite(x + y + w + h)) problems.add(`line ${line}: no x y w h`);
  else truths.push({ image, category: 1, box: [x, y, w, h], ...(numbers[7] === 1 ? { difficult: true } : {}) });
}

/** WIDER FACE's annotation text of a set; attributes that are not known are 0. */
export function writeWiderText(set: Pick<AnnotationSet, "images" | "truths">): string {
  const byImage = new Map<AnnotationId, Annotation[]>();
  for (const truth of set.truths) byImage.set(truth.image, [...(byImage.get(truth.image) ?? []), truth]);
  return set.images
    .map((image) => {
      const faces = byImage.get(image.id) ?? [];
      const rows = faces.map((f) => `${f.box.join(" ")} 0 0 0 ${Number(f.difficult === true)} 0 0`);
      return [image.file ?? `${image.id}.jpg`, String(faces.length), ...(rows.length > 0 ? rows : ["0 0 0 0 0 0 0 0 0 0"]), ""].join("\n");
    })
    .join("");
}

/**
 * Detections in WIDER FACE's form: a file an image, whose name is event/file.txt: a title line, a count, then x y w h score a line.
 */
export function readWiderDetections(files: readonly NamedText[]): DetectionList {
  const problems = new ProblemList();
  const detections: DetectedObject[] = [];
  for (const { name, text } of files) {
    const image = name
      .replace(/\.txt$/i, "")
      .split(/[\\/]/)
      .slice(-2)
      .join("/");
    const [, , ...rows] = text.split(/\r?\n/);
    rows.forEach((line, i) => {
      if (line.trim() === "") return;
      const [x = NaN, y = NaN, w = NaN, h = NaN, score = NaN] = line.trim().split(/\s+/).map(Number);
      if (Number.isFinite(x + y + w + h + score)) detections.push({ image, category: 1, box: [x, y, w, h], score });
      else problems.add(`line ${i + 3}: no x y w h score`, name);
    });
  }
  return { detections, problems: problems.list() };
}
