/**
 * Several nests of one kernel that share their outer axes go over them together: all of a row, or of a block of rows, before the
 * next, so that what one nest makes for another is a few rows in the nearest cache, never a whole temporary. Softmax, norms and
 * scaled dot products are such kernels (for the last see Rabe, Staats, "Self-attention does not need O(n²) memory", 2021).
 */
import type { Placement, Placements } from "../loop/expand.ts";
import { add, indexVar, int, mul, variable, typeOf } from "../loop/expr.ts";
import type { BodyContext, Nest, Operand, Read } from "../loop/nest.ts";
import { forLoop } from "../loop/stmt.ts";
import type { Buffer, Expr, Stmt } from "../loop/types.ts";
import type { DType } from "../tensor/dtype.ts";
import { PLAIN } from "../tensor/layout.ts";
import { elementCount } from "../tensor/tensor.ts";
import { must } from "../util/errors.ts";
import { ALONE, type Sharing } from "./share.ts";

export interface RowTools {
  readonly lanes: number;
  readonly place: Placements;
  /** Whether the operand is memory of this kernel alone. */
  readonly isTemp: (operand: Operand) => boolean;
  readonly scratch: (name: string, length: number, dtype: DType) => Buffer;
  /** The statements of one nest, by whatever schedule fits. */
  readonly lower: (nest: Nest, place: Placements, prefix: string) => readonly Stmt[];
  /** How threads share the first common axis that turns. */
  readonly share: Sharing;
}

/** Rows that are computed together: two tiles of registers of a product. */
const ROWS = 12;

/** A read of what another nest of the kernel makes. */
interface Handed {
  readonly operand: Operand;
  readonly index: readonly Expr[];
}

function readsOf(nest: Nest, made: ReadonlySet<Operand>): readonly Handed[] {
  const found: Handed[] = [];
  const p = nest.result.dims.map((_, i) => indexVar(`p${i}`));
  const read: Read = (operand, index) => {
    if (made.has(operand)) found.push({ operand, index });
    return variable("element", typeOf(operand.dtype));
  };
  const r = (nest.reduction?.extents ?? []).map((_, i) => indexVar(`r${i}`));
  const value = nest.body({ p, r, read });
  nest.reduction?.finish?.(value, { p, r: [], read });
  return found;
}

/** Whether all nests go over the axis alike, and read of each other only what lies at the same place along it. */
function shareAxis(nests: readonly Nest[], axis: number): boolean {
  const made = new Set(nests.map((n) => n.result));
  const extent = nests[0]?.result.dims[axis];
  return nests.every(
    (n) =>
      n.result.dims[axis] === extent &&
      readsOf(n, made).every(({ operand, index }) => {
        const at = index[axis];
        return operand.dims[axis] === 1 || (at?.kind === "var" && at.name === `p${axis}`);
      }),
  );
}

/** Runs of neighbours that share the axis, of whose rows nothing is read when the loops over them have ended. */
function runsAlong(nests: readonly Nest[], axis: number): readonly (readonly Nest[])[] {
  const runs: Nest[][] = [];
  for (const n of nests) {
    const last = runs.at(-1);
    if (last && shareAxis([...last, n], axis)) last.push(n);
    else runs.push([n]);
  }
  const stays = (run: readonly Nest[]): boolean => {
    const made = new Set(run.map((n) => n.result));
    return nests.every((n) => run.includes(n) || readsOf(n, made).every(({ operand }) => operand.dims[axis] === 1));
  };
  return runs.flatMap((run) => (run.length === 1 || stays(run) ? [run] : run.map((n) => [n])));
}

/** Where nests stand in the iteration space: an axis with an origin is gone over by loops outside. */
interface Box {
  readonly origin: readonly (Expr | undefined)[];
  readonly extents: readonly number[];
}

/** A part of a temporary, and which of its axes are gone over outside. */
interface Part {
  readonly operand: Operand;
  readonly buffer: Buffer;
  readonly fixed: readonly boolean[];
}

class RowLoops {
  readonly #tools: RowTools;
  readonly #parts = new Map<Operand, Part>();
  readonly #rank: number;
  /** The axis whose turns threads share. */
  readonly #shared: number;
  #loops = 0;

  constructor(tools: RowTools, rank: number, shared: number) {
    this.#tools = tools;
    this.#rank = rank;
    this.#shared = shared;
  }

  /** The nests, which share all axes before this one. */
  emit(nests: readonly Nest[], axis: number, box: Box): readonly Stmt[] {
    const [first] = nests;
    if (!first || nests.length === 1 || axis >= this.#rank - 1) return nests.flatMap((n) => this.#leaf(n, box));
    const runs = runsAlong(nests, axis);
    return runs.flatMap((run) => (run.length > 1 ? this.#along(run, axis, box) : run.flatMap((n) => this.#leaf(n, box))));
  }

  /** Loops over an axis that the nests share, in blocks when it is the last one. */
  #along(nests: readonly Nest[], axis: number, box: Box): readonly Stmt[] {
    const extent = nests[0]?.result.dims[axis] ?? 1;
    const deeper = axis + 1 < this.#rank - 1 && runsAlong(nests, axis + 1).some((run) => run.length > 1);
    const rows = deeper ? 1 : Math.min(ROWS, extent);
    const whole = Math.floor(extent / rows);
    const share = axis === this.#shared ? this.#tools.share : ALONE;
    const v = indexVar(`o${this.#loops++}`);
    const at = (origin: Expr, count: number): Box => ({
      origin: box.origin.map((o, i) => (i === axis ? origin : o)),
      extents: box.extents.map((d, i) => (i === axis ? count : d)),
    });
    const turns = share(whole);
    const main = forLoop(v, turns.to, this.emit(nests, axis + 1, at(mul(v, int(rows)), rows)), { from: turns.from });
    const rest = extent - whole * rows;
    if (rest === 0) return [main];
    const once = share(1);
    const last = indexVar(`o${this.#loops++}`);
    const tail = this.emit(nests, axis + 1, at(add(mul(last, int(rest)), int(whole * rows)), rest));
    return [main, forLoop(last, once.to, tail, { from: once.from })];
  }

  /** The part of a temporary for the box. */
  #partOf(operand: Operand, box: Box): Part {
    const fixed = box.origin.map((o) => o !== undefined);
    const buffer = this.#parts.get(operand)?.buffer ?? this.#tools.scratch("rows", elementCount(box.extents), operand.dtype);
    const part = { operand: { ...operand, dims: box.extents }, buffer, fixed };
    this.#parts.set(operand, part);
    return part;
  }

  /** One nest within the box. */
  #leaf(nest: Nest, { origin, extents: outer }: Box): readonly Stmt[] {
    const extents = nest.result.dims.map((d, i) => (origin[i] ? (outer[i] ?? 1) : d));
    const box: Box = { origin, extents };
    const part = this.#tools.isTemp(nest.result) ? this.#partOf(nest.result, box) : undefined;
    const parts = new Map(this.#parts);
    const within = ({ p, r, read }: BodyContext): BodyContext => ({
      p: p.map((e, i) => (origin[i] ? add(origin[i], e) : e)),
      r,
      read: (operand, index, outside) => {
        const known = parts.get(operand);
        if (!known) return read(operand, index, outside);
        return read(
          known.operand,
          index.map((e, i) => (known.operand.dims[i] === 1 ? int(0) : known.fixed[i] ? (p[i] ?? e) : e)),
          outside,
        );
      },
    });
    const { reduction } = nest;
    const { finish } = reduction ?? {};
    const inner: Nest = {
      kind: nest.kind,
      body: (context) => nest.body(within(context)),
      ...(part ? { result: part.operand } : { result: nest.result, region: { origin: origin.map((o) => o ?? 0), extents } }),
      ...(reduction
        ? { reduction: { ...reduction, ...(finish ? { finish: (acc: Expr, context: BodyContext) => finish(acc, within(context)) } : {}) } }
        : {}),
    };
    const buffers = new Map([...parts.values()].map(({ operand, buffer }) => [operand, buffer]));
    const place = (operand: Operand): Placement => {
      const buffer = buffers.get(operand);
      return buffer ? { buffer, layout: PLAIN } : this.#tools.place(operand);
    };
    return this.#tools.lower(inner, place, `l${this.#loops++}_`);
  }
}

/** Whether rows are long enough for vectors, and everything is float32 in row order. */
function fits(nests: readonly Nest[], { lanes, place }: RowTools): boolean {
  const rank = nests[0]?.result.dims.length ?? 0;
  return nests.every(({ result, region, reduction }) => {
    const long = (result.dims.at(-1) ?? 1) >= 2 * lanes || elementCount(reduction?.extents ?? []) >= 2 * lanes;
    return !region && long && result.dtype === "float32" && result.dims.length === rank && place(result).layout.kind === "plain";
  });
}

/** The statements of all nests, row by row; undefined where that is no gain. */
export function alongRows(nests: readonly Nest[], tools: RowTools): readonly Stmt[] | undefined {
  const rank = nests[0]?.result.dims.length ?? 0;
  if (nests.length < 2 || rank < 2 || !fits(nests, tools)) return undefined;
  const common = Array.from({ length: rank - 1 }, (_, axis) => axis);
  const end = common.findIndex((axis) => !shareAxis(nests, axis));
  const { dims } = must(nests[0], "a nest").result;
  const turning = common.slice(0, end < 0 ? rank - 1 : end).find((axis) => (dims[axis] ?? 1) > 1);
  if (turning === undefined) return undefined;
  return new RowLoops(tools, rank, turning).emit(nests, 0, { origin: dims.map(() => undefined), extents: dims });
}
