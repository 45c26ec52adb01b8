import { HoneError, type Problem } from "../../util/errors.ts";

export type AnnotationId = number | string;

/** x, y, width, height in pixels; (x, y) is the top-left corner. */
export type AnnotationBox = readonly [x: number, y: number, width: number, height: number];

export interface AnnotatedImage {
  readonly id: AnnotationId;
  readonly width?: number;
  readonly height?: number;
  readonly file?: string;
  readonly absent?: readonly AnnotationId[];
  readonly notExhaustive?: readonly AnnotationId[];
}

export interface AnnotatedCategory {
  readonly id: AnnotationId;
  readonly name?: string;
  readonly frequency?: "r" | "c" | "f";
}

export type AnnotationRegion =
  { readonly size: readonly [height: number, width: number]; readonly counts: string | readonly number[] } | readonly (readonly number[])[];

/** One annotated object, in the form that hone/metrics takes. */
export interface Annotation {
  readonly id?: AnnotationId;
  readonly image: AnnotationId;
  readonly category: AnnotationId;
  readonly box: AnnotationBox;
  readonly area?: number;
  readonly crowd?: boolean;
  readonly difficult?: boolean;
  readonly segmentation?: AnnotationRegion;
  readonly keypoints?: readonly number[];
  readonly keypointCount?: number;
}

/** One detection, in the form that hone/metrics takes. */
export interface DetectedObject {
  readonly image: AnnotationId;
  readonly category: AnnotationId;
  /** All 0 when the file gives only a segmentation or keypoints. */
  readonly box: AnnotationBox;
  readonly score: number;
  readonly area?: number;
  readonly segmentation?: AnnotationRegion;
  readonly keypoints?: readonly number[];
}

/** What an annotation file says; records that could not be read are in `problems`, each with its place. */
export interface AnnotationSet {
  readonly images: readonly AnnotatedImage[];
  readonly categories: readonly AnnotatedCategory[];
  readonly truths: readonly Annotation[];
  readonly problems: readonly Problem[];
}

export interface DetectionList {
  readonly detections: readonly DetectedObject[];
  readonly problems: readonly Problem[];
}

/** One text file of a folder, by its name without the folder. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** File contents: whole, or in pieces as they arrive. */
export type ByteSource = Uint8Array | string | AsyncIterable<Uint8Array>;

export function annotationError(message: string, file: string | undefined, hint?: string, cause?: unknown): HoneError {
  return new HoneError("annotations.invalid", message, {
    at: file === undefined ? {} : { file },
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}

const LISTED = 50;

/** Problems with single records: the first fifty by name, the rest as a count. */
export class ProblemList {
  readonly #file: string | undefined;
  readonly #listed: Problem[] = [];
  #more = 0;

  constructor(file?: string) {
    this.#file = file;
  }

  add(message: string, file: string | undefined = this.#file): void {
    if (this.#listed.length >= LISTED) this.#more++;
    else this.#listed.push(file === undefined ? { message } : { message, at: { file } });
  }

  list(): Problem[] {
    return this.#more === 0 ? [...this.#listed] : [...this.#listed, { message: `and ${this.#more} more` }];
  }
}

/** A file name without folders and without its last extension: what ties an annotation file to its image. */
export function stemOf(name: string): string {
  const base = name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1);
  const dot = base.lastIndexOf(".");
  return dot > 0 ? base.slice(0, dot) : base;
}
