/** Ops that pick elements (ONNX operator specification: Slice, Split, Gather, Pad, DepthToSpace, SpaceToDepth). */
import { addDim, divDim, mulDim, type Dim } from "../tensor/dim.ts";
import { add, binary, constant, div, int, mod, mul, sub } from "../loop/expr.ts";
import type { Expr } from "../loop/types.ts";
import { HoneError } from "../util/errors.ts";
import { axisOf, constantInts, defineOp, misfit, sameAs, type Computed, type Known, type Op, unknownDim } from "./define.ts";
import { safeIndex } from "./elements.ts";
import { gather } from "./nests.ts";

interface Cut {
  readonly start: number;
  readonly step: number;
  readonly length: number;
}

/** numpy's clamping of start:end:step to a dimension. */
function cutOf(size: number, start: number, end: number, step: number): Cut {
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? size : size - 1;
  const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + size : at, low), high);
  const from = clamp(start);
  return { start: from, step, length: Math.max(0, Math.ceil((clamp(end) - from) / step)) };
}

interface SliceInputs {
  readonly starts: { readonly data?: Known["data"] };
  readonly ends: { readonly data?: Known["data"] };
  readonly axes: { readonly data?: Known["data"] } | undefined;
  readonly steps: { readonly data?: Known["data"] } | undefined;
}

const INT32_MAX = 2 ** 31 - 1;

/** The cut of one axis; undefined where the axis stays whole, "unknown" where its size would have to be known. */
function axisCut(size: Dim | undefined, start: number, end: number, step: number): Cut | "unknown" | undefined {
  if (typeof size === "number") return cutOf(size, start, end, step);
  // Exporters write the largest integer for "to the end".
  return start === 0 && step === 1 && end >= INT32_MAX ? undefined : "unknown";
}

function cutsOf(shape: readonly Dim[], inputs: SliceInputs): readonly (Cut | "unknown" | undefined)[] {
  const starts = constantInts("slice", "starts", inputs.starts);
  const ends = constantInts("slice", "ends", inputs.ends);
  const axes = inputs.axes ? constantInts("slice", "axes", inputs.axes) : starts.map((_, i) => i);
  const steps = inputs.steps ? constantInts("slice", "steps", inputs.steps) : starts.map(() => 1);
  if (steps.includes(0)) throw new HoneError("graph.shape", "slice: a step is 0", { at: { op: "slice" } });
  const cuts = new Array<Cut | "unknown" | undefined>(shape.length).fill(undefined);
  axes.forEach((axis, i) => {
    const at = axisOf("slice", axis, shape.length);
    cuts[at] = axisCut(shape[at], starts[i] ?? 0, ends[i] ?? INT32_MAX, steps[i] ?? 1);
  });
  return cuts;
}

export const slice: Op = defineOp({
  name: "slice",
  inputs: { x: "any", starts: "integer", ends: "integer", axes: "integer?", steps: "integer?" },
  attrs: {},
  infer: ({ x, starts, ends, axes, steps }) => {
    const known = [starts, ends, axes, steps].every((o) => !o || o.data);
    const cuts = known ? cutsOf(x.shape, { starts, ends, axes, steps }) : x.shape.map(() => "unknown" as const);
    const dims = cuts.map((cut, i) => (cut === "unknown" ? unknownDim(known ? x : starts, i) : (cut?.length ?? x.shape[i] ?? 1)));
    return [sameAs(x, dims)];
  },
  compute: ({ out }, { x, starts, ends, axes, steps }) => {
    const cuts = cutsOf(x.dims, { starts, ends, axes, steps }).map((cut) => (cut === "unknown" ? undefined : cut));
    return gather(out, ({ p, read }) =>
      read(
        x,
        p.map((i, axis) => add(mul(i, int(cuts[axis]?.step ?? 1)), int(cuts[axis]?.start ?? 0))),
      ),
    );
  },
});

/** Consecutive parts along an axis, one an output. */
export const split: Op = defineOp({
  name: "split",
  inputs: { x: "any" },
  attrs: { axis: 0, sizes: [] as number[] },
  infer: ({ x }, { axis: given, sizes }) => {
    const axis = axisOf("split", given, x.shape.length);
    const total = sizes.reduce((sum, n) => sum + n, 0);
    if (typeof x.shape[axis] === "number" && x.shape[axis] !== total)
      throw misfit("split", `the parts [${sizes.join(",")}] do not add up`, [x]);
    return sizes.map((n) =>
      sameAs(
        x,
        x.shape.map((d, i) => (i === axis ? n : d)),
      ),
    );
  },
  compute: ({ outputs }, { x }, { axis: given, sizes }) => {
    const axis = axisOf("split", given, x.dims.length);
    return outputs.map((out, part) => {
      const from = sizes.slice(0, part).reduce((sum, n) => sum + n, 0);
      return gather(out, ({ p, read }) =>
        read(
          x,
          p.map((i, at) => (at === axis ? add(i, int(from)) : i)),
        ),
      );
    });
  },
});

/** x's slices along an axis at the indices. */
export const gatherOp: Op = defineOp({
  name: "gather",
  inputs: { x: "any", indices: "integer" },
  attrs: { axis: 0 },
  infer: ({ x, indices }, { axis: given }) => {
    const axis = axisOf("gather", given, x.shape.length);
    if (x.shape[axis] === 0 && !indices.shape.includes(0)) throw misfit("gather", "there is nothing to take from", [x, indices]);
    return [sameAs(x, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)])];
  },
  compute: ({ out }, { x, indices }, { axis: given }) => {
    const axis = axisOf("gather", given, x.dims.length);
    const rank = indices.dims.length;
    return gather(out, ({ p, read }) => {
      const at = safeIndex(read(indices, p.slice(axis, axis + rank)), x.dims[axis] ?? 1);
      return read(x, [...p.slice(0, axis), at, ...p.slice(axis + rank)]);
    });
  },
});

/** The index that an outside position reflects or sticks to. */
function outsideIndex(mode: string, i: Expr, size: number): Expr {
  if (mode === "edge") return binary("min", binary("max", i, int(0)), int(size - 1));
  if (mode === "wrap") return mod(add(i, int(size * 64)), int(size));
  const last = size - 1;
  const left = binary("max", i, sub(int(0), i));
  return last === 0 ? int(0) : binary("min", left, sub(int(2 * last), left));
}

export const pad: Op = defineOp({
  name: "pad",
  inputs: { x: "any", pads: "integer", value: "any?" },
  attrs: { mode: "constant" },
  traits: { alike: ["x", "value"], channels: "pad" },
  infer: ({ x, pads }) => {
    if (!pads.data)
      return [
        sameAs(
          x,
          x.shape.map((_, i) => unknownDim(pads, i)),
        ),
      ];
    const amounts = constantInts("pad", "pads", pads);
    if (amounts.length !== 2 * x.shape.length) throw misfit("pad", `${amounts.length} pads`, [x, pads]);
    return [
      sameAs(
        x,
        x.shape.map((d, i) => addDim(d, (amounts[i] ?? 0) + (amounts[i + x.shape.length] ?? 0))),
      ),
    ];
  },
  compute: ({ out }, { x, pads, value }, { mode }) => {
    const begin = constantInts("pad", "pads", pads).slice(0, x.dims.length);
    return gather(out, ({ p, read }) => {
      const index = p.map((i, axis) => sub(i, int(begin[axis] ?? 0)));
      if (mode === "constant") return read(x, index, value ? scalar(value, read) : constant(0, x.dtype));
      return read(
        x,
        index.map((i, axis) => outsideIndex(mode, i, x.dims[axis] ?? 1)),
      );
    });
  },
});

function scalar(value: Computed, read: (operand: Computed, index: readonly Expr[]) => Expr): Expr {
  if (value.data) return constant(value.data.data[0] ?? 0, value.dtype);
  return read(
    value,
    value.dims.map(() => int(0)),
  );
}

/** Moves channels into b×b blocks of space; DCR: depth-column-row order, CRD: column-row-depth. */
export const depthToSpace: Op = defineOp({
  name: "depthToSpace",
  inputs: { x: "any" },
  attrs: { blockSize: 1, mode: "DCR" },
  infer: ({ x }, { blockSize: b }) => {
    const [n = 1, c = 1, h = 1, w = 1] = x.shape;
    return [sameAs(x, [n, divDim(c, b * b), mulDim(h, b), mulDim(w, b)])];
  },
  compute: ({ out }, { x }, { blockSize: b, mode }) => {
    const channels = out.dims[1] ?? 1;
    return gather(out, ({ p: [n = int(0), c = int(0), h = int(0), w = int(0)], read }) => {
      const inner = add(mul(mod(h, int(b)), int(b)), mod(w, int(b)));
      const channel = mode === "DCR" ? add(mul(inner, int(channels)), c) : add(mul(c, int(b * b)), inner);
      return read(x, [n, channel, div(h, int(b)), div(w, int(b))]);
    });
  },
});

export const spaceToDepth: Op = defineOp({
  name: "spaceToDepth",
  inputs: { x: "any" },
  attrs: { blockSize: 1 },
  infer: ({ x }, { blockSize: b }) => {
    const [n = 1, c = 1, h = 1, w = 1] = x.shape;
    return [sameAs(x, [n, mulDim(c, b * b), divDim(h, b), divDim(w, b)])];
  },
  compute: ({ out }, { x }, { blockSize: b }) => {
    const channels = x.dims[1] ?? 1;
    return gather(out, ({ p: [n = int(0), c = int(0), h = int(0), w = int(0)], read }) => {
      const inner = div(c, int(channels));
      return read(x, [n, mod(c, int(channels)), add(mul(h, int(b)), div(inner, int(b))), add(mul(w, int(b)), mod(inner, int(b)))]);
    });
  },
});
