import { ATTENTION } from "./attention.ts";
import { CASTS, guarded } from "./cast.ts";
import { CONTROL } from "./control.ts";
import { ELEMENTS } from "./elements.ts";
import { ELEMENTWISE } from "./elementwise.ts";
import type { FlowMapper } from "./flow.ts";
import { LINEAR_ATTENTION } from "./linear-attention.ts";
import { LOSSES } from "./loss.ts";
import { LINEAR } from "./norm.ts";
import type { Mapper } from "./node.ts";
import { QUANTIZED } from "./quantize.ts";
import { RECURRENT } from "./recurrent.ts";
import { REDUCTIONS } from "./reduce.ts";
import { SAMPLES } from "./sample.ts";
import { SEQUENCES } from "./sequence.ts";
import { SIZED, sizeGuarded } from "./sized.ts";
import { RESIZES } from "./resize.ts";
import { SIGNALS } from "./signal.ts";
import { SHAPES } from "./shape.ts";
import { TEXTS } from "./text.ts";
import type { TextMapper } from "./text-node.ts";
import { WINDOWS } from "./window.ts";

/** Every operator of ONNX that hone reads, by its name. */
const MAPPERS: ReadonlyMap<string, Mapper> = new Map(
  Object.entries({
    ...ELEMENTWISE,
    ...WINDOWS,
    ...SHAPES,
    ...REDUCTIONS,
    ...LINEAR,
    ...ELEMENTS,
    ...QUANTIZED,
    ...LOSSES,
    ...SAMPLES,
    ...ATTENTION,
    ...LINEAR_ATTENTION,
    ...CASTS,
    ...RECURRENT,
    ...SIGNALS,
    ...RESIZES,
    ...SIZED,
  }),
);

/** Those that take subgraphs, sequences or optionals. */
const FLOW_MAPPERS: ReadonlyMap<string, FlowMapper> = new Map(Object.entries({ ...CONTROL, ...SEQUENCES }));

const TEXT_MAPPERS: ReadonlyMap<string, TextMapper> = new Map(Object.entries(TEXTS));

/** Of an operator some of whose operands are strings. */
export const findTextMapper = (opType: string): TextMapper | undefined => TEXT_MAPPERS.get(opType);

export const findFlowMapper = (opType: string): FlowMapper | undefined => FLOW_MAPPERS.get(opType);

export function findMapper(opType: string): Mapper | undefined {
  const mapper = MAPPERS.get(opType);
  return mapper && sizeGuarded(guarded(mapper));
}
