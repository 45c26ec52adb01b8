/** Softmax and its kin: up to operator set 12 over all axes from `axis` on, taken as one; since 13 over one axis. */
import type { Adapter, Site } from "./site.ts";
import type { Table } from "./table.ts";

/** The one axis of those from `from` on that is longer than 1; undefined when there are more, or it is not known. */
function onlyAxis(s: Site, from: number): number | undefined {
  const dims = s.known(s.input(0)).dims;
  if (dims === undefined) return undefined;
  const long = dims.flatMap((d, i) => (i >= from && d !== 1 ? [i] : []));
  return long.length > 1 ? undefined : (long[0] ?? dims.length - 1);
}

const up13: Adapter = (s) => {
  const given = s.int("axis", 1);
  const dims = s.known(s.input(0)).dims;
  const axis = given < 0 && dims ? given + dims.length : given;
  const only = axis < 0 ? (axis === -1 ? -1 : undefined) : onlyAxis(s, axis);
  if (only !== undefined) {
    s.keep({ attributes: { axis: BigInt(only) } });
    return;
  }
  const x = s.input(0);
  const flat = s.step("Flatten", [x], { axis: BigInt(axis) }, { type: s.known(x).type, dims: [undefined, undefined] });
  const over = s.step(s.node.opType, [flat], { axis: -1n }, flat);
  s.emit("Reshape", [over, s.step("Shape", [x])]);
};

/** The axis is brought to the end, and back. */
const down13: Adapter = (s) => {
  const given = s.int("axis", -1);
  const x = s.input(0);
  const dims = s.known(x).dims;
  if (given === -1 && dims === undefined) {
    s.keep({ attributes: { axis: -1n } });
    return;
  }
  const rank = s.rank(x);
  const axis = s.axis(given, () => rank);
  if (onlyAxis(s, axis) === axis) {
    s.keep({ attributes: { axis: BigInt(axis) } });
    return;
  }
  const order = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis);
  const perm = [...order, axis];
  const back = perm.map((_, i) => BigInt(perm.indexOf(i)));
  const moved = { type: s.known(x).type, dims: perm.map((i) => dims?.[i]) };
  const last = s.step("Transpose", [x], { perm: perm.map((p) => BigInt(p)) }, moved);
  s.emit("Transpose", [s.step(s.node.opType, [last], { axis: BigInt(rank - 1) }, moved)], { perm: back });
};

const down11: Adapter = (s) => {
  const axis = s.int("axis", 1);
  s.keep({ attributes: { axis: BigInt(s.axis(axis, () => s.rank(s.input(0)))) } });
};

const DOWN = { 11: down11, 13: down13 };

export const SOFTMAX: Table = {
  up: { Hardmax: { 13: up13 }, LogSoftmax: { 13: up13 }, Softmax: { 13: up13 } },
  down: { Hardmax: DOWN, LogSoftmax: DOWN, Softmax: DOWN },
};
