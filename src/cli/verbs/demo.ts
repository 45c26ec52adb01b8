import { runDemo, type Demo } from "../../workflow/demo.ts";
import { text } from "../options.ts";
import { bytesText, msText, plural, secondsText, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";
import { faceFields } from "./face.ts";

export const demo: Verb = defineVerb({
  summary: "Build a real face detector for this machine, run it on real photos, and draw what it finds.",
  arguments: [{ name: "[photos...]", about: "photos, or folders of them (default: the samples of npm's @vladmandic/face-api)" }],
  examples: [
    ["demo", "pictures in out/demo, and a table"],
    ["demo my-photos -o faces", "on photos of yours"],
  ],
  options: { output: text("-o, --output <folder>", "for the engine and the pictures (default: out/demo)") },
  run: async ({ signal, onEvent }, photos, { output }): Promise<Outcome> => {
    const result = await runDemo({ signal, onEvent, photos, folder: output ?? "out/demo" });
    const json = { ...result, photos: result.photos.map((photo) => ({ ...photo, faces: photo.faces.map(faceFields) })) };
    return { json, text: (p) => demoText(result, p) };
  },
});

function demoText(d: Demo, p: Paint): string {
  const model = table(
    p,
    ["model", "operations", "built in", "faces", "latency", "engine", "arena"],
    [
      [
        d.model,
        `${d.nodes.before} → ${d.nodes.after}`,
        `${secondsText(d.buildSeconds)}${d.fromCache ? " (compiled before)" : ""}`,
        String(d.faces),
        msText(d.latencyMs),
        bytesText(d.engineBytes),
        bytesText(d.arenaBytes),
      ],
    ],
  );
  const photos = table(
    p,
    ["photo", "size", "faces", "best", "took", "drawn into"],
    d.photos.map(({ photo, width, height, faces, milliseconds, output }) => [
      photo.replace(/^.*[/\\]/, ""),
      `${width}×${height}`,
      String(faces.length),
      faces[0] ? `${(faces[0].score * 100).toFixed(0)}%` : "",
      msText(milliseconds),
      output,
    ]),
  );
  const scores = table(
    p,
    ["scored on", "faces", "of height", "AP50", "AP"],
    d.scores.map(({ on, images, faces, faceHeight, AP, AP50 }) => [
      on === "photos" ? plural(images, "photo") : "one small sheet of them",
      `n = ${faces}`,
      `${faceHeight.toFixed(0)} pixels`,
      AP50.toFixed(3),
      AP.toFixed(3),
    ]),
  );
  const note = `latency: the least of ${plural(d.runs, "run")} of the model on ${d.target}; took: from pixels to faces`;
  const how = "AP: COCO's, against faces that were marked by eye before any detector was run; n is small, so one face is much";
  const scored = d.scores.length > 0 ? `${scores}\n\n${p.dim(how)}\n` : "";
  return `${model}\n\n${photos}\n\n${scored}${p.dim(note)}\n${p.bold("Look at them all:")} ${d.sheet}`;
}
