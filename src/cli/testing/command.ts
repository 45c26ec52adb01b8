/** The command line in memory, and models small enough to be built in a test. */
import { Writable } from "node:stream";
import { writeFileSync } from "node:fs";
import { onnxGraph, onnxModel, onnxNode, onnxTensor, onnxValueInfo, writeOnnx } from "../../formats/onnx/write.ts";
import { tensor } from "../../tensor/tensor.ts";
import { runCli } from "../cli.ts";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Of stdout. */
  readonly json: () => Readonly<Record<string, unknown>>;
}

interface RunOptions {
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string>>;
  readonly tty?: boolean;
}

class Memory extends Writable {
  readonly isTTY: boolean;
  text = "";

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer | string, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

export async function hone(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const stdout = new Memory(options.tty ?? false);
  const stderr = new Memory(false);
  const code = await runCli(args, { stdout, stderr, signal: options.signal ?? new AbortController().signal, env: options.env ?? {} });
  return { code, stdout: stdout.text, stderr: stderr.text, json: () => JSON.parse(stdout.text) as Record<string, unknown> };
}

/** y = sigmoid(relu(conv(x, 3×3, padded) + bias)): 1×3×h×w to 1×4×h×w. */
export function writeTiny(path: string, size: number | string = 8): void {
  const weights = Float32Array.from({ length: 4 * 3 * 9 }, (_, i) => Math.sin(i * 1.7) * 0.3);
  const height = typeof size === "string" ? `${size}_h` : size;
  const width = typeof size === "string" ? `${size}_w` : size;
  const graph = onnxGraph({
    name: "tiny",
    node: [
      onnxNode("Conv", ["x", "w", "b"], ["c"], { kernel_shape: [3n, 3n], pads: [1n, 1n, 1n, 1n] }, "conv"),
      onnxNode("Relu", ["c"], ["r"], {}, "relu"),
      onnxNode("Sigmoid", ["r"], ["y"], {}, "sigmoid"),
    ],
    initializer: [
      onnxTensor("w", tensor("float32", [4, 3, 3, 3], weights)),
      onnxTensor("b", tensor("float32", [4], Float32Array.of(0.1, -0.2, 0.3, 0))),
    ],
    input: [onnxValueInfo("x", "float32", [1, 3, height, width])],
    output: [onnxValueInfo("y", "float32", [1, 4, height, width])],
  });
  writeFileSync(path, writeOnnx(onnxModel({ graph })));
}

/** A model with two operators that do not exist. */
export function writeUnsupported(path: string): void {
  const graph = onnxGraph({
    node: [onnxNode("Frobnicate", ["x"], ["a"], {}, "first"), onnxNode("Unheard", ["x"], ["y"], {}, "second")],
    input: [onnxValueInfo("x", "float32", [1, 4])],
    output: [onnxValueInfo("y", "float32", [1, 4])],
  });
  writeFileSync(path, writeOnnx(onnxModel({ graph })));
}
