import {
  annotationError,
  ProblemList,
  type AnnotatedImage,
  type Annotation,
  type AnnotationBox,
  type AnnotationId,
  type AnnotationSet,
  type DetectedObject,
  type DetectionList,
} from "./records.ts";

/** Column names that mean the same; compared without case, spaces, dots and underscores. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  image: ["image", "imageid", "file", "filename", "imagename", "name"],
  category: ["category", "class", "label", "categoryid", "classid", "labelname", "classname"],
  x: ["x", "left"],
  y: ["y", "top"],
  width: ["w", "width", "boxwidth"],
  height: ["h", "height", "boxheight"],
  xmin: ["xmin", "x1"],
  ymin: ["ymin", "y1"],
  xmax: ["xmax", "x2", "right"],
  ymax: ["ymax", "y2", "bottom"],
  score: ["score", "confidence", "conf", "probability"],
  difficult: ["difficult", "ignore"],
  crowd: ["crowd", "iscrowd", "isgroupof"],
};

/**
 * Ground truth as CSV with a header line (RFC 4180): image, category, and x y width height or xmin ymin xmax ymax in any order.
 * A category column that is missing means one category, "object". Open Images' box CSVs are of this form (shares of the image).
 * @throws HoneError annotations.invalid when the header lacks an image or box columns
 */
export function readCsv(text: string, file?: string): AnnotationSet {
  const problems = new ProblemList(file);
  const images = new Map<AnnotationId, AnnotatedImage>();
  const categories = new Set<AnnotationId>();
  const truths: Annotation[] = [];
  eachRecord(text, file, problems, (row) => {
    images.set(row.image, { id: row.image });
    categories.add(row.category);
    truths.push({ image: row.image, category: row.category, box: row.box, ...flag(row, "difficult"), ...flag(row, "crowd") });
  });
  const ids = [...categories].sort((a, b) => (a < b ? -1 : 1));
  return { images: [...images.values()], categories: ids.map((id) => ({ id, name: String(id) })), truths, problems: problems.list() };
}

/** Detections as CSV: as ground truth, with a score column. @throws HoneError annotations.invalid */
export function readCsvDetections(text: string, file?: string): DetectionList {
  const problems = new ProblemList(file);
  const detections: DetectedObject[] = [];
  eachRecord(text, file, problems, ({ image, category, box, field }, line) => {
    const score = Number(field("score") ?? NaN);
    if (Number.isNaN(score)) problems.add(`line ${line}: no score`);
    else detections.push({ image, category, box, score });
  });
  return { detections, problems: problems.list() };
}

export function writeCsv(truths: readonly Annotation[]): string {
  const rows = truths.map((t) => [t.image, t.category, ...t.box, Number(t.difficult === true), Number(t.crowd === true)]);
  return lines(["image", "category", "x", "y", "width", "height", "difficult", "crowd"], rows);
}

export function writeCsvDetections(detections: readonly DetectedObject[]): string {
  return lines(
    ["image", "category", "x", "y", "width", "height", "score"],
    detections.map((d) => [d.image, d.category, ...d.box, d.score]),
  );
}

function lines(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cell = (value: string | number): string => {
    const text = String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [header, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

interface CsvRecord {
  readonly image: AnnotationId;
  readonly category: AnnotationId;
  readonly box: AnnotationBox;
  readonly field: (name: string) => string | undefined;
}

function flag(row: CsvRecord, name: "difficult" | "crowd"): { difficult?: true; crowd?: true } {
  return ["1", "true"].includes((row.field(name) ?? "").toLowerCase()) ? { [name]: true } : {};
}

function eachRecord(text: string, file: string | undefined, problems: ProblemList, visit: (row: CsvRecord, line: number) => void): void {
  let places: ReadonlyMap<string, number> | undefined;
  eachCsvRow(text, (cells, line) => {
    if (places === undefined) {
      places = columnsOf(cells, file);
      return;
    }
    const columns = places;
    const field = (name: string): string | undefined => cells[columns.get(name) ?? -1]?.trim();
    const box = boxOf(field, columns.has("xmin"));
    const image = field("image");
    if (image === undefined || image === "" || box === undefined) problems.add(`line ${line}: no image or no four numbers of a box`);
    else visit({ image: idOf(image), category: idOf(field("category") ?? "object"), box, field }, line);
  });
  if (places === undefined) throw annotationError("the CSV is empty: it needs a header line", file);
}

function columnsOf(header: readonly string[], file: string | undefined): Map<string, number> {
  const names = header.map((name) => name.toLowerCase().replaceAll(/[\s_.\uFEFF]/g, ""));
  const places = new Map<string, number>();
  for (const [name, aliases] of Object.entries(ALIASES)) {
    const at = names.findIndex((n) => aliases.includes(n));
    if (at >= 0) places.set(name, at);
  }
  const has = (...wanted: string[]): boolean => wanted.every((name) => places.has(name));
  if (!has("image") || !(has("xmin", "ymin", "xmax", "ymax") || has("x", "y", "width", "height"))) {
    const hint = "It needs image and x,y,width,height or xmin,ymin,xmax,ymax.";
    throw annotationError(`the CSV's header "${header.join(",").slice(0, 200)}" lacks columns`, file, hint);
  }
  return places;
}

function boxOf(field: (name: string) => string | undefined, corners: boolean): AnnotationBox | undefined {
  const names = corners ? ["xmin", "ymin", "xmax", "ymax"] : ["x", "y", "width", "height"];
  const numbers = names.map((name) => ((field(name) ?? "") === "" ? NaN : Number(field(name))));
  const [a = NaN, b = NaN, c = NaN, d = NaN] = numbers;
  if (Number.isNaN(a + b + c + d)) return undefined;
  return corners ? [a, b, c - a, d - b] : [a, b, c, d];
}

/** Whole numbers become numbers, so that ids agree with those of COCO files. */
function idOf(text: string): AnnotationId {
  return /^(0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text;
}

/** Rows of cells of an RFC 4180 text: quotes may hold commas, line ends and doubled quotes. Empty lines are skipped. */
export function eachCsvRow(text: string, visit: (cells: readonly string[], line: number) => void): void {
  let cells: string[] = [];
  let line = 1;
  let began = 1;
  const cell = /("(?:[^"]|"")*"|[^,\r\n]*)(,|\r?\n|\r|$)/y;
  while (cell.lastIndex < text.length) {
    const found = cell.exec(text);
    if (found === null) {
      // A quote inside or after a cell: take the rest of the line as it is.
      cell.lastIndex = skipLine(text, cell.lastIndex);
      continue;
    }
    const [, raw = "", end = ""] = found;
    cells.push(raw.startsWith('"') ? raw.slice(1, -1).replaceAll('""', '"') : raw);
    if (raw.includes("\n")) line += raw.split("\n").length - 1;
    if (end === ",") continue;
    if (cells.length > 1 || cells[0] !== "") visit(cells, began);
    cells = [];
    began = ++line;
    if (found[0] === "") break;
  }
  if (cells.length > 0) visit(cells, began);
}

function skipLine(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end + 1;
}
