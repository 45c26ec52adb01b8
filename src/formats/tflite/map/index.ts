import { ELEMENTWISE } from "./elementwise.ts";
import type { Mapper } from "./node.ts";
import { SHAPES } from "./shape.ts";
import { WINDOWS } from "./window.ts";

/** Every operator of TFLite that hone reads, by its name. */
const MAPPERS: ReadonlyMap<string, Mapper> = new Map(Object.entries({ ...ELEMENTWISE, ...WINDOWS, ...SHAPES }));

export const findMapper = (op: string): Mapper | undefined => MAPPERS.get(op);
