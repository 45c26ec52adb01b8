/** Operators that hone does not read, and the way around. */
import { HoneError } from "../../util/errors.ts";
import type { OnnxNode } from "./ast.ts";
import { isOnnxDomain } from "./versions.ts";

const DRAWN =
  "An engine gives the same answer to the same inputs. Export the model in evaluation mode, or make what is drawn an input: take the node " +
  "out, name its output among the graph's inputs, and feed numbers that you draw.";
const TRAINING = "It trains, and an engine runs: export the model without its training part.";

const WAYS: Readonly<Record<string, string>> = {
  Bernoulli: DRAWN,
  Multinomial: DRAWN,
  RandomNormal: DRAWN,
  RandomNormalLike: DRAWN,
  RandomUniform: DRAWN,
  RandomUniformLike: DRAWN,
  ImageDecoder:
    "Photos are decoded before an engine: cut the node off, make the pixels an input, and let hone-engine/data or `hone run --image` decode.",
  "ai.onnx.ml.TreeEnsembleClassifier": "Write it as TreeEnsemble, which gives the scores, with ArgMax behind it.",
  "ai.onnx.preview.training.Adagrad": TRAINING,
  "ai.onnx.preview.training.Adam": TRAINING,
  "ai.onnx.preview.training.Momentum": TRAINING,
};

const OWN = "Export it as a function of ONNX's own operators, or cut the model in two there.";

export function unreadOperator({ opType, domain }: OnnxNode): HoneError {
  const name = isOnnxDomain(domain) ? opType : `${domain}.${opType}`;
  const hint = Object.hasOwn(WAYS, name) ? WAYS[name] : isOnnxDomain(domain) ? undefined : OWN;
  return new HoneError("model.unsupported", `hone does not read the operator ${name}`, hint === undefined ? {} : { hint });
}
