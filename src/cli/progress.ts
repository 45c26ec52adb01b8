/** The events of a job as one line with a bar on a terminal; nowhere else anything. */
import type { SingleBar } from "cli-progress";
import type { WorkflowEvent } from "../workflow/events.ts";

export interface Progress {
  readonly onEvent: (event: WorkflowEvent) => void;
  readonly stop: () => void;
}

const SILENT: Progress = { onEvent: () => undefined, stop: () => undefined };

const STAGES = {
  import: "reading the model",
  optimise: "optimising the graph",
  lower: "making kernels",
  compile: "compiling",
  link: "linking",
  write: "packing the engine",
} as const;

/** A bar on `stream` when it is a terminal. */
export async function openProgress(stream: NodeJS.WritableStream & { readonly isTTY?: boolean }): Promise<Progress> {
  if (stream.isTTY !== true) return SILENT;
  const { SingleBar, Presets } = (await import("cli-progress")).default;
  const format = "{task} {bar} {value}/{total}";
  const bar = new SingleBar(
    { format, stream, clearOnComplete: true, hideCursor: true, barsize: 24, stopOnComplete: false, gracefulExit: false },
    Presets.shades_classic,
  );
  return show(bar);
}

function show(bar: SingleBar): Progress {
  bar.start(1, 0, { task: "starting" });
  let kernels = 0;
  const onEvent = (event: WorkflowEvent): void => {
    switch (event.kind) {
      case "stage":
        kernels = 0;
        bar.setTotal(1);
        bar.update(0, { task: STAGES[event.stage] });
        break;
      case "step":
        bar.update({ task: event.text });
        break;
      case "progress":
        bar.setTotal(event.total);
        bar.update(event.done);
        break;
      case "kernel":
        bar.setTotal(++kernels);
        bar.update(kernels);
        break;
      case "pass":
      case "target":
        break;
    }
  };
  return { onEvent, stop: () => bar.stop() };
}
