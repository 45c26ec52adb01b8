/** How the columns of a convolution's result are cut into register tiles. */
import { indexVar, int } from "../loop/expr.ts";
import { forLoop } from "../loop/stmt.ts";
import type { Expr, Stmt } from "../loop/types.ts";

/** Equal tiles side by side; `edge` when some of their taps fall outside the input. */
export interface TileRun {
  readonly from: number;
  readonly width: number;
  readonly count: number;
  readonly edge: boolean;
}

interface Columns {
  readonly output: number;
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
}

/** The input column under output column `o` and kernel column `k`. */
export const inputColumn = (c: Pick<Columns, "stride" | "dilation" | "pad">, o: number, k: number): number =>
  o * c.stride + k * c.dilation - c.pad;

/** Cuts the columns into tiles of nearly equal width, at most `most`, and joins equal neighbours that stay inside into runs. */
export function tileColumns(c: Columns, most: number): readonly TileRun[] {
  const tiles = Math.ceil(c.output / most);
  const width = Math.floor(c.output / tiles);
  const wider = c.output - width * tiles;
  const runs: TileRun[] = [];
  let from = 0;
  for (let t = 0; t < tiles; t++) {
    const w = width + (t < wider ? 1 : 0);
    const edge = inputColumn(c, from, 0) < 0 || inputColumn(c, from + w - 1, c.kernel - 1) >= c.input;
    const last = runs.at(-1);
    if (last && !edge && !last.edge && last.width === w) runs[runs.length - 1] = { ...last, count: last.count + 1 };
    else runs.push({ from, width: w, count: 1, edge });
    from += w;
  }
  return runs;
}

/** The same where no tap falls outside, such as of columns that lie padded, or of what is no convolution. */
export const tileWhole = (total: number, most: number): readonly TileRun[] =>
  tileColumns({ output: total, input: total, kernel: 1, stride: 1, dilation: 1, pad: 0 }, most);

/** Loops over the tiles of each run; `tile` gets where a tile begins, and a prefix for names. */
export function eachRun(
  runs: readonly TileRun[],
  prefix: string,
  tile: (from: Expr, run: TileRun, prefix: string) => readonly Stmt[],
): readonly Stmt[] {
  return runs.flatMap((run, i): readonly Stmt[] => {
    const name = `${prefix}${i}`;
    if (run.count === 1) return tile(int(run.from), run, name);
    const at = indexVar(`${name}at`);
    return [forLoop(at, run.from + run.count * run.width, tile(at, run, name), { from: int(run.from), step: run.width })];
  });
}
