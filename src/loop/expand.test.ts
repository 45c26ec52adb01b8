import { expect, test } from "vitest";
import { expand } from "./expand.ts";
import { constant } from "./expr.ts";
import { interpret } from "./interpret/interpret.ts";
import type { Nest, Operand } from "./nest.ts";
import type { Buffer } from "./types.ts";

test("the padding of a blocked result is written too: integer kernels read it", () => {
  const result: Operand = { name: "y", dtype: "uint8", dims: [1, 6, 1, 2] };
  const buffer: Buffer = { name: "y", dtype: "uint8", length: 16, access: "readwrite" };
  const nest: Nest = { kind: "map", result, body: () => constant(7, "uint8") };
  const y = new Uint8Array(16).fill(255);
  const body = expand(nest, () => ({ buffer, layout: { kind: "blocked", block: 8 } }));
  interpret({ name: "k", params: [buffer], body }, [y]);
  expect([...y]).toEqual([7, 7, 7, 7, 7, 7, 0, 0, 7, 7, 7, 7, 7, 7, 0, 0]);
});
