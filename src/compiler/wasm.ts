/** From a graph to WebAssembly: the part of an engine that needs no compiler and runs anywhere. */
import type { Hash } from "../engine/format.ts";
import type { Graph } from "../ir/graph.ts";
import { printWasmEngine } from "../targets/wasm/engine.ts";
import { WASM_MACHINES, type WasmMachine } from "../targets/wasm/machines.ts";
import { compileGraph, type GraphOptions } from "./compile.ts";
import type { TargetPart } from "./pack.ts";

export interface WasmPart extends TargetPart {
  readonly machine: WasmMachine;
  /** The module in the text format. */
  readonly text: () => string;
}

export interface WasmOptions extends Omit<GraphOptions, "machine" | "machineName"> {
  readonly timings?: boolean;
}

/** The code of every machine in {@link WASM_MACHINES}, best first. Throws what compiling throws. */
export function compileWasm(graph: Graph, options: WasmOptions, hash?: Hash): readonly [WasmPart, ...WasmPart[]] {
  const [first, ...rest] = WASM_MACHINES;
  // The machines differ in single instructions, not in what schedules ask.
  const compiled = compileGraph(graph, { ...options, machineName: "wasm", machine: first, threads: options.timings !== true }, hash);
  const threadBytes = Math.max(0, ...compiled.programs.map((p) => p.scratchBytes));
  options.onEvent?.({ kind: "stage", stage: "compile", detail: "WebAssembly" });
  const part = (machine: WasmMachine): WasmPart => {
    const printed = printWasmEngine(compiled.programs, {
      relaxed: machine.relaxed,
      ...(options.timings === true ? { timings: graph.outputs.length } : {}),
    });
    const section = `wasm:${machine.name}`;
    const scratch = {
      ...(printed.scratchBytes === 0 ? {} : { scratchBytes: printed.scratchBytes }),
      ...(threadBytes === 0 ? {} : { threadBytes }),
    };
    return {
      machine,
      compiled,
      names: printed.names,
      target: { section, kind: "wasm", platform: "", features: machine.features, ...scratch },
      sections: [{ name: section, bytes: printed.bytes }],
      text: printed.text,
    };
  };
  return [part(first), ...rest.map(part)];
}
