import { readMat5, type MatValue } from "./mat5.ts";
import { annotationError, type AnnotationBox } from "./records.ts";

/** The faces of one image and which of them a difficulty keeps, in the form that hone/metrics takes. */
export interface WiderFaces {
  /** Event and file name without extension, "0--Parade/0_Parade_marchingband_1_465". */
  readonly image: string;
  readonly boxes: readonly AnnotationBox[];
  readonly keep: Readonly<Record<string, readonly number[]>>;
}

const LISTS = ["event_list", "file_list", "face_bbx_list", "gt_list"];

/**
 * WIDER FACE's evaluation ground truth: one MATLAB file a difficulty (wider_easy_val.mat, …). All must list the same images.
 * @param files by difficulty
 * @throws HoneError annotations.invalid
 */
export async function readWiderMat(files: Readonly<Record<string, Uint8Array>>): Promise<WiderFaces[]> {
  const images = new Map<string, { image: string; boxes: AnnotationBox[]; keep: Record<string, number[]> }>();
  for (const [level, bytes] of Object.entries(files)) {
    const name = `${level}.mat`;
    const variables = await readMat5(bytes, name, LISTS);
    const [events, fileLists, boxLists, keepLists] = LISTS.map((key) => cells(variables.get(key), key, name));
    events?.forEach((event, e) => {
      const names = cells(fileLists?.[e], "file_list", name);
      const boxes = cells(boxLists?.[e], "face_bbx_list", name);
      const keeps = cells(keepLists?.[e], "gt_list", name);
      names.forEach((file, f) => {
        const image = `${textOf(event, name)}/${textOf(file, name)}`;
        const entry = images.get(image) ?? { image, boxes: boxRows(boxes[f], image, name), keep: {} };
        images.set(image, entry);
        entry.keep[level] = keptFaces(keeps[f], entry.boxes.length, image, name);
      });
    });
  }
  return [...images.values()];
}

function cells(value: MatValue | undefined, what: string, file: string): readonly MatValue[] {
  if (value?.kind !== "cell") throw annotationError(`WIDER FACE: ${what} is no cell array`, file);
  return value.items;
}

function textOf(value: MatValue, file: string): string {
  const inner = value.kind === "cell" ? value.items[0] : value;
  if (inner?.kind !== "text") throw annotationError("WIDER FACE: a name is no text", file);
  return inner.text;
}

/** MATLAB stores the rows of n × 4 numbers column by column. */
function boxRows(value: MatValue | undefined, image: string, file: string): AnnotationBox[] {
  if (value?.kind !== "numeric") throw annotationError(`WIDER FACE: the boxes of ${image} are no numbers`, file);
  const n = value.data.length / 4;
  if (!Number.isInteger(n)) throw annotationError(`WIDER FACE: the boxes of ${image} are not rows of four`, file);
  const at = (row: number, column: number): number => value.data[column * n + row] as number;
  return Array.from({ length: n }, (_, i) => [at(i, 0), at(i, 1), at(i, 2), at(i, 3)]);
}

function keptFaces(value: MatValue | undefined, faces: number, image: string, file: string): number[] {
  if (value?.kind !== "numeric") throw annotationError(`WIDER FACE: the kept faces of ${image} are no numbers`, file);
  return [...value.data].map((index) => {
    if (!(index >= 1 && index <= faces)) throw annotationError(`WIDER FACE: ${image} keeps face ${index} of ${faces}`, file);
    return index - 1;
  });
}
