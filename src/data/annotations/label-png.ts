import { inflate } from "./inflate.ts";
import { annotationError } from "./records.ts";

/** The labels of a picture whose pixels are class numbers. */
export interface LabelMap {
  readonly width: number;
  readonly height: number;
  /** Row by row, a class number a pixel. */
  readonly labels: Uint8Array;
}

/** CelebAMask-HQ's nineteen classes, in the order of its label pictures. */
export const CELEBAMASK_CLASSES: readonly string[] = [
  "background",
  "skin",
  "nose",
  "eyeglasses",
  "left eye",
  "right eye",
  "left brow",
  "right brow",
  "left ear",
  "right ear",
  "mouth",
  "upper lip",
  "lower lip",
  "hair",
  "hat",
  "earring",
  "necklace",
  "neck",
  "cloth",
];

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const MAX_PIXELS = 100_000_000;
const [GRAY, PALETTE] = [0, 3];

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
}

/**
 * A PNG of class numbers as they are stored: palette indices or grey values of 1 to 8 bits (CelebAMask's label pictures).
 * An ordinary decoder would turn a palette into colours and lose the numbers.
 * @throws HoneError annotations.invalid for anything else, and for damaged files
 */
export async function readLabelPng(bytes: Uint8Array, file?: string): Promise<LabelMap> {
  if (!SIGNATURE.every((v, i) => bytes[i] === v)) throw annotationError("this is no PNG", file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: Header | undefined;
  const parts: Uint8Array[] = [];
  for (let at = 8; at + 12 <= bytes.length;) {
    const size = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (size > bytes.length - at - 12) throw annotationError(`PNG: a ${type} chunk claims ${size} bytes`, file);
    if (type === "IHDR" && size >= 13) header = headerOf(view, at + 8, file);
    else if (type === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + size));
    else if (type === "IEND") break;
    at += 12 + size;
  }
  if (header === undefined) throw annotationError("PNG: it has no header", file);
  const stride = Math.ceil((header.width * header.depth) / 8);
  const packed = new Uint8Array(await new Blob(parts.map((part) => new Uint8Array(part))).arrayBuffer());
  const rows = await inflate(packed, header.height * (stride + 1), "PNG", file);
  if (rows.length < header.height * (stride + 1)) throw annotationError("PNG: the picture is cut short", file);
  return unpack(unfilter(rows, stride, header.height, file), header, stride);
}

function headerOf(view: DataView, at: number, file: string | undefined): Header {
  const [width, height] = [view.getUint32(at), view.getUint32(at + 4)];
  const [depth, colour, interlace] = [view.getUint8(at + 8), view.getUint8(at + 9), view.getUint8(at + 12)];
  if (width === 0 || height === 0 || width * height > MAX_PIXELS)
    throw annotationError(`PNG: ${width}x${height} pixels; 1 to ${MAX_PIXELS} are read`, file);
  if ((colour !== GRAY && colour !== PALETTE) || ![1, 2, 4, 8].includes(depth) || interlace !== 0) {
    throw annotationError("PNG: a label picture has a palette or grey values of up to 8 bits, and no interlacing", file);
  }
  return { width, height, depth };
}

/** Undoes PNG's five row filters (bytes a pixel is 1 for all label pictures). */
function unfilter(rows: Uint8Array, stride: number, height: number, file: string | undefined): Uint8Array {
  const out = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const predict = PREDICTORS[rows[y * (stride + 1)] as number];
    if (predict === undefined) throw annotationError("PNG: a row has an unknown filter", file);
    for (let x = 0; x < stride; x++) {
      const left = x > 0 ? (out[y * stride + x - 1] as number) : 0;
      const up = y > 0 ? (out[(y - 1) * stride + x] as number) : 0;
      const corner = x > 0 && y > 0 ? (out[(y - 1) * stride + x - 1] as number) : 0;
      out[y * stride + x] = (rows[y * (stride + 1) + 1 + x] as number) + predict(left, up, corner);
    }
  }
  return out;
}

const PREDICTORS: readonly ((left: number, up: number, corner: number) => number)[] = [
  () => 0,
  (left) => left,
  (_, up) => up,
  (left, up) => (left + up) >> 1,
  (left, up, corner) => {
    const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
    return a <= b && a <= c ? left : b <= c ? up : corner;
  },
];

function unpack(bytes: Uint8Array, { width, height, depth }: Header, stride: number): LabelMap {
  if (depth === 8) return { width, height, labels: bytes };
  const labels = new Uint8Array(width * height);
  const perByte = 8 / depth;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const byte = bytes[y * stride + Math.floor(x / perByte)] as number;
      labels[y * width + x] = (byte >> (8 - depth * ((x % perByte) + 1))) & ((1 << depth) - 1);
    }
  }
  return { width, height, labels };
}
