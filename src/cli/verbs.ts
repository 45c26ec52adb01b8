import type { Verb } from "./verb.ts";

interface Entry {
  readonly summary: string;
  readonly load: () => Promise<Verb>;
}

/** The verbs, in the order of help; the file of one is read when it is asked for. */
export const VERBS: Readonly<Record<string, Entry>> = {
  inspect: {
    summary: "say what a model or an engine is, and what hone cannot do with it",
    load: async () => (await import("./verbs/inspect.ts")).inspect,
  },
  convert: { summary: "write an ONNX model anew, simpler", load: async () => (await import("./verbs/convert.ts")).convert },
  build: { summary: "compile a model into an engine for this machine", load: async () => (await import("./verbs/build.ts")).build },
  calibrate: {
    summary: "choose the ranges that int8 needs, from photos",
    load: async () => (await import("./verbs/calibrate.ts")).calibrate,
  },
  sensitivity: {
    summary: "say what int8 costs each layer",
    load: async () => (await import("./verbs/sensitivity.ts")).sensitivity,
  },
  run: { summary: "run an engine on tensors or an image", load: async () => (await import("./verbs/run.ts")).run },
  compare: {
    summary: "hold a model's outputs against another implementation's",
    load: async () => (await import("./verbs/compare.ts")).compare,
  },
  bench: { summary: "time an engine, alone or against ONNX Runtime", load: async () => (await import("./verbs/bench.ts")).bench },
  profile: {
    summary: "say where the time of a model goes, kernel by kernel",
    load: async () => (await import("./verbs/profile.ts")).profile,
  },
  reduce: {
    summary: "find the smallest part of a model on which two ways to compute it disagree",
    load: async () => (await import("./verbs/reduce.ts")).reduce,
  },
  eval: { summary: "score detections against ground truth", load: async () => (await import("./verbs/eval.ts")).evaluate },
  report: {
    summary: "hold engines of one model against each other on one page",
    load: async () => (await import("./verbs/report.ts")).report,
  },
  face: { summary: "find faces in a photo and draw them", load: async () => (await import("./verbs/face.ts")).face },
  demo: { summary: "build a real face detector and run it on real photos", load: async () => (await import("./verbs/demo.ts")).demo },
  targets: { summary: "list the machines that engines can be built for", load: async () => (await import("./verbs/targets.ts")).targets },
  doctor: { summary: "check what this machine has and lacks for hone", load: async () => (await import("./verbs/doctor.ts")).doctor },
};
