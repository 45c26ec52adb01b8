import {
  ProblemList,
  stemOf,
  type AnnotatedImage,
  type Annotation,
  type AnnotationBox,
  type AnnotationId,
  type AnnotationSet,
  type NamedText,
} from "./records.ts";
import { childrenOf, childText, escapeXml, parseXml } from "./xml.ts";
import { HoneError } from "../../util/errors.ts";

/**
 * Pascal VOC's XML, a file an image; the image is named by the XML file's name without extension, a category by its own name.
 * Corners name pixels: a box is [xmin, ymin, xmax − xmin, ymax − ymin], to be compared with VOC's +1. Files that are no XML are problems.
 */
export function readVocXml(files: readonly NamedText[]): AnnotationSet {
  const problems = new ProblemList();
  const images: AnnotatedImage[] = [];
  const truths: Annotation[] = [];
  const names = new Set<string>();
  for (const { name, text } of files) {
    try {
      const root = parseXml(text, "annotation", name);
      const image = imageOf(root, stemOf(name));
      images.push(image);
      childrenOf(root, "object").forEach((object, i) => {
        const truth = objectOf(object, image.id);
        if (truth === undefined) problems.add(`object ${i} has no name or no bndbox of four numbers`, name);
        else {
          names.add(String(truth.category));
          truths.push(truth);
        }
      });
    } catch (error) {
      if (!(error instanceof HoneError)) throw error;
      problems.add(error.message, name);
    }
  }
  return { images, categories: [...names].sort().map((id) => ({ id, name: id })), truths, problems: problems.list() };
}

function imageOf(root: unknown, id: string): AnnotatedImage {
  const size = childrenOf(root, "size")[0];
  const [width, height] = [Number(childText(size, "width")), Number(childText(size, "height"))];
  const file = childText(root, "filename");
  return { id, ...(width > 0 && height > 0 ? { width, height } : {}), ...(file === undefined ? {} : { file }) };
}

function objectOf(object: unknown, image: AnnotationId): Annotation | undefined {
  const category = childText(object, "name");
  const corners = childrenOf(object, "bndbox")[0];
  const [x1, y1, x2, y2] = ["xmin", "ymin", "xmax", "ymax"].map((key) => Number(childText(corners, key) ?? NaN)) as [
    number,
    number,
    number,
    number,
  ];
  if (category === undefined || category === "" || !Number.isFinite(x1 + y1 + x2 + y2)) return undefined;
  return { image, category, box: [x1, y1, x2 - x1, y2 - y1], ...(childText(object, "difficult") === "1" ? { difficult: true } : {}) };
}

/** One VOC XML text an image. */
export function writeVocXml(set: Pick<AnnotationSet, "images" | "truths" | "categories">): NamedText[] {
  const names = new Map(set.categories.map((c) => [c.id, c.name ?? String(c.id)]));
  const byImage = new Map<AnnotationId, Annotation[]>(set.images.map((i) => [i.id, []]));
  for (const truth of set.truths) byImage.get(truth.image)?.push(truth);
  return set.images.map((image) => {
    const lines = [
      "<annotation>",
      `  <filename>${escapeXml(image.file ?? String(image.id))}</filename>`,
      `  <size><width>${image.width ?? 0}</width><height>${image.height ?? 0}</height><depth>3</depth></size>`,
      ...(byImage.get(image.id) ?? []).map((t) => objectText(names.get(t.category) ?? String(t.category), t.box, t.difficult === true)),
      "</annotation>",
      "",
    ];
    return { name: `${stemOf(String(image.id))}.xml`, text: lines.join("\n") };
  });
}

function objectText(name: string, [x, y, w, h]: AnnotationBox, difficult: boolean): string {
  const corners = `<xmin>${x}</xmin><ymin>${y}</ymin><xmax>${x + w}</xmax><ymax>${y + h}</ymax>`;
  return `  <object><name>${escapeXml(name)}</name><difficult>${Number(difficult)}</difficult><bndbox>${corners}</bndbox></object>`;
}
