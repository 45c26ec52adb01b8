/** The networks that benches run, layer by layer as their papers and torchvision have them; ImageNet's 1,000 classes, 224 × 224. */
import type { OnnxModel } from "../../src/formats/onnx/ast.ts";
import type { Activation } from "./moments.ts";
import { Net, type Feature } from "./net.ts";

export interface Built {
  readonly model: OnnxModel;
  readonly macs: number;
  readonly parameters: number;
}

const CLASSES = 1000;
const SIZE = 224;

function built(net: Net, output: Feature, flat = true): Built {
  return { model: net.finish(output, flat), macs: net.macs, parameters: net.parameters };
}

/** What a residual branch brings, so that a stage of six blocks stays below a variance of 10. */
const BRANCH = 0.6;

function basicBlock(net: Net, x: Feature, channels: number, stride: number): Feature {
  const a = net.convBnAct(x, channels, { kernel: 3, stride, pad: 1 });
  const b = net.convBnAct(a, channels, { kernel: 3, pad: 1 }, "identity", BRANCH);
  const short = stride === 1 && x.channels === channels ? x : net.convBnAct(x, channels, { kernel: 1, stride }, "identity");
  return net.activation(net.add(b, short), "relu");
}

/** v1.5: the stride is on the 3×3 convolution. */
function bottleneck(net: Net, x: Feature, channels: number, stride: number): Feature {
  const a = net.convBnAct(x, channels / 4, { kernel: 1 });
  const b = net.convBnAct(a, channels / 4, { kernel: 3, stride, pad: 1 });
  const c = net.convBnAct(b, channels, { kernel: 1 }, "identity", BRANCH);
  const short = stride === 1 && x.channels === channels ? x : net.convBnAct(x, channels, { kernel: 1, stride }, "identity");
  return net.activation(net.add(c, short), "relu");
}

/** He, Zhang, Ren, Sun, 2015. */
function resnet(name: string, block: typeof basicBlock, widths: readonly number[], depths: readonly number[]): Built {
  const net = new Net(name, 1);
  const stem = net.convBnAct(net.input(SIZE), 64, { kernel: 7, stride: 2, pad: 3 });
  let x = net.maxPool(stem, { kernel: 3, stride: 2, pad: 1 });
  widths.forEach((channels, stage) => {
    for (let i = 0; i < (depths[stage] ?? 0); i++) x = block(net, x, channels, i === 0 && stage > 0 ? 2 : 1);
  });
  return built(net, net.gemm(net.flatten(net.globalAveragePool(x)), CLASSES));
}

/** Simonyan and Zisserman, 2014; configuration D. */
function vgg16(): Built {
  const net = new Net("vgg16", 1);
  let x = net.input(SIZE);
  for (const [channels, count] of [
    [64, 2],
    [128, 2],
    [256, 3],
    [512, 3],
    [512, 3],
  ] as const) {
    for (let i = 0; i < count; i++) x = net.activation(net.conv(x, channels, { kernel: 3, pad: 1, bias: true }), "relu");
    x = net.maxPool(x, { kernel: 2, stride: 2 });
  }
  x = net.flatten(x);
  for (const channels of [4096, 4096]) x = net.activation(net.gemm(x, channels), "relu");
  return built(net, net.gemm(x, CLASSES));
}

interface Inverted {
  readonly kernel: number;
  readonly expanded: number;
  readonly channels: number;
  readonly stride: number;
  readonly activation: Activation;
  /** Channels of the squeeze, when there is squeeze and excitation. */
  readonly squeeze?: number;
}

function invertedResidual(net: Net, x: Feature, { kernel, expanded, channels, stride, activation, squeeze }: Inverted): Feature {
  const wide = expanded === x.channels ? x : net.convBnAct(x, expanded, { kernel: 1 }, activation);
  const options = { kernel, stride, pad: (kernel - 1) / 2, group: expanded };
  // hardSwish grows faster than its input: a little less keeps fifteen blocks from running away.
  let y = net.convBnAct(wide, expanded, options, activation, 1, activation === "hardSwish" ? 0.91 : 1);
  if (squeeze !== undefined) {
    const s = net.activation(net.conv(net.globalAveragePool(y), squeeze, { kernel: 1, bias: true }), "relu");
    y = net.scale(y, net.activation(net.conv(s, expanded, { kernel: 1, bias: true }), "hardSigmoid"));
  }
  const residual = stride === 1 && x.channels === channels;
  const out = net.convBnAct(y, channels, { kernel: 1 }, "identity", residual ? BRANCH : 1);
  return residual ? net.add(x, out) : out;
}

/** Sandler and others, 2018; width 1. */
function mobilenetV2(): Built {
  const net = new Net("mobilenet-v2", 1);
  let x = net.convBnAct(net.input(SIZE), 32, { kernel: 3, stride: 2, pad: 1 }, "relu6");
  for (const [expand, channels, count, first] of [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
  ] as const) {
    for (let i = 0; i < count; i++) {
      const shape = { kernel: 3, expanded: x.channels * expand, channels, stride: i === 0 ? first : 1 };
      x = invertedResidual(net, x, { ...shape, activation: "relu6" });
    }
  }
  x = net.globalAveragePool(net.convBnAct(x, 1280, { kernel: 1 }, "relu6"));
  return built(net, net.gemm(net.flatten(x), CLASSES));
}

/** Howard and others, 2019, table 1. Columns: kernel, expanded, channels, squeeze and excitation, activation, stride. */
const V3_LARGE = [
  [3, 16, 16, false, "relu", 1],
  [3, 64, 24, false, "relu", 2],
  [3, 72, 24, false, "relu", 1],
  [5, 72, 40, true, "relu", 2],
  [5, 120, 40, true, "relu", 1],
  [5, 120, 40, true, "relu", 1],
  [3, 240, 80, false, "hardSwish", 2],
  [3, 200, 80, false, "hardSwish", 1],
  [3, 184, 80, false, "hardSwish", 1],
  [3, 184, 80, false, "hardSwish", 1],
  [3, 480, 112, true, "hardSwish", 1],
  [3, 672, 112, true, "hardSwish", 1],
  [5, 672, 160, true, "hardSwish", 2],
  [5, 960, 160, true, "hardSwish", 1],
  [5, 960, 160, true, "hardSwish", 1],
] as const;

/** A multiple of 8 that is not more than a tenth below. */
function roundTo8(channels: number): number {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

function mobilenetV3Large(): Built {
  const net = new Net("mobilenet-v3-large", 1);
  let x = net.convBnAct(net.input(SIZE), 16, { kernel: 3, stride: 2, pad: 1 }, "hardSwish");
  for (const [kernel, expanded, channels, squeezed, activation, stride] of V3_LARGE) {
    const squeeze = squeezed ? { squeeze: roundTo8(expanded / 4) } : {};
    x = invertedResidual(net, x, { kernel, expanded, channels, stride, activation, ...squeeze });
  }
  x = net.flatten(net.globalAveragePool(net.convBnAct(x, 960, { kernel: 1 }, "hardSwish")));
  return built(net, net.gemm(net.activation(net.gemm(x, 1280), "hardSwish"), CLASSES));
}

/** Iandola and others, 2016; version 1.1. */
function squeezenet(): Built {
  const net = new Net("squeezenet-1.1", 1);
  const layer = (x: Feature, channels: number, kernel: number, pad = 0, stride = 1): Feature =>
    net.activation(net.conv(x, channels, { kernel, pad, stride, bias: true, gain: 1.06 }), "relu");
  const fire = (x: Feature, squeeze: number, expand: number): Feature => {
    const s = layer(x, squeeze, 1);
    return net.concat([layer(s, expand, 1), layer(s, expand, 3, 1)]);
  };
  const pool = (x: Feature): Feature => net.maxPool(x, { kernel: 3, stride: 2, ceil: true });
  let x = pool(layer(net.input(SIZE), 64, 3, 0, 2));
  x = pool(fire(fire(x, 16, 64), 16, 64));
  x = pool(fire(fire(x, 32, 128), 32, 128));
  x = fire(fire(fire(fire(x, 48, 192), 48, 192), 64, 256), 64, 256);
  return built(net, net.flatten(net.globalAveragePool(layer(x, CLASSES, 1))));
}

/** By the name of the file that they are written to. */
export const ARCHITECTURES: Readonly<Record<string, () => Built>> = {
  "resnet50-v1.5": () => resnet("resnet50-v1.5", bottleneck, [256, 512, 1024, 2048], [3, 4, 6, 3]),
  resnet18: () => resnet("resnet18", basicBlock, [64, 128, 256, 512], [2, 2, 2, 2]),
  vgg16,
  "mobilenet-v2": mobilenetV2,
  "mobilenet-v3-large": mobilenetV3Large,
  "squeezenet-1.1": squeezenet,
};
