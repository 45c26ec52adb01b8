import { runDemo, type Demo } from "../../workflow/demo.ts";
import { text } from "../options.ts";
import { bytesText, msText, plural, secondsText, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";
import { faceFields } from "./face.ts";

export const demo: Verb = defineVerb({
  summary: "Build a real face detector for this machine, run it on real photos, draw what it finds, and measure fp32 and int8.",
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
    ["model", "operations", "built in", "faces", "arena"],
    [
      [
        d.model,
        `${d.nodes.before} → ${d.nodes.after}`,
        `${secondsText(d.buildSeconds)}${d.fromCache ? " (compiled before)" : ""}`,
        String(d.faces),
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
  const rows = table(
    p,
    ["engine", "runs as", "size", "latency", "AP50", "AP"],
    d.rows.map(({ precision, code, bytes, latencyMs, AP50, AP }) => [
      precision,
      code,
      bytesText(bytes),
      msText(latencyMs),
      AP50?.toFixed(3) ?? "–",
      AP?.toFixed(3) ?? "–",
    ]),
  );
  const notes = [
    `latency: the least of ${plural(d.runs, "run")} of the model, engines in turns on ${d.target}; took: from pixels to faces, fp32`,
    ...scoreNotes(d),
  ];
  return `${model}\n\n${photos}\n\n${rows}\n\n${p.dim(notes.join("\n"))}\n${p.bold("Look at them all:")} ${d.sheet}`;
}

/** How the scores came about, and where the detector does not find faces. */
function scoreNotes({ scores, heldOut, calibratedWith }: Demo): readonly string[] {
  const how = `int8: ranges from ${plural(calibratedWith, "photo")}${heldOut ? "; a photo is scored by the engine that was calibrated with the other half" : ""}`;
  const [own, sheet] = scores;
  if (own === undefined || sheet === undefined) return [how];
  return [
    `AP: COCO's, against ${plural(own.faces, "face")} that ${own.faces === 1 ? "was" : "were"} marked by eye before any detector was run; so few that one is much`,
    how,
    `on one small sheet of the photos, faces ${sheet.faceHeight.toFixed(0)} pixels high instead of ${own.faceHeight.toFixed(0)}, fp32 has AP50 ${sheet.AP50.toFixed(3)}: too small for it`,
  ];
}
