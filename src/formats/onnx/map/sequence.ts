/**
 * Sequences and optionals. How long a sequence is, and whether an optional has an element, is known while importing, so every
 * operator on them is decided here, and the graph that comes out has tensors only: it runs on every target.
 */
import type { Value } from "../../../ir/graph.ts";
import { isStatic, shapeText } from "../../../tensor/dim.ts";
import { tensor } from "../../../tensor/tensor.ts";
import { HoneError, must } from "../../../util/errors.ts";
import { isTensor, present, type Sequence, tensorOnly, type Thing } from "../things.ts";
import type { FlowMapper } from "./flow.ts";
import type { NodeView } from "./node.ts";

/** Elements that a sequence may have: each becomes nodes. */
const MAX_LENGTH = 1 << 16;

const sequence = (items: readonly Thing[]): Sequence => {
  if (items.length > MAX_LENGTH)
    throw new HoneError("model.unsupported", `a sequence of ${items.length} elements; hone takes up to ${MAX_LENGTH}`);
  return { kind: "sequence", items };
};

function itemsOf(thing: Thing | undefined): readonly Thing[] {
  if (thing !== undefined && !isTensor(thing) && thing.kind === "sequence") return thing.items;
  throw new HoneError(
    "model.damaged",
    `the input is ${thing === undefined ? "missing" : isTensor(thing) ? "a tensor" : `an ${thing.kind}`}, not a sequence`,
  );
}

/** The position in input i, counted from the front; `undefined` when it is computed while the model runs. */
function position(n: NodeView, i: number, length: number, absent: number): number | undefined {
  if (n.inputs[i] === undefined) return absent;
  const given = n.known(i)?.[0];
  if (given === undefined) return undefined;
  const at = given < 0 ? given + length : given;
  if (Number.isInteger(at) && at >= 0 && at <= length) return at;
  throw new HoneError("model.damaged", `position ${given} of a sequence of ${length} elements`);
}

const fixed = (n: NodeView, at: number | undefined): number => {
  if (at === undefined) throw n.unsupported("a position that is computed while the model runs");
  return at;
};

/** Where elements are alike, one of them can also be picked while the model runs. */
const at: FlowMapper = (n, things) => {
  const items = itemsOf(things[0]);
  const place = position(n, 1, items.length, items.length);
  if (place !== undefined) {
    const item = items[place];
    if (item === undefined) throw new HoneError("model.damaged", `a sequence of ${items.length} elements has no element ${place}`);
    return item;
  }
  const tensors = items.map((t) => tensorOnly(t, "an element"));
  const [first] = tensors;
  const alike =
    first && tensors.every((v) => v.dtype === first.dtype && isStatic(v.shape) && shapeText(v.shape) === shapeText(first.shape));
  if (!alike) throw n.unsupported("a position that is computed while the model runs, in a sequence of different shapes");
  return n.emit("gather", [stacked(n, tensors), n.input(1)], { axis: 0 });
};

const stacked = (n: NodeView, tensors: readonly Value[]): Value =>
  n.step(
    "concat",
    tensors.map((v) => n.step("unsqueeze", [v], { axes: [0] })),
    { axis: 0 },
  );

const insert: FlowMapper = (n, things) => {
  const items = itemsOf(things[0]);
  const place = fixed(n, position(n, 2, items.length, items.length));
  return sequence([...items.slice(0, place), present(things[1], "an element"), ...items.slice(place)]);
};

const erase: FlowMapper = (n, things) => {
  const items = itemsOf(things[0]);
  const place = fixed(n, position(n, 1, items.length, items.length - 1));
  return sequence(items.filter((_, i) => i !== place));
};

const length: FlowMapper = (n, things) => n.constant(tensor("int64", [], BigInt64Array.of(BigInt(itemsOf(things[0]).length))));

function partSizes(n: NodeView, size: number): readonly number[] {
  const given = n.fixed(1, "sizes of parts");
  const [each = 1] = given ?? [1];
  if (given && n.input(1).shape.length > 0) return given;
  if (!(each >= 1) || size / each > MAX_LENGTH) throw new HoneError("model.damaged", `parts of ${each} of an axis of ${size}`);
  return Array.from({ length: Math.ceil(size / each) }, (_, i) => Math.min(each, size - i * each));
}

const split: FlowMapper = (n) => {
  const x = n.input(0);
  const given = n.int("axis", 0);
  const axis = given < 0 ? given + x.shape.length : given;
  const size = x.shape[axis];
  if (typeof size !== "number") throw n.unsupported("an axis of unknown size", "Give the input shapes with --shape.");
  const sizes = partSizes(n, size);
  const parts = n.emitAll("split", [x], { axis, sizes }, sizes.length);
  const squeezes = n.inputs[1] === undefined && !n.flag("keepdims", true);
  return sequence(squeezes ? parts.map((v) => n.step("squeeze", [v], { axes: [axis] })) : parts);
};

const concat: FlowMapper = (n, things) => {
  const parts = itemsOf(things[0]).map((t) => tensorOnly(t, "an element"));
  const axis = n.int("axis", 0);
  if (!n.flag("new_axis")) return n.emit("concat", parts, { axis });
  const at = axis < 0 ? axis + (parts[0]?.shape.length ?? 0) + 1 : axis;
  const lifted = parts.map((v) => n.step("unsqueeze", [v], { axes: [at] }));
  return n.emit("concat", lifted, { axis: at });
};

/** The body once for each element. */
const map: FlowMapper = (n, things, flow) => {
  const body = n.graph("body");
  const inputs = things.map((t) => present(t, "an input"));
  const results = itemsOf(inputs[0]).map((_, i) =>
    flow.inline(
      body,
      inputs.map((t, k) =>
        !isTensor(t) && (k === 0 || t.kind === "sequence") ? present(itemsOf(t)[i], "an element of a shorter sequence") : t,
      ),
    ),
  );
  return body.output.map((_, k) => sequence(results.map((r) => must(r[k], "output"))));
};

const hasElement = (thing: Thing | undefined): boolean =>
  thing !== undefined && (isTensor(thing) || thing.kind !== "optional" || thing.value !== undefined);

const getElement: FlowMapper = (_, [thing]) => {
  if (thing === undefined) throw new HoneError("model.damaged", "the node has no input 0");
  if (isTensor(thing) || thing.kind !== "optional") return thing;
  if (thing.value === undefined) throw new HoneError("model.damaged", "the optional has no element to get");
  return thing.value;
};

export const SEQUENCES: Readonly<Record<string, FlowMapper>> = {
  ConcatFromSequence: concat,
  Identity: (_, [thing]) => present(thing, "an input"),
  Optional: (_, [thing]) => ({ kind: "optional", value: thing }),
  OptionalGetElement: getElement,
  OptionalHasElement: (n, [thing]) => n.constant(tensor("bool", [], Uint8Array.of(hasElement(thing) ? 1 : 0))),
  SequenceAt: at,
  SequenceConstruct: (_, things) => sequence(things.map((t) => present(t, "an element"))),
  SequenceEmpty: () => sequence([]),
  SequenceErase: erase,
  SequenceInsert: insert,
  SequenceLength: length,
  SequenceMap: map,
  SplitToSequence: split,
};
