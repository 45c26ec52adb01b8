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
  /** Processor time of a run, where it is known. */
  readonly cpuMs?: { readonly hone: number; readonly peer: number };
  readonly relativeError: number;
}

export const ratioOf = ({ honeMs, peerMs }: WebSide): number => peerMs / honeMs;
export const scalingOf = ({ honeMs, twoMs }: WebSide): number => honeMs / twoMs;
export const cpuRatioOf = ({ cpuMs }: WebSide): number | undefined => cpuMs && cpuMs.peer / cpuMs.hone;

/** Two measurements of one side: of times the least, of errors the greatest. */
export function merged(a: WebSide, b: WebSide): WebSide {
  const [x, y] = [a.cpuMs, b.cpuMs];
  return {
    where: a.where,
    target: a.target,
    honeMs: Math.min(a.honeMs, b.honeMs),
    twoMs: Math.min(a.twoMs, b.twoMs),
    peerMs: Math.min(a.peerMs, b.peerMs),
    ...(a.plainMs === undefined || b.plainMs === undefined ? {} : { plainMs: Math.min(a.plainMs, b.plainMs) }),
    ...(x && y ? { cpuMs: { hone: Math.min(x.hone, y.hone), peer: Math.min(x.peer, y.peer) } } : {}),
    relativeError: Math.max(a.relativeError, b.relativeError),
  };
}

export interface WebRow {
  readonly name: string;
  readonly sides: readonly WebSide[];
  /** Of the engine's code, compressed. */
  readonly codeBytes: number;
  readonly buildSeconds: number;
  /** The greatest, one for each round. */
  readonly load: number;
}

const FLOOR = 1.5;
const INT8_FLOOR = 2;

function row(name: string, s: WebSide): string {
  const floor = name.endsWith("int8") ? INT8_FLOOR : FLOOR;
  const ratio = ratioOf(s) >= floor ? `**${ratioOf(s).toFixed(2)}**` : ratioOf(s).toFixed(2);
  const cells = [
    name,
    s.where,
    s.target,
    s.honeMs.toFixed(1),
    s.plainMs?.toFixed(1) ?? "–",
    s.peerMs.toFixed(1),
    ratio,
    cpuRatioOf(s)?.toFixed(2) ?? "–",
    s.relativeError.toExponential(0),
  ];
  return `| ${cells.join(" | ")} |`;
}

const SCALING_FLOOR = 1.7;

function scalingRow(name: string, s: WebSide): string {
  const scaling = scalingOf(s);
  const shown = scaling >= SCALING_FLOOR ? `**${scaling.toFixed(2)}**` : scaling.toFixed(2);
  return `| ${[name, s.where, s.honeMs.toFixed(1), s.twoMs.toFixed(1), shown].join(" | ")} |`;
}

const kilobytes = (n: number): string => (n / 1000).toFixed(0);

export function webPage(
  rows: readonly WebRow[],
  { cpu, cores, runtime, rounds }: { cpu: string; cores: number; runtime: number; rounds: number },
): string {
  const sizes = rows.map(
    (r) =>
      `| ${r.name} | ${kilobytes(r.codeBytes)} | ${kilobytes(r.codeBytes + runtime)} | ${r.buildSeconds.toFixed(1)} | ${r.load.toFixed(1)} |`,
  );
  return `# Performance of WebAssembly

Written by \`npm run bench:web -- --write\`; edit scripts/bench/web-performance.ts.

hone, fp32 and int8, against onnxruntime-web's WebAssembly in fp32, one thread, batch 1, on ${cpu.trim()} (${cores} virtual cores). The floor is ${FLOOR}×, of int8 ${INT8_FLOOR}×.

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

- The sides take turns in one process, two runs each, after a warm-up of both in which V8 optimises their code; ms are the least of all runs, the ratio is of these. All models are measured ${rounds} times, one after the other and then again, so that work of others that lasts for a while does not spoil one of them.
- In Node, hone runs by \`runSync\` and onnxruntime-web on the same thread. In Chromium, hone runs in its worker, the way there and back included, and onnxruntime-web on the page's own thread, where there is no such way.
- "Without relaxed SIMD" is the same engine with plain vector instructions only; Node 20 has no others.
- "Differs" is the worst ‖a−b‖/‖b‖ of any output. retinaface is the file of shared/models, the others are written by \`npm run models\` with random weights.
- int8 engines have ranges from one photo, on which their speed does not depend; layers that int8 would slow down in WebAssembly are float32 in them ([why](adr/0013-int8-where-it-is-faster.md)). "Differs" is then what rounding to 8 bits does to outputs for noise, which is no measure of accuracy.
- Two threads need two cores: while other work has one of them, they take as long as one thread, or longer. The load average of each row is that of the minute before it, the greatest of its rounds.
- "By CPU" is the same ratio of CPU times, which other work on the machine does not touch; a browser does not tell it.
`;
}
