/** Receives one problem, worded with the path of the field. */
export type Report = (message: string) => void;

const MAX_RANK = 8;
const MAX_VALUES = 64;

/** A non-empty string of sane length. */
export function text(value: unknown, path: string, report: Report): void {
  if (typeof value !== "string" || value === "" || value.length > 1000) report(`${path} must be a text of 1 to 1000 characters`);
}

/** Misspelt fields are errors: silently ignored preprocessing costs accuracy that nobody can find. */
export function unknownFields(object: Record<string, unknown>, known: readonly string[], path: string, report: Report): void {
  for (const key of Object.keys(object)) {
    if (!known.includes(key)) report(`${path}${key} is not a field; known: ${known.join(", ")}`);
  }
}

export function signatureProblems(value: unknown, report: Report): void {
  const s = record(value, "signature", report);
  if (s === undefined) return;
  unknownFields(s, ["inputs", "outputs", "has", "lacks"], "signature.", report);
  for (const field of ["has", "lacks"]) opList(s[field], `signature.${field}`, report);
  valueList(s["inputs"], "signature.inputs", report);
  valueList(s["outputs"], "signature.outputs", report);
}

function opList(value: unknown, path: string, report: Report): void {
  const good = value === undefined || (Array.isArray(value) && value.length <= MAX_VALUES && value.every((v) => typeof v === "string"));
  if (!good) report(`${path} must be a list of at most ${MAX_VALUES} names of ops`);
}

function valueList(value: unknown, path: string, report: Report): void {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_VALUES) {
    report(`${path} must be a list of 1 to ${MAX_VALUES}`);
    return;
  }
  const roles = new Set<unknown>();
  value.forEach((item: unknown, i) => {
    const at = `${path}[${i}]`;
    const v = record(item, at, report);
    if (v === undefined) return;
    unknownFields(v, ["name", "role", "shape"], `${at}.`, report);
    text(v["role"], `${at}.role`, report);
    if (v["name"] !== undefined) text(v["name"], `${at}.name`, report);
    if (roles.has(v["role"])) report(`${at}.role ${JSON.stringify(v["role"])} is given twice`);
    roles.add(v["role"]);
    if (!isShape(v["shape"])) report(`${at}.shape must be a list of up to ${MAX_RANK} positive whole numbers or null`);
  });
}

function isShape(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > MAX_RANK) return false;
  return value.every((d: unknown) => d === null || (typeof d === "number" && Number.isSafeInteger(d) && d > 0));
}

export function preprocessProblems(value: unknown, report: Report): void {
  const p = record(value, "preprocess", report);
  if (p === undefined) return;
  unknownFields(p, ["resize", "channels", "layout", "dtype", "mean", "std"], "preprocess.", report);
  oneOf(p["channels"], ["RGB", "BGR"], "preprocess.channels", report);
  oneOf(p["layout"], ["NCHW", "NHWC"], "preprocess.layout", report);
  oneOf(p["dtype"], ["float32", "uint8"], "preprocess.dtype", report);
  triple(p["mean"], "preprocess.mean", report);
  if (triple(p["std"], "preprocess.std", report).includes(0)) report("preprocess.std must not be zero");
  const resize = record(p["resize"], "preprocess.resize", report);
  if (resize === undefined) return;
  unknownFields(resize, ["dialect", "fit", "place", "fill"], "preprocess.resize.", report);
  oneOf(resize["dialect"], ["cv2", "pil", "pil-bicubic"], "preprocess.resize.dialect", report);
  oneOf(resize["fit"], ["letterbox", "stretch"], "preprocess.resize.fit", report);
  oneOf(resize["place"], ["centre", "top-left"], "preprocess.resize.place", report);
  const fill = triple(resize["fill"], "preprocess.resize.fill", report);
  if (fill.some((v) => !Number.isInteger(v) || v < 0 || v > 255)) report("preprocess.resize.fill must be whole numbers from 0 to 255");
}

export function decoderProblems(value: unknown, report: Report): void {
  const d = record(value, "decoder", report);
  if (d === undefined) return;
  unknownFields(d, ["kind", "params"], "decoder.", report);
  text(d["kind"], "decoder.kind", report);
  record(d["params"], "decoder.params", report);
}

function record(value: unknown, path: string, report: Report): Record<string, unknown> | undefined {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  report(`${path} must be an object`);
  return undefined;
}

function oneOf(value: unknown, known: readonly string[], path: string, report: Report): void {
  if (typeof value !== "string" || !known.includes(value))
    report(`${path} must be one of ${known.join(", ")}, got ${JSON.stringify(value)}`);
}

function triple(value: unknown, path: string, report: Report): number[] {
  if (Array.isArray(value) && value.length === 3) {
    const numbers = value.filter((v): v is number => typeof v === "number" && Number.isFinite(v));
    if (numbers.length === 3) return numbers;
  }
  report(`${path} must be three numbers`);
  return [];
}
