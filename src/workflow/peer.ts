/** ONNX Runtime as the other side of a comparison: an optional peer, loaded when it is asked for. */
import type * as runtimeModule from "onnxruntime-node";
import type { InferenceSession, Tensor as PeerTensor } from "onnxruntime-node";
import { isDType } from "../tensor/dtype.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { isStrings, stringTensor, type AnyTensor } from "../text/tensor.ts";
import { HoneError } from "../util/errors.ts";
import type { TensorFeeds } from "./feeds.ts";

export type AnyFeeds = Readonly<Record<string, AnyTensor>>;

export interface Peer {
  readonly name: string;
  run(feeds: TensorFeeds): Promise<Readonly<Record<string, Tensor>>>;
  close(): Promise<void>;
}

/** One that also runs models that read or give strings. */
export interface AnyPeer extends Peer {
  runAny(feeds: AnyFeeds): Promise<AnyFeeds>;
}

type Runtime = typeof runtimeModule;

/** Throws `dependency.missing` with the line that installs it. */
async function loadRuntime(): Promise<Runtime> {
  try {
    return await import("onnxruntime-node");
  } catch (cause) {
    throw new HoneError("dependency.missing", "comparing with ONNX Runtime needs the package onnxruntime-node", {
      hint: "ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node",
      cause,
    });
  }
}

/** A session of ONNX Runtime, on one thread unless told otherwise. `path` and not bytes, so that it finds data files beside the model. */
export async function openOnnxRuntime(path: string, threads: number = 1): Promise<AnyPeer> {
  const runtime = await loadRuntime();
  let session: InferenceSession;
  try {
    session = await runtime.InferenceSession.create(path, { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 });
  } catch (cause) {
    throw new HoneError(
      "model.unsupported",
      `ONNX Runtime does not open the model: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        at: { file: path },
        hint: "Compare with hone's own textbook loops: --against naive.",
        cause,
      },
    );
  }
  const run = (feeds: AnyFeeds): ReturnType<InferenceSession["run"]> => {
    const theirs = (t: AnyTensor): PeerTensor =>
      isStrings(t)
        ? new runtime.Tensor("string", [...t.data], t.dims)
        : new runtime.Tensor(t.type as "float32", t.data as Float32Array, t.dims);
    return session.run(Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, theirs(t)])));
  };
  return {
    name: "onnxruntime",
    run: async (feeds) => Object.fromEntries(Object.entries(await run(feeds)).map(([name, value]) => [name, own(value, name)])),
    runAny: async (feeds) => Object.fromEntries(Object.entries(await run(feeds)).map(([name, value]) => [name, ownAny(value, name)])),
    close: () => session.release(),
  };
}

const ownAny = (value: PeerTensor, name: string): AnyTensor =>
  value.type === "string" ? stringTensor(value.dims, Array.from(value.data as readonly string[])) : own(value, name);

function own({ type, dims, data }: PeerTensor, name: string): Tensor {
  if (isDType(type) && ArrayBuffer.isView(data)) return tensor(type, dims, data);
  throw new HoneError("target.unsupported", `the output ${name} is of the type ${type}, which cannot be compared`);
}
