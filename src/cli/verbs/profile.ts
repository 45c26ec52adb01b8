import { profileModel, type ProfiledCall, type ProfileResult } from "../../workflow/profile.ts";
import type { Precision } from "../../index.ts";
import { choice, list, number, text } from "../options.ts";
import { bytesText, countText, fields, table, type Paint } from "../text.ts";
import { defineVerb, type Outcome, type Verb } from "../verb.ts";

const PRECISIONS: readonly Precision[] = ["fp32", "fp16", "bf16", "int8"];

export const profile: Verb = defineVerb({
  summary: "Say where the time of a model goes: every kernel with its time, speed, bytes, schedule and original nodes.",
  arguments: [{ name: "<model|engine>", about: "a model, or an engine with --model; it is built with a clock around each kernel" }],
  examples: [
    ["profile model.onnx", "every kernel, in the order in which they run"],
    ["profile model.onnx --sort time --top 20", "the slowest"],
    ["profile model.hone --model model.onnx --json", "with the schedule, machine, shapes and precision of an engine"],
    ["profile int8.hone --model model.onnx --calib table.json", "which layers are in int8, and what each takes"],
  ],
  options: {
    model: text("--model <file>", "the model that an engine was built from"),
    precision: choice("--precision <name>", "of a model; an engine's is its own (default: fp32)", PRECISIONS),
    calib: text("--calib <folder|table>", "for int8: photos, or the table that it was calibrated with"),
    sort: choice("--sort <key>", "in the order in which they run (the default), or the slowest first", ["order", "time"]),
    top: number("--top <number>", "how many kernels to list; 0 is all", 0, { min: 0, integer: true }),
    seconds: number("--seconds <number>", "how long to measure", 2, { min: 0, max: 3600 }),
    image: list("--image <file>", "a photo: through the recipe, or stretched to the input and scaled to 0–1"),
    input: list("--input <name=file>", "a .npy file for an input; repeat for more inputs"),
    profile: number("--profile <number>", "which of the shapes", 0, { min: 0, integer: true }),
    shape: list("--shape <input=dims>", "dims of an input; repeat for inputs and for profiles"),
    recipe: text("--recipe <name|file>", "instead of the one that fits the model"),
    schedule: choice("--schedule <name>", "how loops are arranged; naive is the textbook", ["auto", "naive"]),
    machine: text("--machine <name>", "CPU to build for, of those that `hone targets` lists (default: this one)"),
    seed: number("--seed <number>", "of the random numbers", 1, { min: 0, max: 2 ** 32 - 1, integer: true }),
  },
  run: async ({ signal, onEvent }, [path = ""], values): Promise<Outcome> => {
    const result = await profileModel(path, {
      signal,
      onEvent,
      model: values.model,
      precision: values.precision,
      calib: values.calib,
      seconds: values.seconds,
      images: values.image,
      arrays: values.input,
      profile: values.profile,
      shapes: values.shape,
      recipe: values.recipe,
      schedule: values.schedule ?? "auto",
      machine: values.machine,
      seed: values.seed,
    });
    return { json: { ...result }, text: (p) => profileText(result, values.sort === "time", values.top, p) };
  },
});

const percent = (share: number | null): string => (share === null ? "" : `${(100 * share).toFixed(1)}%`);

function profileText(r: ProfileResult, byTime: boolean, top: number, p: Paint): string {
  const head = fields(p, [
    ["model", `${r.model}, ${r.target}, one thread`],
    ["fed", `${r.feeds}, ${r.profile}`],
    ["time", `${r.ms.toFixed(3)} ms in ${r.calls.length} kernels, a whole run ${r.runMs.toFixed(3)} ms; the least of ${r.runs} runs`],
    [
      "speed",
      `${countText(r.macs)} MACs, ${r.gflops.toFixed(1)} GFLOP/s: ${percent(r.shareOfPeak)} of ${r.peakGflops.toFixed(1)}, the fp32 peak of a core`,
    ],
  ]);
  const numbered = r.calls.map((call, i) => ({ call, i }));
  const ordered = byTime ? numbered.sort((a, b) => b.call.ms - a.call.ms) : numbered;
  const rows = ordered.slice(0, top === 0 ? undefined : top).map(({ call, i }) => callRow(call, i));
  const columns = ["#", "ms", "share", "GFLOP/s", "of peak", "bytes", "GB/s", "schedule", "in", "result", "ops", "nodes"];
  return `${head}\n\n${table(p, columns, rows)}\n\n${schedulesText(r, p)}`;
}

function callRow(c: ProfiledCall, i: number): readonly string[] {
  const more = c.nodes.length > 2 ? ` and ${c.nodes.length - 2} more` : "";
  return [
    String(i),
    c.ms.toFixed(4),
    percent(c.share),
    c.gflops === null ? "" : c.gflops.toFixed(1),
    percent(c.shareOfPeak),
    bytesText(c.bytes),
    c.gigabytesPerSecond.toFixed(1),
    c.schedules.join(" "),
    c.precision,
    c.output,
    c.ops.join(" "),
    `${c.nodes.slice(0, 2).join(", ")}${more}`,
  ];
}

/** What each schedule takes of the whole. */
function schedulesText({ calls, ms, peakGflops }: ProfileResult, p: Paint): string {
  const sums = new Map<string, { calls: number; ms: number; macs: number }>();
  for (const c of calls) {
    const name = c.schedules.join(" ");
    const sum = sums.get(name) ?? { calls: 0, ms: 0, macs: 0 };
    sums.set(name, { calls: sum.calls + 1, ms: sum.ms + c.ms, macs: sum.macs + c.macs });
  }
  const rows = [...sums]
    .sort(([, a], [, b]) => b.ms - a.ms)
    .map(([name, s]) => {
      const gflops = (2 * s.macs) / s.ms / 1e6;
      const speed = s.macs === 0 ? ["", ""] : [gflops.toFixed(1), percent(gflops / peakGflops)];
      return [name, String(s.calls), s.ms.toFixed(3), percent(s.ms / ms), ...speed];
    });
  return table(p, ["schedule", "kernels", "ms", "share", "GFLOP/s", "of peak"], rows);
}
