/**
 * Rows of a convolution's input made ready for dot products: padding written out, and for the int16 products every byte widened
 * with the zero point taken away. Tiles then need no edges, and padding is a plain zero.
 */
import { add, and, bitcast, broadcast, cast, compare, constant, indexVar, int, load, mul, sub } from "../../loop/expr.ts";
import { forLoop, ifThen, store } from "../../loop/stmt.ts";
import type { Buffer, Expr, Stmt } from "../../loop/types.ts";
import type { Lowering } from "../lowering.ts";
import type { Int8Geometry } from "./geometry.ts";
import type { Int8Match } from "./match.ts";

/** What a tile reads its input from: `group` consecutive channels of one pixel. */
export interface Source {
  readonly buffer: Buffer;
  /** Offset of an input row, as a staged row or as a row of the input itself. */
  readonly row: (kh: Expr) => Expr;
  /** Elements from one run of channels to the next. */
  readonly runStride: number;
}

export const stagedType = (g: Int8Geometry): "int16" | "uint8" => (g.group === 2 ? "int16" : "uint8");
export const stagedRowLength = (g: Int8Geometry): number => g.runs * g.stagedColumns * g.inner;

interface Row {
  readonly l: Lowering;
  readonly g: Int8Geometry;
  readonly match: Int8Match;
  readonly target: Buffer;
  /** Offset of the staged row. */
  readonly to: Expr;
  readonly n: Expr;
  /** The row of the input, which may lie outside. */
  readonly ih: Expr;
  readonly prefix: string;
}

/** Bytes of the input as elements of a staged row. */
function staged({ l, g, match }: Row, bytes: Expr): Expr {
  if (g.group === 4) return bytes;
  const zero = broadcast(cast(load(l.place(match.xZero).buffer, int(0)), "int16"), bytes.type.lanes);
  return sub(cast(bytes, "int16"), zero);
}

/** What stands where the input has nothing: the number zero. */
const nothing = ({ l, g, match }: Row): Expr => (g.group === 2 ? constant(0, "int16") : load(l.place(match.xZero).buffer, int(0)));

/** Statements that write `count` elements of padding, whole vectors first. */
function padding(row: Row, at: Expr, count: number, name: string): readonly Stmt[] {
  const { lanes } = row.g;
  const whole = count - (count % lanes);
  return [
    [0, whole, lanes],
    [whole, count, 1],
  ].flatMap(([from = 0, to = 0, width = 1]) => {
    const i = indexVar(`${row.prefix}${name}${width}`);
    return to <= from
      ? []
      : [forLoop(i, to, [store(row.target, add(at, i), broadcast(nothing(row), width))], { from: int(from), step: width })];
  });
}

/** Copies `count` consecutive bytes, whole vectors first. */
function copyRun(row: Row, from: Expr, to: Expr, count: number): readonly Stmt[] {
  const { l, g, match, target, prefix } = row;
  const x = l.place(match.conv.x).buffer;
  const widest = (g.group === 2 ? 2 : 4) * g.lanes;
  const steps: Stmt[] = [];
  let done = 0;
  for (const width of [widest, g.lanes, 1]) {
    const end = count - ((count - done) % width);
    if (end <= done) continue;
    const i = indexVar(`${prefix}c${width}`);
    steps.push(forLoop(i, end, [store(target, add(to, i), staged(row, load(x, add(from, i), width)))], { from: int(done), step: width }));
    done = end;
  }
  return steps;
}

/** First staged column that lies in the input, and how many do. */
function columnsInside(g: Int8Geometry): { readonly first: number; readonly count: number; readonly from: number } {
  const pad = g.m.pads[1];
  const first = Math.max(0, pad);
  const from = Math.max(0, -pad);
  return { first, from, count: Math.max(0, Math.min(g.inputColumns - from, g.stagedColumns - first)) };
}

/** From blocks of channels that lie apart in the input and together in the staged row. */
function joinedRow(row: Row, block: number): readonly Stmt[] {
  const { l, g, match, n, ih, to, target, prefix } = row;
  const { first, count, from } = columnsInside(g);
  const x = l.place(match.conv.x).buffer;
  const [b, column] = [indexVar(`${prefix}block`), indexVar(`${prefix}col`)];
  const plane = add(mul(n, int(g.inner / block)), b);
  const source = add(mul(add(mul(plane, int(g.inputRows)), ih), int(g.inputColumns * block)), int(from * block));
  const place = add(add(to, int(first * g.inner)), add(mul(column, int(g.inner)), mul(b, int(block))));
  const copy = store(target, place, staged(row, load(x, add(source, mul(column, int(block))), block)));
  return [
    ...padding(row, to, first * g.inner, "l"),
    forLoop(b, g.inner / block, [forLoop(column, count, [copy])]),
    ...padding(row, add(to, int((first + count) * g.inner)), (g.stagedColumns - first - count) * g.inner, "r"),
  ];
}

function blockedRow(row: Row): readonly Stmt[] {
  const { g, n, ih, to, prefix } = row;
  const { first, count, from } = columnsInside(g);
  const run = indexVar(`${prefix}run`);
  const source = mul(add(mul(add(mul(add(mul(n, int(g.runs)), run), int(g.inputRows)), ih), int(g.inputColumns)), int(from)), int(g.inner));
  const target = add(to, mul(run, int(g.stagedColumns * g.inner)));
  return [
    forLoop(run, g.runs, [
      ...padding(row, target, first * g.inner, "l"),
      ...copyRun(row, source, add(target, int(first * g.inner)), count * g.inner),
      ...padding(row, add(target, int((first + count) * g.inner)), (g.stagedColumns - first - count) * g.inner, "r"),
    ]),
  ];
}

/** From channels that lie apart: element by element, each channel in its place, zero in places without one. */
function plainRow(row: Row): readonly Stmt[] {
  const { l, g, match, n, ih, to, target, prefix } = row;
  const { first, count, from } = columnsInside(g);
  const x = l.place(match.conv.x).buffer;
  const column = indexVar(`${prefix}col`);
  const channels = Array.from({ length: g.inner }, (_, c) => {
    const place = add(add(to, int(first * g.inner + c)), mul(column, int(g.inner)));
    if (c >= g.inputChannels) return store(target, place, nothing(row));
    const source = add(mul(add(mul(add(mul(n, int(g.inputChannels)), int(c)), int(g.inputRows)), ih), int(g.inputColumns)), int(from));
    return store(target, place, staged(row, load(x, add(source, column))));
  });
  return [
    ...padding(row, to, first * g.inner, "l"),
    forLoop(column, count, channels),
    ...padding(row, add(to, int((first + count) * g.inner)), (g.stagedColumns - first - count) * g.inner, "r"),
  ];
}

/** Statements that stage one row. */
export function stageRow(row: Row): readonly Stmt[] {
  const { l, g, match, ih, to } = row;
  const { layout } = l.place(match.conv.x);
  const joined = layout.kind === "blocked" && layout.block !== g.inner;
  const copy = layout.kind === "plain" ? plainRow(row) : joined ? joinedRow(row, layout.block) : blockedRow(row);
  const [stride, pad] = [g.m.strides[0], g.m.pads[0]];
  const last = (g.rows - 1) * stride - pad + (g.kernelRows - 1) * g.m.dilations[0];
  if (pad <= 0 && last < g.inputRows) return copy;
  const inside = and(compare("ge", ih, int(0)), compare("lt", ih, int(g.inputRows)));
  return [ifThen(inside, copy, padding(row, to, stagedRowLength(g), "o"))];
}

/** The `group` channels at an offset, in every lane of a dot product's operand. */
export function broadcastGroup(g: Pick<Int8Geometry, "group" | "lanes">, buffer: Buffer, at: Expr): Expr {
  const together = broadcast(bitcast(load(buffer, at, g.group), "int32", 1), g.lanes);
  return bitcast(together, g.group === 2 ? "int16" : "uint8", g.group * g.lanes);
}
