/** Two ways in which a run's arrays come to the worker, and back. */
import type { TypedArray } from "../../tensor/dtype.ts";
import { must } from "../../util/errors.ts";
import type { SharedPlace } from "../core/wasm/engine.ts";
import type { WorkerLine } from "./line.ts";
import { buffersOf, NOTHING, type Answer } from "./protocol.ts";

export interface Exchange {
  /** Reads the inputs and writes the outputs until it settles. */
  run(inputs: readonly TypedArray[], outputs: readonly TypedArray[]): Promise<void>;
}

/** In copies that are moved to the worker and back: one run at a time. */
export class MovedArrays implements Exchange {
  readonly #line: WorkerLine;
  readonly #profile: number;
  #last: Answer = NOTHING;

  constructor(line: WorkerLine, profile: number) {
    this.#line = line;
    this.#profile = profile;
  }

  async run(inputs: readonly TypedArray[], outputs: readonly TypedArray[]): Promise<void> {
    const last = this.#last;
    this.#last = NOTHING;
    const copies = inputs.map((data, i) => copyOf(data, last.inputs[i]));
    const question = { kind: "run", profile: this.#profile, inputs: copies, outputs: last.outputs } as const;
    const answer = await this.#line.ask(question, buffersOf(question));
    outputs.forEach((output, i) => {
      bytesOf(output).set(bytesOf(must(answer.outputs[i], "an output")));
    });
    this.#last = answer;
  }
}

/** In memory that page and worker share. There is one place for all runs of a profile: they take turns. */
export class SharedArrays implements Exchange {
  readonly #line: WorkerLine;
  readonly #profile: number;
  #place: SharedPlace | undefined;
  #before: Promise<void> = Promise.resolve();

  constructor(line: WorkerLine, profile: number) {
    this.#line = line;
    this.#profile = profile;
  }

  run(inputs: readonly TypedArray[], outputs: readonly TypedArray[]): Promise<void> {
    const run = this.#before.then(() => this.#run(inputs, outputs));
    this.#before = run.catch(() => undefined);
    return run;
  }

  async #run(inputs: readonly TypedArray[], outputs: readonly TypedArray[]): Promise<void> {
    const profile = this.#profile;
    this.#place ??= must((await this.#line.ask({ kind: "place", profile })).place, "a place");
    const { buffer, inputs: from, outputs: to } = this.#place;
    inputs.forEach((data, i) => {
      new Uint8Array(buffer, from[i], data.byteLength).set(bytesOf(data));
    });
    await this.#line.ask({ kind: "runInPlace", profile });
    outputs.forEach((output, i) => {
      bytesOf(output).set(new Uint8Array(buffer, to[i], output.byteLength));
    });
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

/** In the memory of `spare` where that fits, as it does from the second run on: new memory for a large image takes longer than its copy. */
function copyOf(data: TypedArray, spare: Uint8Array<ArrayBuffer> | undefined): Uint8Array<ArrayBuffer> {
  const copy = spare?.byteLength === data.byteLength ? spare : new Uint8Array(data.byteLength);
  copy.set(bytesOf(data));
  return copy;
}
