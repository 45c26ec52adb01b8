/** Turns a group into a kernel: joins its nests, picks a schedule, and lists what the kernel is to be called with. */
import type { Group, Node, Value } from "../ir/graph.ts";
import { elementOf, expand, expandSerial, offsetOf, scalarRead, writtenIndex, type Placement } from "../loop/expand.ts";
import { isSerial, type AnyNest, type BodyContext, type Nest, type Operand, type Read } from "../loop/nest.ts";
import { roundBytes } from "../loop/rounded-bytes.ts";
import { simplifyBody } from "../loop/simplify.ts";
import { store } from "../loop/stmt.ts";
import type { Buffer, Expr, Func, Stmt } from "../loop/types.ts";
import { mapStmt, visitBody } from "../loop/walk.ts";
import { computeNode, type NodeCompute } from "../ops/compute.ts";
import { physicalDims, PLAIN } from "../tensor/layout.ts";
import { staticShape } from "../tensor/dim.ts";
import { byteSize, isHalf, type DType } from "../tensor/dtype.ts";
import { readAs, type Half } from "../tensor/halves.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";
import { invariant, must } from "../util/errors.ts";
import { depthwiseConv } from "./conv-depthwise.ts";
import { winogradConv } from "./conv-winograd.ts";
import { denseConv } from "./conv.ts";
import { DoesNotFit } from "./epilogue.ts";
import { histogram } from "./histogram.ts";
import { int8Conv } from "./int8/conv.ts";
import { int8Winograd } from "./int8/conv-winograd.ts";
import { int8Depthwise } from "./int8/depthwise.ts";
import type { Machine } from "../loop/machine.ts";
import type { Lowering, Schedule } from "./lowering.ts";
import { matrixProduct } from "./matmul.ts";
import { reducedAlongLanes } from "./reduce-lanes.ts";
import { alongRows, type RowTools } from "./rows.ts";
import { ALONE, AMONG_THREADS, areApart, isAllLoops, isWorthSharing, SHARE, shareLoops, type Sharing } from "./share.ts";
import { takeLanes } from "./take-lanes.ts";
import { turned } from "./turned.ts";
import { vectorized } from "./vectorize.ts";

/** What a kernel's parameter is bound to. */
export type Argument =
  | { readonly kind: "value"; readonly value: Value }
  | { readonly kind: "constant"; readonly tensor: Tensor }
  | { readonly kind: "temp"; readonly bytes: number }
  /** Like `temp`, but each thread has its own. */
  | { readonly kind: "scratch"; readonly bytes: number };

export interface Kernel {
  readonly func: Func;
  /** One for each parameter of the function. */
  readonly args: readonly Argument[];
  readonly nodes: readonly Node[];
  /** Names of the schedules that were used. */
  readonly schedules: readonly string[];
}

export interface LowerOptions {
  readonly machine: Machine;
  /** `naive` keeps the textbook nests: the judge of every other schedule. */
  readonly schedule: "auto" | "naive";
  /** Whether threads may share kernels. */
  readonly threads?: boolean;
  /** From how many multiply-adds on a kernel is worth sharing. */
  readonly shareFrom?: number;
}

const constantOf = (value: Value | undefined): Tensor | undefined => value?.data && readAs(value.data, value.dtype);

function halfOf(value: Value | undefined): Half | undefined {
  const kept = value?.data?.type;
  return value?.dtype === "float32" && isHalf(kept) ? kept : undefined;
}

/** Elements that a value takes in memory, its padding included. */
export const storedLength = (value: Value): number =>
  elementCount(physicalDims(staticShape(value.shape, `value ${value.name}`), value.layout));

/** The buffers of one kernel, made as they are first used. */
class Parameters {
  readonly buffers: Buffer[] = [];
  readonly args: Argument[] = [];
  readonly #ofValue = new Map<Value, Buffer>();
  readonly #ofTemp = new Map<Operand | Value, Buffer>();
  readonly #written: ReadonlySet<Value>;

  constructor(written: ReadonlySet<Value>) {
    this.#written = written;
  }

  value(value: Value): Placement {
    let buffer = this.#ofValue.get(value);
    if (!buffer) {
      const access = this.#written.has(value) ? "readwrite" : "read";
      buffer = this.#add(
        { name: `b${this.buffers.length}`, dtype: value.data?.type ?? value.dtype, length: storedLength(value), access },
        { kind: "value", value },
      );
      this.#ofValue.set(value, buffer);
    }
    return { buffer, layout: value.layout };
  }

  /** Memory of the kernel; `key` is what it stands for. */
  temp(operand: Operand, key: Operand | Value = operand): Placement {
    let buffer = this.#ofTemp.get(key);
    if (!buffer) {
      const length = elementCount(operand.dims);
      buffer = this.#add(
        { name: `t${this.buffers.length}`, dtype: operand.dtype, length, access: "readwrite" },
        { kind: "temp", bytes: length * byteSize(operand.dtype) },
      );
      this.#ofTemp.set(key, buffer);
    }
    return { buffer, layout: PLAIN };
  }

  scratch(name: string, length: number, dtype: DType): Buffer {
    const bytes = length * byteSize(dtype);
    return this.#add({ name: `${name}${this.buffers.length}`, dtype, length, access: "readwrite" }, { kind: "scratch", bytes });
  }

  pack(name: string, tensor: Tensor, finite?: true): Buffer {
    return this.#add(
      { name: `${name}${this.buffers.length}`, dtype: tensor.type, length: tensor.data.length, access: "read", ...(finite && { finite }) },
      { kind: "constant", tensor },
    );
  }

  #add(buffer: Buffer, arg: Argument): Buffer {
    this.buffers.push(buffer);
    this.args.push(arg);
    return buffer;
  }
}

function elementwiseNest({ nests }: NodeCompute): Nest {
  const [nest] = nests;
  invariant(nest && !isSerial(nest), "an elementwise op is one map");
  return nest;
}

/** The body of an elementwise follower at p, with `current` for the value it follows. */
function follow(compute: NodeCompute, chained: Value, current: Expr, context: BodyContext): Expr {
  const nest = elementwiseNest(compute);
  const read: Read = (operand, index, outside) =>
    compute.values.get(operand) === chained ? current : context.read(operand, index, outside);
  return nest.body({ ...context, r: [], read });
}

/** The anchor's nests with the followers inlined into the last one. */
export function fuseNests(group: Group): NodeCompute {
  const nodes = group.nodes.slice(group.prologue?.nodes.length ?? 0);
  const computes = nodes.map(computeNode);
  const [first, ...followers] = computes;
  const anchor = must(first, "anchor");
  const values = new Map(computes.flatMap((c) => [...c.values]));
  const temps = computes.flatMap((c) => c.temps);
  const last = anchor.nests.at(-1);
  const finalCompute = computes.at(-1);
  if (followers.length === 0 || !last || isSerial(last) || !finalCompute) return { nests: anchor.nests, values, temps };
  const { result } = elementwiseNest(finalCompute);
  const epilogue = (value: Expr, context: BodyContext): Expr =>
    followers.reduce((current, compute, i) => follow(compute, must(nodes[i]?.outputs[0], "chained value"), current, context), value);
  const { reduction } = last;
  const fused: Nest = reduction
    ? {
        ...last,
        result,
        reduction: { ...reduction, finish: (acc, context) => epilogue(reduction.finish ? reduction.finish(acc, context) : acc, context) },
      }
    : { ...last, result, body: (context) => epilogue(last.body(context), context) };
  return { nests: [...anchor.nests.slice(0, -1), fused], values, temps };
}

/** One element by the textbook, for the tails of vectorised loops. */
function textbookElement(l: Lowering, p: readonly Expr[], part: string): readonly Stmt[] {
  const { buffer, layout } = l.place(l.nest.result);
  return elementOf(l.nest, p, scalarRead(l.place), `${l.prefix}${part}`, (value) => [
    store(buffer, offsetOf(l.nest.result.dims, layout, writtenIndex(l.nest, p)), value),
  ]);
}

/** Tried in order; the first that applies is used, the textbook if none does. */
const SCHEDULES: readonly Schedule[] = [
  winogradConv,
  denseConv,
  depthwiseConv,
  int8Winograd,
  int8Conv,
  int8Depthwise,
  takeLanes,
  matrixProduct,
  turned,
  vectorized(textbookElement),
  reducedAlongLanes,
];

interface Scheduled {
  readonly name: string;
  readonly body: readonly Stmt[];
}

/** Vectors of halves are loaded, as weights are, to be widened; others are loaded and stored one by one. */
function hasVectorsOfHalves(body: readonly Stmt[]): boolean {
  let found = false;
  visitBody(body, ({ kind, type }) => {
    found ||= type.lanes > 1 && isHalf(type.dtype) && kind !== "load";
  });
  return found;
}

function schedule(l: Lowering, options: LowerOptions): Scheduled {
  for (const s of options.schedule === "naive" ? [] : SCHEDULES) {
    try {
      const asked = new Set<number>();
      const body = s.lower({ ...l, share: (total) => (asked.add(total), l.share(total)) });
      if (!body) continue;
      const simple = roundBytes(simplifyBody(body), l.machine.lanes);
      if (hasVectorsOfHalves(simple)) continue;
      // A schedule that asked for its turns has shared its loops; otherwise the outermost are shared.
      return { name: s.name, body: asked.size > 0 ? simple : shareLoops(simple, l.share) };
    } catch (error) {
      if (!(error instanceof DoesNotFit)) throw error;
    }
  }
  return { name: "textbook", body: shareLoops(expand(l.nest, l.place, l.prefix), l.share) };
}

/** The name of the schedule that goes over several nests at once. */
const ROW_BY_ROW = "row by row";

/** Lowers a group to one kernel. */
export function lowerGroup(group: Group, name: string, options: LowerOptions): Kernel {
  const fused = fuseNests(group);
  if (options.threads !== true || !isWorthSharing(fused.nests, options.shareFrom)) return lowerNests(group, fused, name, options, ALONE);
  const shared = lowerNests(group, fused, name, options, AMONG_THREADS);
  // A prologue that was made before would have to be waited for, and so would nests that are not gone over row by row.
  const waits = shared.args.some((a) => a.kind === "temp") || !(areApart(fused.nests) || shared.schedules.includes(ROW_BY_ROW));
  if (waits || !isAllLoops(shared.func.body)) return lowerNests(group, fused, name, options, ALONE);
  return { ...shared, func: { ...shared.func, share: SHARE } };
}

function lowerNests(group: Group, fused: NodeCompute, name: string, options: LowerOptions, share: Sharing): Kernel {
  const written = new Set(group.nodes.flatMap((n) => n.outputs));
  const params = new Parameters(written);
  const prologue = group.prologue && fuseNests(group.prologue);
  const handed = group.prologue?.outputs[0];
  const values = new Map([...(prologue?.values ?? []), ...fused.values]);
  const place = (operand: Operand): Placement => {
    const value = values.get(operand);
    return value && value !== handed ? params.value(value) : params.temp(operand, value);
  };
  const [made] = prologue?.nests ?? [];
  const ofNest = (nest: Nest, at: Pick<Lowering, "place" | "prefix" | "share">): Scheduled =>
    schedule(
      {
        nest,
        machine: options.machine,
        prologueOf: (operand) => (made && !isSerial(made) && handed && values.get(operand) === handed ? made : undefined),
        constantOf: (operand) => constantOf(values.get(operand)),
        halfOf: (operand) => halfOf(values.get(operand)),
        pack: (label, tensor, finite) => params.pack(label, tensor, finite),
        scratch: (label, length, dtype = "float32") => params.scratch(label, length, dtype),
        ...at,
      },
      options,
    );
  const lowered = (nest: AnyNest, prefix: string): Scheduled => {
    if (isSerial(nest)) {
      if (nest.known === undefined || options.schedule === "naive") return { name: "serial", body: expandSerial(nest, place, prefix) };
      const scratch = (label: string, length: number, dtype: DType): Buffer => params.scratch(label, length, dtype);
      return { name: "histogram", body: histogram({ spec: nest.known, machine: options.machine, place, scratch, prefix }) };
    }
    return ofNest(nest, { place, prefix, share });
  };
  const rows = lowerRows(fused.nests, ofNest, { options, lanes: options.machine.lanes, place, values, params, share });
  const main = rows ?? fused.nests.map((nest, i) => lowered(nest, `n${i}_`));
  // What no schedule reads as it is made is made before.
  const before = handed && loads(main, params.temp(must(made, "a prologue").result, handed).buffer) ? (prologue?.nests ?? []) : [];
  const scheduled = [...before.map((nest, i) => lowered(nest, `p${i}_`)), ...main];
  const body = scheduled.flatMap((s) => s.body);
  const kernel = usedOnly({ name, params: params.buffers, body }, params.args);
  return { ...kernel, nodes: group.nodes, schedules: [...new Set(scheduled.map((s) => s.name))] };
}

interface RowContext extends Pick<RowTools, "lanes" | "place" | "share"> {
  readonly values: ReadonlyMap<Operand, Value>;
  readonly params: Parameters;
  readonly options: LowerOptions;
}

/** The nests row by row, if that is a gain; after it come the names of the schedules that made the parts, without statements. */
function lowerRows(
  nests: readonly AnyNest[],
  lower: (nest: Nest, at: Pick<Lowering, "place" | "prefix" | "share">) => Scheduled,
  { values, params, options, ...context }: RowContext,
): readonly Scheduled[] | undefined {
  const together = nests.filter((n) => !isSerial(n));
  if (together.length < nests.length || options.schedule === "naive") return undefined;
  const names: Scheduled[] = [];
  const body = alongRows(together, {
    ...context,
    isTemp: (operand) => !values.has(operand),
    scratch: (label, length, dtype) => params.scratch(label, length, dtype),
    lower: (nest, place, prefix) => {
      const made = lower(nest, { place, prefix, share: ALONE });
      names.push({ name: made.name, body: [] });
      return made.body;
    },
  });
  return body && [{ name: ROW_BY_ROW, body: roundBytes(simplifyBody(body), context.lanes) }, ...names];
}

function loads(scheduled: readonly Scheduled[], buffer: Buffer): boolean {
  let found = false;
  for (const { body } of scheduled)
    visitBody(body, (e) => {
      found ||= e.kind === "load" && e.buffer === buffer;
    });
  return found;
}

/** Leaves out parameters that the body does not touch, such as weights of which a packed copy is used. */
function usedOnly(func: Func, args: readonly Argument[]): { readonly func: Func; readonly args: readonly Argument[] } {
  const used = new Set<Buffer>();
  visitBody(func.body, (e) => {
    if (e.kind === "load") used.add(e.buffer);
  });
  const stores = (body: readonly Stmt[]): void => {
    for (const s of body) {
      if (s.kind === "store") used.add(s.buffer);
      else
        mapStmt(
          s,
          (e) => e,
          (inner) => (stores(inner), inner),
        );
    }
  };
  stores(func.body);
  const keep = func.params.map((p) => used.has(p));
  return { func: { ...func, params: func.params.filter((_, i) => keep[i]) }, args: args.filter((_, i) => keep[i]) };
}
