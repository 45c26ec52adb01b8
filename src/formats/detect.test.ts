import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { detectFormat } from "./detect.ts";
import { onnxGraph, onnxModel, onnxNode, writeOnnx } from "./onnx/write.ts";

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

test.each([
  ["onnx", writeOnnx(onnxModel({ graph: onnxGraph({ node: [onnxNode("Relu", ["x"], ["y"])] }) }))],
  ["tflite", ascii("\x20\0\0\0TFL3...")],
  ["torch", ascii("PK\x03\x04........archive/data.pkl")],
  ["zip", ascii("PK\x03\x04........readme.txt")],
  ["caffe", ascii('name: "LeNet"\nlayer {\n')],
  ["caffe", Uint8Array.of(0x0a, 1, 0x61, 0xa2, 6, 2, 0x0a, 0)],
  ["tensorflow", Uint8Array.of(0x0a, 4, 0x0a, 2, 0x61, 0x62)],
  ["tensorflow", ascii('node {\n  name: "x"')],
  ["mxnet", ascii('{\n  "nodes": [')],
  ["ncnn", ascii("7767517\n10 10\n")],
  ["openvino", ascii('<?xml version="1.0"?>\n<net name="x" version="11">')],
  [undefined, ascii("Copyright 2024, all rights reserved")],
  [undefined, new Uint8Array()],
])("%s is told from its content", (format, bytes) => expect(detectFormat(bytes)).toBe(format));

const shared = join(import.meta.dirname, "../../../shared/models");
const CASES = [
  ["yunet/yunet_n_dynamic.onnx", "onnx"],
  ["samplenet/samplenet.onnx", "onnx"],
  ["facemesh-int8/face_landmark.tflite", "tflite"],
  ["samplenet/samplenet.pb", "tensorflow"],
  ["samplenet/samplenet_tf2/saved_model.pb", "tensorflow"],
  ["samplenet/SampLeNet.caffemodel", "caffe"],
  ["mtcnn/det1.caffemodel", "caffe"],
  ["samplenet/samplenet-0000.params", "mxnet"],
  ["samplenet/samplenet.pth", "torch"],
  ["silero-vad/silero_vad_16k.safetensors", "safetensors"],
  ["ultra-light/RFB-320.param", "ncnn"],
  ["coral/parrot.jpg", undefined],
] as const;

test.skipIf(!existsSync(shared)).each(CASES)("%s is %s (needs ../shared/models)", (name, format) => {
  expect(detectFormat(readFileSync(join(shared, name)))).toBe(format);
});
