/** The options by which a verb is given photos with labels. */
import { HoneError } from "../util/errors.ts";
import { TEXT_FORMATS, type TextFormat } from "../workflow/eval-files.ts";
import type { Labelled } from "../workflow/label-score.ts";
import { choice, flag, list, text, type OptionSpec, type Values } from "./options.ts";

export const LABELLED: {
  readonly evalImages: OptionSpec<string | undefined>;
  readonly annotations: OptionSpec<readonly string[]>;
  readonly anyClass: OptionSpec<boolean>;
  readonly format: OptionSpec<TextFormat | undefined>;
} = {
  evalImages: text("--eval-images <folder>", "photos with labels"),
  annotations: list(
    "--annotations <path>",
    "their labels: COCO JSON, a folder of VOC XML, or another form that `hone eval` reads; repeat to join",
  ),
  anyClass: flag("--any-class", "every object and every detection counts as one class"),
  format: choice("--format <name>", "what the numbers in a folder of texts are (default: judged by them)", TEXT_FORMATS),
};

/** What was given; undefined when nothing was. Throws `usage` when only a part was. */
export function labelledOf({ evalImages, annotations, anyClass, format }: Values<typeof LABELLED>): Labelled | undefined {
  if (evalImages !== undefined && annotations.length > 0) return { images: evalImages, annotations, anyClass, format };
  if (evalImages === undefined && annotations.length === 0 && !anyClass && format === undefined) return undefined;
  throw new HoneError("usage", "photos with labels are --eval-images and --annotations together", {
    hint: "--eval-images FOLDER --annotations FILE|FOLDER",
  });
}
