import type { DecoderRule } from "../../engine/recipe.ts";
import { HoneError } from "../../util/errors.ts";
import { blazeface } from "./blazeface.ts";
import type { Decoder } from "./decoder.ts";
import { corners } from "./corners.ts";
import { fastestdet } from "./fastestdet.ts";
import { retinaface } from "./retinaface.ts";
import { ssd } from "./ssd.ts";
import { distribution, distributionLevels, finished, yolov5, yolov8 } from "./yolo.ts";
import { yunet } from "./yunet.ts";

/** Every kind of decoder that a recipe may name. */
const KINDS: Readonly<Record<string, (rule: DecoderRule) => Decoder>> = {
  blazeface,
  corners,
  distribution,
  distributionLevels,
  fastestdet,
  finished,
  retinaface,
  ssd,
  yolov5,
  yolov8,
  yunet,
};

/** The decoder that a recipe asks for. Throws `recipe.invalid` for an unknown kind, or with all that is wrong in its parameters. */
export function openDecoder(rule: DecoderRule): Decoder {
  const make = Object.hasOwn(KINDS, rule.kind) ? KINDS[rule.kind] : undefined;
  if (make !== undefined) return make(rule);
  throw new HoneError("recipe.invalid", `there is no decoder of kind "${rule.kind}"`, {
    hint: `Known kinds: ${Object.keys(KINDS).join(", ")}.`,
  });
}
