/** What is fuzzed. */
import { HoneError } from "../../src/util/errors.ts";
import { engine } from "./engine-subject.ts";
import { image } from "./image-subject.ts";
import { onnx, tflite } from "./model-subjects.ts";
import type { Subject } from "./subject.ts";

export const SUBJECTS: Readonly<Record<string, () => Subject | Promise<Subject>>> = { onnx, tflite, engine, image };

/** The outcome as one word, and for a finding what it was. */
export async function outcomeOf(subject: Subject, bytes: Uint8Array): Promise<{ readonly code: string; readonly detail: string }> {
  try {
    return { code: `ok: ${await subject.run(bytes)}`, detail: "" };
  } catch (error) {
    if (error instanceof HoneError && error.code !== "internal") return { code: error.code, detail: "" };
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { code: error instanceof HoneError ? "internal" : "crash", detail: stack };
  }
}
