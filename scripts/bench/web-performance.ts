/** docs/web-performance.md out of a run of `npm run bench:web`. */

export interface WebSide {
  readonly where: string;
  readonly target: string;
  readonly honeMs: number;
  /** Without relaxed vector instructions, where they are known. */
  readonly plainMs?: number;
  /** With two threads that share each run. */
  readonly twoMs: number;
  readonly peerMs: number;
  readonly ratio: number;
  readonly cpuRatio?: number;
  readonly relativeError: number;
}

export interface WebRow {
  readonly name: string;
  readonly sides: readonly WebSide[];
  /** Of the engine's code, compressed. */
  readonly codeBytes: number;
  readonly buildSeconds: number;
  readonly load: number;
}

const FLOOR = 1.5;

function row(name: string, s: WebSide): string {
  const ratio = s.ratio >= FLOOR ? `**${s.ratio.toFixed(2)}**` : s.ratio.toFixed(2);
  const cells = [
    name,
    s.where,
    s.target,
    s.honeMs.toFixed(1),
    s.plainMs?.toFixed(1) ?? "–",
    s.peerMs.toFixed(1),
    ratio,
    s.cpuRatio?.toFixed(2) ?? "–",
    s.relativeError.toExponential(0),
  ];
  return `| ${cells.join(" | ")} |`;
}

const SCALING_FLOOR = 1.7;

function scalingRow(name: string, s: WebSide): string {
  const scaling = s.honeMs / s.twoMs;
  const shown = scaling >= SCALING_FLOOR ? `**${scaling.toFixed(2)}**` : scaling.toFixed(2);
  return `| ${[name, s.where, s.honeMs.toFixed(1), s.twoMs.toFixed(1), shown].join(" | ")} |`;
}

const kilobytes = (n: number): string => (n / 1000).toFixed(0);

export function webPage(rows: readonly WebRow[], { cpu, cores, runtime }: { cpu: string; cores: number; runtime: number }): string {
  const sizes = rows.map(
    (r) =>
      `| ${r.name} | ${kilobytes(r.codeBytes)} | ${kilobytes(r.codeBytes + runtime)} | ${r.buildSeconds.toFixed(1)} | ${r.load.toFixed(1)} |`,
  );
  return `# Performance of WebAssembly

Written by \`npm run bench:web -- --write\`; edit scripts/bench/web-performance.ts.

hone against onnxruntime-web's WebAssembly, fp32, one thread, batch 1, on ${cpu.trim()} (${cores} virtual cores). The floor is ${FLOOR}×.

| model | where | code | hone ms | without relaxed SIMD | onnxruntime-web ms | ratio | by CPU | differs |
|---|---|---|--:|--:|--:|--:|--:|--:|
${rows.flatMap((r) => r.sides.map((s) => row(r.name, s))).join("\n")}

Two threads that share a run, against one; the floor is ${SCALING_FLOOR}×. In Chromium the page is cross-origin isolated.

| model | where | one thread, ms | two, ms | ratio |
|---|---|--:|--:|--:|
${rows.flatMap((r) => r.sides.map((s) => scalingRow(r.name, s))).join("\n")}

| model | code, kB of gzip | with the runtime for pages | built in, s | load average |
|---|--:|--:|--:|--:|
${sizes.join("\n")}

The runtime for pages, worker included, is ${(runtime / 1000).toFixed(1)} kB of gzip; onnxruntime-web 1.30 loads 3.7 MB.

## How it is measured

- The sides take turns in one process, two runs each, after a warm-up of both in which V8 optimises their code; ms are the least of all runs, the ratio is of these.
- In Node, hone runs by \`runSync\` and onnxruntime-web on the same thread. In Chromium, hone runs in its worker, the way there and back included, and onnxruntime-web on the page's own thread, where there is no such way.
- "Without relaxed SIMD" is the same engine with plain vector instructions only; Node 20 has no others.
- "Differs" is the worst ‖a−b‖/‖b‖ of any output. retinaface is the file of shared/models, the others are written by \`npm run models\` with random weights.
- Two threads need two cores: while other work has one of them, they take as long as one thread, or longer. The load average of each row is that of the minute before it.
- "By CPU" is the same ratio of CPU times, which other work on the machine does not touch; a browser does not tell it.
`;
}
