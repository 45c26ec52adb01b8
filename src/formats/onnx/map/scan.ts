import type { Attrs, Value } from "../../../ir/graph.ts";
import { tensor } from "../../../tensor/tensor.ts";
import { HoneError } from "../../../util/errors.ts";
import { int64Tensor } from "../../int64.ts";
import type { OnnxGraph } from "../ast.ts";
import { present, tensorOnly } from "../things.ts";
import type { Flow, FlowMapper, MadeRegion } from "./flow.ts";
import type { NodeView } from "./node.ts";

/** How a scan walks: the axes of its inputs and outputs, and which of them it walks backwards. */
interface Walk {
  readonly inputAxes: readonly number[];
  readonly backwards: readonly boolean[];
}

type Step = (op: string, inputs: readonly (Value | undefined)[], attrs?: Attrs) => Value;

/** What makes nodes where a scan stands: at the node, or in the loop over batches that operator set 8 has around it. */
interface Site {
  readonly flow: Flow;
  readonly step: Step;
  readonly constant: (values: readonly number[], dims?: readonly number[]) => Value;
  readonly loop: (inputs: readonly (Value | undefined)[], carried: number, outputs: number, body: MadeRegion) => readonly Value[];
}

const sizeOf = (v: Value, axis: number): number | undefined => {
  const size = v.shape[axis];
  return typeof size === "number" ? size : undefined;
};

/** How many slices there are along an axis, as a value. */
function lengthOf(site: Site, v: Value, axis: number): Value {
  const size = sizeOf(v, axis);
  if (size !== undefined) return site.constant([size], []);
  return site.step("gather", [site.step("shape", [v], {}), site.constant([axis], [])], { axis: 0 });
}

/** A scan is a loop: an iteration picks its slices, and the outputs are joined along a first axis. */
function scanLoop(site: Site, body: OnnxGraph, states: readonly Value[], scanned: readonly Value[], walk: Walk): readonly Value[] {
  const [first] = scanned;
  if (!first) throw new HoneError("model.damaged", "the scan has nothing to scan");
  const length = lengthOf(site, first, walk.inputAxes[0] ?? 0);
  const region = site.flow.region("scan", (r) => {
    const counter = r.input("iteration", { dtype: "int64", shape: [] });
    const state = states.map((v) => r.input(v.name, v));
    const one = r.constant(tensor("int64", [], BigInt64Array.of(1n)));
    const slices = scanned.map((v, i) => {
      const at = walk.backwards[i] ? r.step("sub", [r.step("sub", [r.use(length), counter]), one]) : counter;
      return r.step("gather", [r.use(v), at], { axis: walk.inputAxes[i] ?? 0 });
    });
    return r.run(body, [...state, ...slices]).map((t) => tensorOnly(t, "an output of the scan's body"));
  });
  return site.loop([length, undefined, ...states, ...region.captures.keys()], states.length, body.output.length, region);
}

const at = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

function siteOf(n: NodeView, flow: Flow): Site {
  return {
    flow,
    step: (op, inputs, attrs = {}) => n.step(op, inputs, attrs),
    constant: (values, dims) => n.ints64(values, dims),
    loop: (inputs, carried, outputs, body) => n.emitAll("loop", inputs, { carried, exits: false }, outputs, [body.graph]),
  };
}

/** From operator set 9 on: no batches, any axis. */
function scan9(n: NodeView, body: OnnxGraph, inputs: readonly Value[], flow: Flow): readonly Value[] {
  const count = n.int("num_scan_inputs", 1);
  const states = inputs.slice(0, inputs.length - count);
  const scanned = inputs.slice(states.length);
  const outputs = body.output.length - states.length;
  const axes = n.ints("scan_input_axes") ?? [];
  const walk = {
    inputAxes: scanned.map((v, i) => at(axes[i] ?? 0, v.shape.length)),
    backwards: scanned.map((_, i) => n.ints("scan_input_directions")?.[i] === 1),
  };
  const site = siteOf(n, flow);
  const results = scanLoop(site, body, states, scanned, walk);
  const placed = results.slice(states.length).map((v, i) => {
    const reversed = n.ints("scan_output_directions")?.[i] === 1 ? backwards(site, v) : v;
    return moved(site, reversed, at(n.ints("scan_output_axes")?.[i] ?? 0, v.shape.length));
  });
  return [...results.slice(0, states.length), ...placed.slice(0, outputs)];
}

const backwards = (site: Site, v: Value): Value =>
  site.step("slice", [v, site.constant([-1]), site.constant([-(2 ** 31)]), site.constant([0]), site.constant([-1])], {});

/** The first axis goes to `axis`. */
function moved(site: Site, v: Value, axis: number): Value {
  if (axis === 0) return v;
  const rest = v.shape.map((_, i) => i).slice(1);
  return site.step("transpose", [v], { perm: [...rest.slice(0, axis), 0, ...rest.slice(axis)] });
}

/** Operator set 8: the first axis is the batch, the second is scanned; sequences of different lengths are not known to be written by anyone. */
function scan8(n: NodeView, body: OnnxGraph, given: readonly (Value | undefined)[], flow: Flow): readonly Value[] {
  if (given[0]) throw n.unsupported("sequence_lens");
  const inputs = given.slice(1).map((v) => present(v, "an input"));
  const count = n.int("num_scan_inputs", 1);
  const states = inputs.slice(0, inputs.length - count);
  const scanned = inputs.slice(states.length);
  const directions = n.ints("directions") ?? [];
  const site = siteOf(n, flow);
  const [first] = inputs;
  if (!first) throw new HoneError("model.damaged", "the scan has no inputs");
  const batches = lengthOf(site, first, 0);
  const region = flow.region("batch", (r) => {
    const counter = r.input("batch", { dtype: "int64", shape: [] });
    const pick = (v: Value): Value => r.step("gather", [r.use(v), counter], { axis: 0 });
    const inner: Site = {
      flow: r.flow,
      step: r.step,
      constant: (values, dims) => r.constant(int64Tensor(values, dims)),
      loop: (list, carried, outputs, made) => r.steps("loop", list, { carried, exits: false }, outputs, [made.graph]),
    };
    const walk = { inputAxes: scanned.map(() => 0), backwards: scanned.map((_, i) => directions[i] === 1) };
    return scanLoop(inner, body, states.map(pick), scanned.map(pick), walk);
  });
  return site.loop([batches, undefined, ...region.captures.keys()], 0, body.output.length, region);
}

export const scan: FlowMapper = (n, things, flow) => {
  const body = n.graph("body");
  const inputs = things.map((t) => t && tensorOnly(t, "an input of the scan"));
  return n.opset < 9
    ? scan8(n, body, inputs, flow)
    : scan9(
        n,
        body,
        inputs.map((v) => present(v, "an input")),
        flow,
      );
};
