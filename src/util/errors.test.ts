import { describe, expect, test } from "vitest";
import { HoneError, invariant, locate, must, unreachable } from "./errors.ts";

describe("HoneError", () => {
  test("describe() gives message, place, problems and hint, in this order", () => {
    const error = new HoneError("model.unsupported", "2 operators are unsupported", {
      at: { file: "a.onnx" },
      hint: "Export with opset 13.",
      problems: [{ message: "no Foo", at: { node: "n1", op: "Foo" }, hint: "use Bar" }, { message: "no Baz" }],
    });
    expect(error.describe()).toBe(
      "2 operators are unsupported [file a.onnx]\n  - no Foo [node n1, op Foo] (use Bar)\n  - no Baz\nhint: Export with opset 13.",
    );
  });

  test("describe() tells the same of many nodes once, and keeps them all for programs", () => {
    const of = (node: string): { message: string; at: { node: string; op: string } } => ({ message: "no Foo", at: { node, op: "Foo" } });
    const error = new HoneError("model.unsupported", "6 problems", {
      problems: [...["a", "b", "c", "d", "e"].map(of), { message: "no Bar", at: { node: "a", op: "Bar" } }],
    });
    expect(error.describe()).toBe("6 problems\n  - no Foo [node a, b, c and 2 more, op Foo]\n  - no Bar [node a, op Bar]");
    expect(error.problems.length).toBe(6);
  });

  test("the exit code follows from the code", () => {
    expect(new HoneError("usage", "x").exitCode).toBe(2);
    expect(new HoneError("model.unsupported", "x").exitCode).toBe(4);
    expect(new HoneError("gate.speed", "x").exitCode).toBe(3);
  });

  test("is an Error with its cause, and has no cause of its own making", () => {
    const cause = new Error("ENOENT");
    expect(new HoneError("file.not-found", "x", { cause }).cause).toBe(cause);
    expect("cause" in new HoneError("usage", "x")).toBe(false);
    expect(new HoneError("usage", "x")).toBeInstanceOf(Error);
  });
});

describe("locate", () => {
  test("adds what is not known and keeps the rest", () => {
    const cause = new Error("inner");
    const error = new HoneError("graph.shape", "bad", { at: { node: "inner" }, hint: "h", cause, problems: [{ message: "p" }] });
    const located = locate(error, { node: "outer", file: "m.onnx" });
    expect(located).toMatchObject({ code: "graph.shape", message: "bad", at: { node: "inner", file: "m.onnx" }, hint: "h", cause });
    expect((located as HoneError).problems).toEqual([{ message: "p" }]);
  });

  test("leaves foreign errors alone", () => {
    const error = new TypeError("x");
    expect(locate(error, { file: "f" })).toBe(error);
  });
});

describe("our own bugs", () => {
  const internal: unknown = expect.objectContaining({ code: "internal" });

  test("invariant", () => {
    expect(() => invariant([1].length === 1, "order")).not.toThrow();
    expect(() => invariant([1].length === 2, "order")).toThrow(internal);
  });

  test("must gives the value, falsy ones too", () => {
    expect(must(0, "zero")).toBe(0);
    expect(must("", "text")).toBe("");
    expect(() => must(undefined, "x")).toThrow(internal);
    expect(() => must(null, "x")).toThrow(internal);
  });

  test("unreachable survives values that JSON cannot hold", () => {
    const value: unknown = 1n;
    expect(() => unreachable(value as never)).toThrow(internal);
  });
});
