/** Programs written for onnxruntime-web: its tensors are taken as they are, and what comes back reads as they do. */
import * as ort from "onnxruntime-web/wasm";
import { expect, expectTypeOf, test } from "vitest";
import { Session } from "../../src/runtime/node/session.ts";
import { convEngine, numbers } from "../../src/runtime/testing/wasm.ts";
import { must } from "../../src/util/errors.ts";
import type { FeedTensor, Session as WebSession, Tensor } from "../../src/web.ts";

/** What a program reads of a result. */
type Read = "type" | "dims" | "data";
/** ONNX Runtime's JavaScript API has no bfloat16, and hone no strings and nothing smaller than a byte. */
type Common = Exclude<Tensor["type"], "bfloat16">;

test("types: either's tensors can be handed to the other", () => {
  expectTypeOf<ort.Tensor>().toExtend<FeedTensor>();
  expectTypeOf<Tensor & { readonly type: Common }>().toExtend<Pick<ort.Tensor, Read>>();
  expectTypeOf<Exclude<ort.Tensor.Type, "string" | "int4" | "uint4">>().toEqualTypeOf<Common>();
  expectTypeOf<ort.TypedTensor<"float32">["data"]>().toExtend<Tensor["data"]>();
  expectTypeOf<Tensor["data"]>().toExtend<ort.Tensor["data"]>();
  expectTypeOf<WebSession>().toExtend<Pick<ort.InferenceSession, "inputNames" | "outputNames" | "release">>();
  expectTypeOf<ort.InferenceSession.FeedsType>().toExtend<Parameters<WebSession["run"]>[0]>();
});

test("a program for onnxruntime-web runs on hone, and its results go back", async () => {
  const session = await Session.open(convEngine());
  const theirs = new ort.Tensor("float32", numbers(192, 7), [1, 3, 8, 8]);
  const results = await session.run({ x: theirs });
  const { type, dims, data } = must(results["y"], "y");
  expect(results).toEqual(session.runSync({ x: { type: theirs.type, dims: theirs.dims, data: theirs.data } }));
  expect(type).toBe("float32");
  if (type !== "float32" || !(data instanceof Float32Array)) return;
  const back = new ort.Tensor(type, data, dims);
  expect([back.type, back.dims, back.size]).toEqual(["float32", [1, 8, 8, 8], 512]);
  // Without a copy.
  expect(back.data).toBe(data);
  await session.release();
  await expect(session.run({ x: theirs })).rejects.toMatchObject({ code: "engine.closed" });
});
