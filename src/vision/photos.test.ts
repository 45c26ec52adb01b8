import { existsSync, readFileSync } from "node:fs";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { loadImage } from "../data/node/decode.ts";
import { iou } from "../geometry/box.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import { bindRecipe } from "./bind.ts";
import { detectFaces, type Face, type FaceSession } from "./face.ts";

const shared = new URL("../../../shared/", import.meta.url);
const photos = new URL("data/public-domain-faces/", shared);
const MODELS = {
  "models/yunet/yunet_n_640_640.onnx": "yunet",
  "models/retinaface-landmark/retinaface-mobilenet0.25-640.onnx": "retinaface-mobilenet0.25",
};
const FACES = { "nasa-crew-7.jpg": 7, "grace-hopper-1.png": 1 };

interface Label {
  readonly file: string;
  readonly faces: readonly { readonly box_xyxy: readonly number[]; readonly landmarks: readonly (readonly number[])[] }[];
}

/** ONNX Runtime as a session, with nothing of hone's own engine between model and decoder. */
async function open(path: URL): Promise<{ session: FaceSession; recipe: ReturnType<typeof bindRecipe>["recipe"] }> {
  const peer = await InferenceSession.create(path.pathname, { logSeverityLevel: 3 });
  const describeAll = (values: InferenceSession["inputMetadata"]): { name: string; dtype: string; dims: readonly (string | number)[] }[] =>
    values.map((v) => ({ name: v.name, dtype: v.isTensor ? v.type : "", dims: v.isTensor ? v.shape : [] }));
  const inputs = describeAll(peer.inputMetadata);
  const session: FaceSession = {
    inputMetadata: inputs.map(({ name, dims }) => ({ name, shape: dims })),
    async run(feeds) {
      const out: Record<string, Tensor> = {};
      const fed: Record<string, OrtTensor> = {};
      for (const [name, t] of Object.entries(feeds)) fed[name] = new OrtTensor("float32", Float32Array.from(t.data, Number), t.dims);
      for (const [name, value] of Object.entries(await peer.run(fed))) {
        if (value.data instanceof Float32Array) out[name] = tensor("float32", value.dims, value.data);
      }
      return out;
    },
  };
  return { session, recipe: bindRecipe({ inputs, outputs: describeAll(peer.outputMetadata) }).recipe };
}

describe.skipIf(!existsSync(photos))("real models on real photos, run by ONNX Runtime (skipped without ../shared)", () => {
  for (const [path, name] of Object.entries(MODELS)) {
    test(`${name} finds every face, no other, points on the eyes`, async () => {
      const labels = JSON.parse(readFileSync(new URL("pseudo-labels.json", photos), "utf8")) as Label[];
      const { session, recipe } = await open(new URL(path, shared));
      expect(recipe.name).toBe(name);
      for (const [file, count] of Object.entries(FACES)) {
        const found = await detectFaces(session, recipe, await loadImage(new URL(file, photos).pathname));
        expect(found, file).toHaveLength(count);
        for (const face of labels.find((l) => l.file === file)?.faces ?? []) {
          const errors = eyeErrors(found, face);
          expect(errors, `${file}: the face at ${face.box_xyxy.join(",")}`).toHaveLength(2);
          expect(Math.max(...errors), `${file}: eyes`).toBeLessThan(0.1);
        }
      }
    });
  }
});

/** How far the eyes of the face that was found there lie from the labelled ones, in widths of the label; empty when none was found. */
function eyeErrors(found: readonly Face[], { box_xyxy: [x1 = 0, y1 = 0, x2 = 0, y2 = 0], landmarks }: Label["faces"][number]): number[] {
  const label = { x: x1, y: y1, w: x2 - x1, h: y2 - y1 };
  const match = found.find(({ box: [x, y, w, h] }) => iou({ x, y, w, h }, label) > 0.6);
  const eyes = match?.points.slice(0, 2) ?? [];
  return eyes.map(([x, y], eye) => {
    const [lx = NaN, ly = NaN] = landmarks[eye] ?? [];
    return Math.hypot(x - lx, y - ly) / label.w;
  });
}
