/**
 * Histograms in vectors: one pass over all elements for their range, one over those that are counted for their bins, a piece at a
 * time into memory that stays near. Counting is scalar: elements side by side count into copies of their own, so that equal ones,
 * such as the zeros behind a ReLU, need not wait for each other.
 */
import type { Machine } from "../loop/machine.ts";
import type { HistogramSpec, Operand } from "../loop/nest.ts";
import {
  add,
  broadcast,
  cast,
  compare,
  constant,
  indexVar,
  int,
  load,
  max,
  min,
  mul,
  reduceLanes,
  select,
  variable,
} from "../loop/expr.ts";
import type { Placement } from "../loop/expand.ts";
import { simplifyBody } from "../loop/simplify.ts";
import { forLoop, ifThen, letMutable, letVar, setVar, store } from "../loop/stmt.ts";
import type { Buffer, Expr, ReduceOp, ScalarType, Stmt, Var } from "../loop/types.ts";
import { binOf, isFinite, magnitudeBits, reciprocalWidth, SIDE, SLOTS, summary } from "../ops/histogram.ts";
import type { DType } from "../tensor/dtype.ts";
import { elementCount } from "../tensor/tensor.ts";

export interface HistogramLowering {
  readonly spec: HistogramSpec;
  readonly machine: Machine;
  readonly place: (operand: Operand) => Placement;
  readonly scratch: (name: string, length: number, dtype: DType) => Buffer;
  readonly prefix: string;
}

/** Runs of consecutive elements: one for each turn of the loops, each of which moves the first element by its stride. */
interface Runs {
  readonly loops: readonly { readonly extent: number; readonly stride: number }[];
  readonly from: number;
  readonly length: number;
}

/** Elements whose bins are found before they are counted. */
const PIECE = 2048;
/** Tables to count into, and the elements from which on clearing and adding them is worth it. */
const COPIES = 4;
const WORTH = 2 ** 13;

/** The runs that hold every element of a value, or those of one row in `every`. */
function runsOf(dims: readonly number[], { layout }: Placement, every: number): readonly Runs[] {
  const first = Math.floor(every / 2);
  const rows = (count: number): number => Math.floor((count - 1 - first) / every) + 1;
  if (layout.kind === "plain") {
    const [height = 1, width = 1] = dims.slice(-2);
    if (every === 1) return [{ loops: [], from: 0, length: elementCount(dims) }];
    const maps = elementCount(dims.slice(0, -2));
    const loops = [
      { extent: maps, stride: height * width },
      { extent: rows(height), stride: every * width },
    ];
    return [{ loops, from: first * width, length: width }];
  }
  const { block } = layout;
  const [n = 1, c = 1, height = 1, width = 1] = dims;
  const whole = Math.floor(c / block);
  const blocks = Math.ceil(c / block);
  const row = width * block;
  const map = height * row;
  const taken = { extent: rows(height), stride: every * row };
  const full: Runs =
    every === 1
      ? { loops: [{ extent: n, stride: blocks * map }], from: 0, length: whole * map }
      : {
          loops: [{ extent: n, stride: blocks * map }, { extent: whole, stride: map }, taken],
          from: first * row,
          length: row,
        };
  if (whole === blocks) return [full];
  // Of the last block only the lanes of real channels.
  const last = { loops: [{ extent: n, stride: blocks * map }, taken, { extent: width, stride: block }], length: c % block };
  return [...(whole > 0 ? [full] : []), { ...last, from: whole * map + first * row }];
}

/** The same elements in runs of at most `size`. */
function pieces({ loops, from, length }: Runs, size: number): readonly Runs[] {
  if (length <= size) return [{ loops, from, length }];
  const whole = Math.floor(length / size);
  const first = { loops: [...loops, { extent: whole, stride: size }], from, length: size };
  return length % size === 0 ? [first] : [first, { loops, from: from + whole * size, length: length % size }];
}

class Emitter {
  readonly #l: HistogramLowering;
  readonly #source: Placement;
  readonly #counts: Buffer;

  constructor(l: HistogramLowering) {
    this.#l = l;
    this.#source = l.place(l.spec.source);
    this.#counts = l.place(l.spec.counts).buffer;
  }

  #name(base: string): string {
    return `${this.#l.prefix}${base}`;
  }

  #var(base: string, dtype: ScalarType, lanes = 1): Var {
    return variable(this.#name(base), { dtype, lanes });
  }

  /** Statements for every run; `body` gets the offset of its first element. */
  #loops({ loops, from }: Runs, tag: string, body: (at: Expr) => readonly Stmt[]): readonly Stmt[] {
    const vars = loops.map((_, i) => indexVar(this.#name(`${tag}${i}`)));
    const at = loops.reduce<Expr>((sum, { stride }, i) => add(sum, mul(vars[i] ?? int(0), int(stride))), int(from));
    return loops.reduceRight<readonly Stmt[]>((inner, { extent }, i) => [forLoop(vars[i] ?? indexVar(""), extent, inner)], body(at));
  }

  /** Whole vectors, then what is left, one by one; `body` gets the place in the run. */
  #along(length: number, tag: string, body: (i: Expr, lanes: number, tag: string) => readonly Stmt[]): readonly Stmt[] {
    const { lanes } = this.#l.machine;
    const [v, s] = [indexVar(this.#name(`${tag}v`)), indexVar(this.#name(`${tag}s`))];
    const turns = Math.floor(length / lanes);
    return [
      ...(turns > 0 ? [forLoop(v, turns, body(mul(v, int(lanes)), lanes, `${tag}v`))] : []),
      ...(length % lanes > 0 ? [forLoop(s, length, body(s, 1, `${tag}s`), { from: int(turns * lanes) })] : []),
    ];
  }

  #clear(buffer: Buffer, from: Expr, length: number, tag: string): Stmt {
    const i = indexVar(this.#name(tag));
    return forLoop(i, length, [store(buffer, i, constant(0, "int32"))], { from });
  }

  /** The range of all elements: statements that declare it, those that find it, and the three numbers. */
  #range(): { readonly statements: readonly Stmt[]; readonly low: Expr; readonly high: Expr; readonly most: Expr } {
    const { lanes } = this.#l.machine;
    const { spec } = this.#l;
    const parts = [
      { base: "low", op: "min", dtype: "float32", start: Infinity },
      { base: "high", op: "max", dtype: "float32", start: -Infinity },
      { base: "most", op: "max", dtype: "int32", start: 0 },
    ] as const satisfies readonly { base: string; op: ReduceOp; dtype: ScalarType; start: number }[];
    const vars = parts.map(({ base, dtype }) => ({ vector: this.#var(`${base}s`, dtype, lanes), scalar: this.#var(base, dtype) }));
    const update = (i: Expr, width: number, tag: string, at: Expr): readonly Stmt[] => {
      const x = this.#var(`${tag}x`, "float32", width);
      return [
        letVar(x, load(this.#source.buffer, add(at, i), width)),
        ...parts.flatMap(({ op, dtype }, k) => {
          const acc = width > 1 ? vars[k]?.vector : vars[k]?.scalar;
          const value = dtype === "int32" ? magnitudeBits(x) : x;
          return acc ? [setVar(acc, (op === "min" ? min : max)(acc, value))] : [];
        }),
      ];
    };
    const statements = [
      ...parts.flatMap(({ dtype, start }, k) => {
        const own = vars[k];
        return own ? [letMutable(own.vector, constant(start, dtype, lanes)), letMutable(own.scalar, constant(start, dtype))] : [];
      }),
      ...runsOf(spec.source.dims, this.#source, 1).flatMap((runs, r) =>
        this.#loops(runs, `r${r}_`, (at) => this.#along(runs.length, `r${r}_`, (i, width, tag) => update(i, width, tag, at))),
      ),
    ];
    const [low, high, most] = parts.map(({ op }, k) => {
      const own = vars[k];
      return own ? (op === "min" ? min : max)(own.scalar, reduceLanes(op, own.vector)) : int(0);
    });
    return { statements, low: low ?? int(0), high: high ?? int(0), most: most ?? int(0) };
  }

  /** Adds the elements of the runs to a table of `copies` numbers a bin. */
  #count(runs: Runs, reciprocal: Expr, tag: string, bins: Buffer, table: Buffer, copies: number): readonly Stmt[] {
    const find = (at: Expr): readonly Stmt[] =>
      this.#along(runs.length, `${tag}f`, (i, width, name) => {
        const x = this.#var(`${name}x`, "float32", width);
        const zero = compare("eq", x, constant(0, "float32", width));
        const bin = select(zero, constant(SLOTS.zeros, "int32", width), binOf(x, broadcast(reciprocal, width)));
        const place = copies === 1 ? bin : mul(bin, constant(copies, "int32", width));
        return [letVar(x, load(this.#source.buffer, add(at, i), width)), store(bins, i, place)];
      });
    const take = (i: Expr, copy: number, name: string): readonly Stmt[] => {
      const place = this.#var(name, "index");
      return [
        letVar(place, add(cast(load(bins, i), "index"), int(copy))),
        store(table, place, add(load(table, place), constant(1, "int32"))),
      ];
    };
    const j = indexVar(this.#name(`${tag}j`));
    const rest = runs.length % copies;
    const turns = (runs.length - rest) / copies;
    const together = Array.from({ length: copies }, (_, k) => take(add(mul(j, int(copies)), int(k)), k, `${tag}p${k}`)).flat();
    return this.#loops(runs, tag, (at) => [
      ...find(at),
      ...(turns > 0 ? [forLoop(j, turns, together)] : []),
      ...Array.from({ length: rest }, (_, k) => take(int(turns * copies + k), k, `${tag}q${k}`)).flat(),
    ]);
  }

  statements(): readonly Stmt[] {
    const { spec, scratch } = this.#l;
    const runs = runsOf(spec.source.dims, this.#source, spec.every).flatMap((r) => pieces(r, PIECE));
    const counted = elementCount(spec.source.dims) / spec.every;
    const copies = counted < WORTH ? 1 : COPIES;
    const bins = scratch("bins", PIECE, "int32");
    const table = copies === 1 ? this.#counts : scratch("table", (SLOTS.zeros + 1) * copies, "int32");
    const range = this.#range();
    const [low, high, most] = [this.#var("least", "float32"), this.#var("greatest", "float32"), this.#var("magnitude", "int32")];
    const reciprocal = this.#var("reciprocal", "float32");
    const from = this.#var("from", "index");
    const i = indexVar(this.#name("bin"));
    const sum = Array.from({ length: copies }, (_, k) => load(table, add(mul(i, int(copies)), int(k)))).reduce((a, b) => add(a, b));
    const tables = copies > 1;
    return [
      this.#clear(this.#counts, int(0), SLOTS.length, "clear"),
      ...range.statements,
      letVar(low, range.low),
      letVar(high, range.high),
      letVar(most, range.most),
      ifThen(isFinite(most), [
        letVar(reciprocal, reciprocalWidth(most)),
        // Below zero there is often nothing.
        letVar(from, select(compare("lt", low, constant(0, "float32")), int(0), int(SIDE))),
        ...(tables ? [this.#clear(table, mul(from, int(copies)), (SLOTS.zeros + 1) * copies, "wipe")] : []),
        ...runs.flatMap((r, k) => this.#count(r, reciprocal, `c${k}_`, bins, table, copies)),
        ...(tables ? [forLoop(i, SLOTS.zeros + 1, [store(this.#counts, i, sum)], { from })] : []),
      ]),
      ...summary(low, high, most, load(this.#counts, int(SLOTS.zeros))).map(([at, value]) => store(this.#counts, int(at), value)),
    ];
  }
}

/** The statements of a histogram's kernel. */
export function histogram(l: HistogramLowering): readonly Stmt[] {
  return simplifyBody(new Emitter(l).statements());
}
