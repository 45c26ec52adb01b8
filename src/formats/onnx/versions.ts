/** Which version of ONNX's own operators a model, or a function of it, is written in. */
import { HoneError } from "../../util/errors.ts";
import type { OnnxFunction, OnnxModel } from "./ast.ts";

export const OLDEST_OPSET = 6;
export const NEWEST_OPSET = 28;

export const isOnnxDomain = (domain: string): boolean => domain === "" || domain === "ai.onnx";

function readable(version: number): number {
  if (version >= OLDEST_OPSET && version <= NEWEST_OPSET) return version;
  throw new HoneError("model.unsupported", `operator set ${version}: hone reads ${OLDEST_OPSET} to ${NEWEST_OPSET}`, {
    hint: `Export the model again with operator set ${version > NEWEST_OPSET ? `${NEWEST_OPSET} or older` : `${OLDEST_OPSET} or newer`}.`,
  });
}

/** Throws `model.unsupported`. */
export const opsetOf = ({ opsetImport }: Pick<OnnxModel, "opsetImport">): number =>
  readable(opsetImport.find((o) => isOnnxDomain(o.domain))?.version ?? (opsetImport.length > 0 ? NEWEST_OPSET : 1));

/** That of the model, `around`, where the function says nothing. Throws `model.unsupported`. */
export const opsetOfFunction = ({ opsetImport }: OnnxFunction, around: number): number =>
  readable(opsetImport.find((o) => isOnnxDomain(o.domain))?.version ?? around);
