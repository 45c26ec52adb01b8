/** Finds out what annotation and detection files are, and reads them into records for hone/metrics. */
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  readBoxDetections,
  readBoxTruths,
  readCoco,
  readCocoResults,
  readCsv,
  readCsvDetections,
  readDlibXml,
  readVocXml,
  readWiderDetections,
  readWiderMat,
  readWiderText,
  readYolo,
  readYoloDetections,
  stemOf,
  type AnnotatedImage,
  type Annotation,
  type AnnotationSet,
  type BoxTextForm,
  type DetectionList,
  type ImageSizes,
  type NamedText,
  type WiderFaces,
} from "../data/annotations/annotations.ts";
import { HoneError } from "../util/errors.ts";
import { imageSizes } from "./eval-images.ts";

/** How a folder of text files is to be read. "auto" looks at the numbers. */
export const TEXT_FORMATS = ["auto", "cartucho", "odm", "yolo"] as const;
export type TextFormat = (typeof TEXT_FORMATS)[number];

export interface GroundTruth {
  readonly format: string;
  readonly set: AnnotationSet;
  /** Of WIDER FACE's evaluation files only: which faces each difficulty keeps. */
  readonly wider?: readonly WiderFaces[];
  /** Of a folder of box texts: what their numbers are. */
  readonly form?: BoxTextForm;
}

const MAX_FILE_BYTES = 512 * 1024 * 1024;
const MAX_FILES = 1_000_000;

export interface TruthOptions {
  readonly format?: TextFormat | undefined;
  /** Folder of the images, whose sizes YOLO's shares need. */
  readonly images?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Ground truth from one or more files and folders, as {@link loadGroundTruth}. Together they make one set: categories are one by their id, and an
 * image that is in two of them is taken from the first, which the problems name. Throws also `usage` when they are of different kinds.
 */
export async function loadGroundTruths(paths: readonly string[], options: TruthOptions = {}): Promise<GroundTruth> {
  const sets: GroundTruth[] = [];
  for (const path of paths) sets.push(await loadGroundTruth(path, options.format, await sizesFor(path, options)));
  const [first, ...rest] = sets;
  if (first === undefined) throw new HoneError("usage", "no annotations are named");
  const other = rest.find((s) => s.format !== first.format || s.form !== first.form);
  if (other !== undefined || (rest.length > 0 && first.wider !== undefined)) {
    throw new HoneError("usage", `annotations of ${[...new Set(sets.map((s) => s.format))].join(" and ")} cannot be one set`, {
      hint: "Evaluate them one after the other.",
    });
  }
  return rest.length === 0 ? first : { ...first, set: mergeSets(sets.map((s) => s.set)) };
}

function mergeSets(sets: readonly AnnotationSet[]): AnnotationSet {
  const images = new Map<AnnotatedImage["id"], AnnotatedImage>();
  const categories = new Map(sets.flatMap((s) => s.categories.map((c) => [c.id, c] as const)));
  const truths: Annotation[] = [];
  const problems = sets.flatMap((s) => s.problems);
  for (const set of sets) {
    const own = set.images.filter((i) => !images.has(i.id));
    const again = set.images.length - own.length;
    if (again > 0) problems.push({ message: `${again} images are annotated before, in another file; those annotations are taken` });
    for (const image of own) images.set(image.id, image);
    const ids = new Set(own.map((i) => i.id));
    for (const truth of set.truths) if (ids.has(truth.image)) truths.push(truth);
  }
  return { images: [...images.values()], categories: [...categories.values()], truths, problems };
}

/** Sizes are read only where they are needed: for a folder that is, or may be, YOLO's. */
async function sizesFor(path: string, { format = "auto", images, signal }: TruthOptions): Promise<ImageSizes> {
  if (images === undefined || (format !== "auto" && format !== "yolo") || !(await statOf(path)).isDirectory()) return new Map();
  const names = await listing(path);
  if (names.some((name) => /\.(xml|mat)$/.test(name))) return new Map();
  return await imageSizes(images, signal);
}

/**
 * Ground truth from a file (COCO or LVIS JSON, CSV, dlib or VOC XML, WIDER FACE text) or a folder (VOC XML, WIDER FACE .mat, box texts, YOLO).
 * @param sizes of images, which YOLO's shares need
 * @throws HoneError file.not-found, file.too-large, annotations.invalid
 */
export async function loadGroundTruth(path: string, format: TextFormat = "auto", sizes: ImageSizes = new Map()): Promise<GroundTruth> {
  const info = await statOf(path);
  if (!info.isDirectory()) return await truthFile(path);
  const names = await listing(path);
  const mats = names.filter((name) => /^wider_(easy|medium|hard)_val\.mat$/.test(name));
  if (mats.length > 0) return await widerFolder(path, mats);
  if (names.some((name) => name.endsWith(".xml"))) return xmlFolder(await texts(path, names, ".xml"));
  if (!names.some((name) => name.endsWith(".txt"))) {
    throw new HoneError("annotations.invalid", "the folder has no annotation files", {
      at: { file: path },
      hint: "It may hold VOC .xml, WIDER FACE .mat, or .txt files of boxes; a COCO file is named by itself.",
    });
  }
  const all = await texts(path, names, ".txt");
  const files = all.filter((f) => basename(f.name) !== CLASS_LIST);
  const kind = format === "auto" ? guessText(files) : format;
  if (kind === "yolo")
    return {
      format: "yolo",
      set: yoloSet(
        files,
        all.find((f) => basename(f.name) === CLASS_LIST),
        sizes,
      ),
    };
  const form = kind === "cartucho" ? "corners" : "size";
  return { format: kind, form, set: readBoxTruths(files, form) };
}

/**
 * Detections from a file (COCO results JSON, CSV, dlib XML, whose boxes all score 1) or a folder of texts (in the form of the ground truth, or WIDER FACE's by event).
 * @throws HoneError file.not-found, file.too-large, annotations.invalid
 */
export async function loadDetections(path: string, truth: Pick<GroundTruth, "format" | "form" | "set">): Promise<DetectionList> {
  const info = await statOf(path);
  if (info.isDirectory()) {
    const names = await listing(path);
    const files = await texts(path, names, ".txt");
    if (truth.format.startsWith("wider")) return readWiderDetections(files);
    if (truth.format === "yolo") return readYoloDetections(files, sizesOf(truth.set));
    return readBoxDetections(files, truth.form ?? "size");
  }
  if (path.toLowerCase().endsWith(".csv")) return readCsvDetections(await text(path), path);
  if (path.toLowerCase().endsWith(".xml")) return dlibDetections(readDlibXml(await text(path), path));
  return await readCocoResults(createReadStream(path), path);
}

/** Where labelling tools write the names of YOLO's classes, a line each. */
const CLASS_LIST = "classes.txt";

/** An image of the folder without a file of labels has no objects: that is how YOLO writes it. */
function yoloSet(files: readonly NamedText[], list: NamedText | undefined, sizes: ImageSizes): AnnotationSet {
  const labelled = new Set(files.map((f) => stemOf(f.name)));
  const empty = [...sizes.keys()].filter((stem) => !labelled.has(stem)).map((stem) => ({ name: `${stem}.txt`, text: "" }));
  const names = list?.text.split(/\r?\n/).map((line) => line.trim()) ?? [];
  while (names.at(-1) === "") names.pop();
  return readYolo([...files, ...empty], sizes, names);
}

/** VOC's files, one an image, or dlib's, each of a whole set. */
function xmlFolder(files: readonly NamedText[]): GroundTruth {
  const dlib = files.filter((f) => /<dataset[\s>]/.test(f.text));
  if (dlib.length === 0) return { format: "voc", set: readVocXml(files) };
  return { format: "dlib", set: mergeSets(dlib.map((f) => readDlibXml(f.text, f.name))) };
}

async function truthFile(path: string): Promise<GroundTruth> {
  const lower = path.toLowerCase();
  if (lower.endsWith(".csv")) return { format: "csv", set: readCsv(await text(path), path) };
  if (lower.endsWith(".txt")) return { format: "wider-text", set: readWiderText(await text(path), path) };
  if (lower.endsWith(".xml")) {
    const content = await text(path);
    if (/<dataset[\s>]/.test(content)) return { format: "dlib", set: readDlibXml(content, path) };
    return { format: "voc", set: readVocXml([{ name: basename(path), text: content }]) };
  }
  return { format: "coco", set: await readCoco(createReadStream(path), path) };
}

async function widerFolder(path: string, mats: readonly string[]): Promise<GroundTruth> {
  const entries = await Promise.all(mats.map(async (name) => [name.split("_")[1] ?? name, await bytes(join(path, name))] as const));
  const wider = await readWiderMat(Object.fromEntries(entries));
  const truths = wider.flatMap((w) => w.boxes.map((box) => ({ image: w.image, category: 1, box })));
  const set = { images: wider.map((w) => ({ id: w.image })), categories: [{ id: 1, name: "face" }], truths, problems: [] };
  return { format: "wider-mat", set, wider };
}

/** YOLO's numbers are shares and start with a class number; of the others, corners are never less than their starts. */
function guessText(files: readonly NamedText[]): Exclude<TextFormat, "auto"> {
  const rows = files.flatMap((f) => f.text.split(/\r?\n/)).filter((line) => line.trim() !== "");
  const numbers = rows.map((line) =>
    line
      .trim()
      .replace(/\s+difficult$/, "")
      .split(/\s+/)
      .slice(-4)
      .map(Number),
  );
  if (rows.every((line, i) => /^\d+\s/.test(line) && (numbers[i] ?? []).every((v) => v >= 0 && v <= 1))) return "yolo";
  return numbers.every(([x1 = 0, y1 = 0, x2 = 0, y2 = 0]) => x2 > x1 && y2 > y1) ? "cartucho" : "odm";
}

function dlibDetections({ truths, problems }: AnnotationSet): DetectionList {
  const detections = truths.map(({ image, category, box, keypoints }) => ({
    image,
    category,
    box,
    score: 1,
    ...(keypoints ? { keypoints } : {}),
  }));
  return { detections, problems };
}

export function sizesOf(set: AnnotationSet): ImageSizes {
  return new Map(
    set.images.flatMap(({ id, file, width, height }) =>
      width !== undefined && height !== undefined ? [[stemOf(file ?? String(id)), { width, height }] as const] : [],
    ),
  );
}

async function statOf(path: string): Promise<Awaited<ReturnType<typeof stat>>> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new HoneError("file.not-found", "there is no such file or folder", { at: { file: path }, cause });
  });
  if (!info.isFile() && !info.isDirectory()) throw new HoneError("file.unreadable", "neither a file nor a folder", { at: { file: path } });
  return info;
}

/** Files of a folder and its folders, sorted, with their path in it. */
async function listing(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  if (entries.length > MAX_FILES)
    throw new HoneError("file.too-large", `the folder has ${entries.length} entries; at most ${MAX_FILES} are read`, {
      at: { file: path },
    });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(path.length)
        .replace(/^[\\/]+/, ""),
    )
    .sort();
}

async function texts(path: string, names: readonly string[], ending: string): Promise<NamedText[]> {
  const out: NamedText[] = [];
  for (const name of names) if (name.endsWith(ending)) out.push({ name, text: await text(join(path, name)) });
  return out;
}

async function text(path: string): Promise<string> {
  return new TextDecoder().decode(await bytes(path));
}

async function bytes(path: string): Promise<Uint8Array> {
  const info = await statOf(path);
  if (Number(info.size) > MAX_FILE_BYTES) {
    throw new HoneError("file.too-large", `it has ${Number(info.size)} bytes; at most ${MAX_FILE_BYTES} are read of this kind`, {
      at: { file: path },
      hint: "Only COCO JSON is read piece by piece; convert to it.",
    });
  }
  return await readFile(path);
}
