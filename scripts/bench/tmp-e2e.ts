import { readFileSync, writeFileSync } from "node:fs";
import { importModel, requireFormat } from "../../src/formats/index.ts";
import { buildEngine } from "../../src/compiler/node/build.ts";
import { Session } from "../../src/runtime.ts";
const file = process.argv[2]!;
const out = "/tmp/out/x.hone";
const bytes = new Uint8Array(readFileSync(file));
let t = performance.now();
const g = importModel(bytes, { file });
console.log("import", (performance.now() - t).toFixed(0), g.nodes.length);
t = performance.now();
const shapes = process.argv[4] ? [Object.fromEntries([process.argv[4].split("=")].map(([n, d]) => [n, d!.split("x").map(Number)]))] : [];
const b = await buildEngine(g, {
  modelHash: "0".repeat(64),
  format: requireFormat(bytes, file),
  profiles: shapes,
  schedule: (process.argv[3] as any) ?? "auto",
  onEvent: (e) => {
    if (e.kind === "pass" || (e.kind === "kernel" && process.env.V)) console.log(JSON.stringify(e));
  },
});
console.log(
  "build",
  (performance.now() - t).toFixed(0),
  b.fromCache,
  b.compiled.nodes,
  b.compiled.programs.map((p) => [p.arenaBytes, p.arenaLowerBound]),
);
writeFileSync(out, b.engine!);
const s = await Session.open(out);
const feeds: any = {};
b.compiled.programs[0]!.inputs.forEach((d, i) => {
  const n = d.reduce((a, c) => a * c, 1);
  const data = new Float32Array(n);
  let x = 1;
  for (let k = 0; k < n; k++) {
    x = (x * 1103515245 + 12345) & 0x7fffffff;
    data[k] = (x / 0x7fffffff) * 255 - 110;
  }
  feeds[g.inputs[i]!.name] = { type: "float32", dims: d, data };
});
let r = await s.run(feeds);
const ort = (await import("onnxruntime-node")).default ?? (await import("onnxruntime-node"));
if (file.endsWith(".onnx")) {
  const os = await ort.InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const of: any = {};
  for (const [k, v] of Object.entries(feeds) as any) of[k] = new ort.Tensor(v.type, v.data, v.dims);
  const ro = await os.run(of);
  for (const k of Object.keys(r)) {
    const a = r[k]!.data as any,
      c = ro[k]!.data as any;
    let d = 0,
      n = 0;
    for (let i = 0; i < c.length; i++) {
      d += (a[i] - c[i]) ** 2;
      n += c[i] ** 2;
    }
    console.log(k, r[k]!.dims.join("x"), "rel", Math.sqrt(d / n));
  }
  const ours: number[] = [],
    theirs: number[] = [];
  for (let i = 0; i < 15; i++) {
    let t0 = performance.now();
    await s.run(feeds);
    ours.push(performance.now() - t0);
    t0 = performance.now();
    await os.run(of);
    theirs.push(performance.now() - t0);
  }
  console.log("ours", Math.min(...ours).toFixed(2), "ort", Math.min(...theirs).toFixed(2));
}
await s.close();
