import { ELEMENTWISE } from "./elementwise.ts";
import { LINEAR } from "./norm.ts";
import type { Mapper } from "./node.ts";
import { REDUCTIONS } from "./reduce.ts";
import { SHAPES } from "./shape.ts";
import { WINDOWS } from "./window.ts";

/** Every operator of ONNX that hone reads, by its name. */
const MAPPERS: ReadonlyMap<string, Mapper> = new Map(Object.entries({ ...ELEMENTWISE, ...WINDOWS, ...SHAPES, ...REDUCTIONS, ...LINEAR }));

export const findMapper = (opType: string): Mapper | undefined => MAPPERS.get(opType);
