import { forEachElement, tooLarge } from "./json-elements.ts";
import {
  annotationError,
  ProblemList,
  type AnnotatedCategory,
  type AnnotatedImage,
  type Annotation,
  type AnnotationBox,
  type AnnotationId,
  type AnnotationRegion,
  type AnnotationSet,
  type ByteSource,
  type DetectedObject,
  type DetectionList,
} from "./records.ts";

/**
 * COCO's (and LVIS's) annotation JSON, of any size. A record that lacks what it needs is left out and named in `problems`.
 * @param file only for messages
 * @throws HoneError annotations.invalid when the JSON is damaged, cut short, or has no "annotations"
 */
export async function readCoco(source: ByteSource, file?: string): Promise<AnnotationSet> {
  const problems = new ProblemList(file);
  const budget = new Budget(file);
  const images: AnnotatedImage[] = [];
  const categories: AnnotatedCategory[] = [];
  const truths: Annotation[] = [];
  const keys = new Set<string>();
  const readers: Record<string, (row: Fields, where: string) => void> = {
    images: (row, where) => push(images, imageOf(row), `${where} has no id`, problems),
    categories: (row, where) => push(categories, categoryOf(row), `${where} has no id`, problems),
    annotations: (row, where) =>
      push(truths, budget.kept(annotationOf(row)), `${where} lacks image_id, category_id or four numbers of bbox`, problems),
  };
  await forEachElement(
    source,
    (key, element, index) => {
      keys.add(key);
      const where = `${key}[${index}]`;
      const reader = Object.hasOwn(readers, key) ? readers[key] : undefined;
      if (index < 0 || reader === undefined) return;
      if (isFields(element)) reader(element, where);
      else problems.add(`${where} is no object`);
    },
    file,
  );
  if (keys.has("") || (!keys.has("annotations") && !keys.has("images"))) {
    throw annotationError(`this JSON has no "images" and "annotations"`, file, "Is it a file of detections? Those go to --detections.");
  }
  return { images, categories, truths, problems: problems.list() };
}

/**
 * COCO's results JSON: an array of detections. As cocoapi's loadRes does, the first record decides what a detection's area is:
 * its box's if it has one, else its mask's or that of its keypoints' bounds.
 * @throws HoneError annotations.invalid when the JSON is damaged, cut short or no array
 */
export async function readCocoResults(source: ByteSource, file?: string): Promise<DetectionList> {
  const problems = new ProblemList(file);
  const budget = new Budget(file);
  const detections: DetectedObject[] = [];
  let boxArea: boolean | undefined;
  await forEachElement(
    source,
    (key, element, index) => {
      if (key !== "")
        throw annotationError(
          `the key "${key}" has no place in a file of detections, which is one array`,
          file,
          "Is it a file of annotations?",
        );
      const row = isFields(element) ? element : {};
      boxArea ??= Array.isArray(row.bbox) && row.bbox.length > 0;
      push(
        detections,
        budget.kept(detectionOf(row, boxArea)),
        `detection ${index} lacks image_id, category_id, score, or a bbox, segmentation or keypoints`,
        problems,
      );
    },
    file,
  );
  return { detections, problems: problems.list() };
}

/** COCO's annotation JSON as text. */
export function writeCoco(set: Pick<AnnotationSet, "images" | "categories" | "truths">): string {
  return JSON.stringify({
    images: set.images.map(({ id, width, height, file, absent, notExhaustive }) => ({
      id,
      width,
      height,
      file_name: file,
      neg_category_ids: absent,
      not_exhaustive_category_ids: notExhaustive,
    })),
    categories: set.categories,
    annotations: set.truths.map((t, i) => ({
      id: t.id ?? i + 1,
      image_id: t.image,
      category_id: t.category,
      bbox: t.box,
      area: t.area ?? t.box[2] * t.box[3],
      iscrowd: Number(t.crowd === true),
      ignore: t.difficult === true ? 1 : undefined,
      segmentation: t.segmentation,
      keypoints: t.keypoints,
      num_keypoints: t.keypointCount ?? t.keypoints?.filter((v, k) => k % 3 === 2 && v > 0).length,
    })),
  });
}

/** COCO's results JSON as text. */
export function writeCocoResults(detections: readonly DetectedObject[]): string {
  return JSON.stringify(
    detections.map((d) => ({
      image_id: d.image,
      category_id: d.category,
      bbox: d.box.some((v) => v !== 0) ? d.box : undefined,
      score: d.score,
      segmentation: d.segmentation,
      keypoints: d.keypoints,
    })),
  );
}

/** What fits into Node's usual heap with room to evaluate: ten times COCO's test set, and masks of a gigabyte of text. */
const [MAX_RECORDS, MAX_NUMBERS] = [8_000_000, 150_000_000];

/** Counts what is kept, so that a file is refused by name before memory runs out. */
class Budget {
  readonly #file: string | undefined;
  #records = 0;
  #numbers = 0;

  constructor(file: string | undefined) {
    this.#file = file;
  }

  /** Passes a record through. */
  kept<T extends { readonly segmentation?: AnnotationRegion; readonly keypoints?: readonly number[] }>(row: T | undefined): T | undefined {
    this.#take(row);
    return row;
  }

  #take(row: { readonly segmentation?: AnnotationRegion; readonly keypoints?: readonly number[] } | undefined): void {
    if (row === undefined) return;
    const { segmentation: region, keypoints } = row;
    this.#records++;
    this.#numbers += keypoints?.length ?? 0;
    this.#numbers += region === undefined ? 0 : numbersIn(region);
    if (this.#records > MAX_RECORDS) throw tooLarge(`the file has more than ${MAX_RECORDS} records`, this.#file);
    if (this.#numbers > MAX_NUMBERS) throw tooLarge(`the file's masks and keypoints have more than ${MAX_NUMBERS} numbers`, this.#file);
  }
}

function numbersIn(region: AnnotationRegion): number {
  if (!("counts" in region)) return region.reduce((n, polygon) => n + polygon.length, 0);
  return typeof region.counts === "string" ? region.counts.length / 8 : region.counts.length;
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function push<T>(into: T[], value: T | undefined, problem: string, problems: ProblemList): void {
  if (value === undefined) problems.add(problem);
  else into.push(value);
}

function idOf(value: unknown): AnnotationId | undefined {
  return typeof value === "string" || (typeof value === "number" && Number.isFinite(value)) ? value : undefined;
}

function numbersOf(value: unknown): readonly number[] | undefined {
  return Array.isArray(value) && value.every((v) => typeof v === "number") ? value : undefined;
}

function boxOf(value: unknown): AnnotationBox | undefined {
  const [x, y, w, h, ...more] = numbersOf(value) ?? [];
  return x === undefined || y === undefined || w === undefined || h === undefined || more.length > 0 ? undefined : [x, y, w, h];
}

/** Leaves out the entries that are undefined, as exact optional types want. */
type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends Record<string, unknown>>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, v]) => v !== undefined)) as Defined<T>;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function imageOf(row: Fields): AnnotatedImage | undefined {
  const id = idOf(row.id);
  if (id === undefined) return undefined;
  const ids = (value: unknown): AnnotationId[] | undefined =>
    Array.isArray(value) ? value.map(idOf).filter((v): v is AnnotationId => v !== undefined) : undefined;
  return {
    id,
    ...defined({
      width: numberOf(row.width),
      height: numberOf(row.height),
      file: typeof row.file_name === "string" ? row.file_name : undefined,
      absent: ids(row.neg_category_ids),
      notExhaustive: ids(row.not_exhaustive_category_ids),
    }),
  };
}

const FREQUENCIES = ["r", "c", "f"] as const;

function categoryOf(row: Fields): AnnotatedCategory | undefined {
  const id = idOf(row.id);
  if (id === undefined) return undefined;
  const { name, frequency } = row;
  return {
    id,
    ...defined({
      name: typeof name === "string" ? name : undefined,
      frequency: FREQUENCIES.find((f) => f === frequency),
    }),
  };
}

function annotationOf(row: Fields): Annotation | undefined {
  const [image, category, box] = [idOf(row.image_id), idOf(row.category_id), boxOf(row.bbox)];
  if (image === undefined || category === undefined || box === undefined) return undefined;
  return {
    image,
    category,
    box,
    ...defined({
      id: idOf(row.id),
      area: numberOf(row.area),
      crowd: row.iscrowd === 1 || row.iscrowd === true ? true : undefined,
      difficult: row.ignore === 1 || row.ignore === true ? true : undefined,
      segmentation: regionOf(row.segmentation),
      keypoints: numbersOf(row.keypoints),
      keypointCount: numberOf(row.num_keypoints),
    }),
  };
}

const NO_BOX: AnnotationBox = [0, 0, 0, 0];

function detectionOf(row: Fields, boxArea: boolean): DetectedObject | undefined {
  const [image, category, box] = [idOf(row.image_id), idOf(row.category_id), boxOf(row.bbox)];
  const [segmentation, keypoints] = [regionOf(row.segmentation), numbersOf(row.keypoints)];
  const { score } = row;
  if (image === undefined || category === undefined || typeof score !== "number") return undefined;
  if (box === undefined && segmentation === undefined && keypoints === undefined) return undefined;
  return {
    image,
    category,
    score,
    box: box ?? NO_BOX,
    ...defined({ area: boxArea && box ? box[2] * box[3] : undefined, segmentation, keypoints }),
  };
}

function regionOf(value: unknown): AnnotationRegion | undefined {
  if (Array.isArray(value)) return value.every((p) => numbersOf(p) !== undefined) ? (value as number[][]) : undefined;
  if (!isFields(value)) return undefined;
  const size = numbersOf(value.size);
  const counts = typeof value.counts === "string" ? value.counts : numbersOf(value.counts);
  const [height, width] = size ?? [];
  if (height === undefined || width === undefined || counts === undefined) return undefined;
  return { size: [height, width], counts };
}
