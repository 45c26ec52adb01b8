import type { Face } from "../../vision.ts";
import { faceFile, type FoundFaces } from "../../workflow/face.ts";
import { number, text } from "../options.ts";
import { msText, plural, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";
import { given } from "../../workflow/events.ts";

/** Stands for "as the recipe says". */
const RECIPES = -1;

export const face: Verb = defineVerb({
  summary: "Find faces in a photo: boxes, scores, points, and a drawing.",
  arguments: [{ name: "<photo>", about: "JPEG, PNG, WebP and others; EXIF orientation is applied" }],
  examples: [
    ["face photo.jpg -o faces.png", "with the detector of npm's @mediapipe/face_detection"],
    ["face photo.jpg --engine retinaface.hone --json", "with an engine of yours, for a program"],
  ],
  options: {
    engine: text("--engine <file>", "a .hone file with a recipe for faces (default: the optional package's, built once)"),
    output: text("-o, --output <file>", "draw boxes and points into this .png, .jpg or .webp"),
    recipe: text("--recipe <name|file>", "instead of the engine's own"),
    minScore: number("--min-score <number>", "the least score of a face; -1 is the recipe's", RECIPES, { min: -1, max: 1 }),
  },
  run: async ({ signal, onEvent }, [photo = ""], { engine, output, recipe, minScore }): Promise<Outcome> => {
    const found = await faceFile(photo, {
      signal,
      onEvent,
      engine,
      output,
      recipe,
      ...given("minScore", minScore === RECIPES ? undefined : minScore),
    });
    return { json: faceJson(found), text: (p) => faceText(found, p) };
  },
});

const round = (x: number, digits: number): number => Number(x.toFixed(digits));

export const faceFields = ({ box, score, points }: Face): Record<string, unknown> => ({
  box: box.map((x) => round(x, 2)),
  score: round(score, 4),
  points: points.map((point) => point.map((x) => round(x, 2))),
});

function faceJson(found: FoundFaces): Record<string, unknown> {
  const { faces, milliseconds, ...rest } = found;
  return { ...rest, milliseconds: round(milliseconds, 2), faces: faces.map(faceFields) };
}

function faceText({ file, image, faces, recipe, milliseconds, output }: FoundFaces, p: Paint): string {
  const head = `${plural(faces.length, "face")} in ${file}, ${image.width}×${image.height}, by ${recipe} in ${msText(milliseconds)}`;
  const rows = faces.map(({ box, score }) => [`${(score * 100).toFixed(1)}%`, ...box.map((x) => x.toFixed(1))]);
  const list = faces.length === 0 ? "" : `\n\n${table(p, ["score", "x", "y", "width", "height"], rows)}`;
  return `${head}${list}${output === undefined ? "" : `\n\ndrawn into ${output}`}`;
}
