import { expect, test } from "vitest";
import type { BoxTuple } from "./records.ts";
import { evaluateWider, WiderAccumulator, type WiderDetection, type WiderImage } from "./wider.ts";

const face = (image: string, boxes: BoxTuple[], keep = boxes.map((_, i) => i)): WiderImage => ({ image, boxes, keep: { hard: keep } });
const found = (image: string, box: BoxTuple, score: number): WiderDetection => ({ image, box, score });

test("a proposal on a face that is not kept counts neither way; an image without proposals adds its faces", () => {
  const images = [
    face(
      "a",
      [
        [0, 0, 9, 9],
        [50, 0, 9, 9],
      ],
      [1],
    ),
    face("b", [[0, 0, 9, 9]]),
  ];
  const { metrics, curves } = evaluateWider(images, [
    found("a", [0, 0, 9, 9], 0.9),
    found("a", [50, 0, 9, 9], 0.5),
    found("a", [0, 50, 9, 9], 0.1),
  ]);
  expect(curves.hard?.faces).toBe(2);
  expect(metrics.hard).toBe(0.5);
});

test("a later duplicate on a kept face is one more proposal", () => {
  const { curves } = evaluateWider([face("a", [[0, 0, 9, 9]])], [found("a", [0, 0, 9, 9], 0.9), found("a", [0, 0, 9, 9], 0.5)]);
  expect(curves.hard?.precision.at(-1)).toBe(0.5);
});

test("int32 takes the first face at or above one half, float the best", () => {
  const images = [
    face(
      "a",
      [
        [0, 0, 19, 9],
        [4, 0, 19, 9],
      ],
      [1],
    ),
  ];
  const detections = [found("a", [4, 0, 19, 9], 1), found("a", [300, 300, 9, 9], 0)];
  expect(evaluateWider(images, detections, { mode: "float" }).metrics.hard).toBe(1);
  expect(evaluateWider(images, detections, { mode: "int32" }).metrics.hard).toBe(0);
});

test("shards merge to the same: scores are spread over all of them", () => {
  const images = [
    face("a", [[0, 0, 9, 9]]),
    face("b", [
      [0, 0, 9, 9],
      [20, 0, 9, 9],
    ]),
  ];
  const detections = [
    found("a", [0, 0, 9, 9], 7),
    found("b", [0, 0, 9, 9], 3),
    found("b", [70, 0, 9, 9], 5),
    found("b", [20, 0, 9, 9], -2),
  ];
  const merged = new WiderAccumulator();
  for (const name of ["b", "a"]) {
    const shard = new WiderAccumulator();
    shard.add(
      images.filter((i) => i.image === name),
      detections.filter((d) => d.image === name),
    );
    merged.merge(structuredClone(shard.part()));
  }
  expect(merged.result().curves).toEqual(evaluateWider(images, detections).curves);
});

test("odd input: unknown images and NaN scores are named, equal scores warn, twice is refused", () => {
  const images = [face("a", [[0, 0, 9, 9]])];
  const { warnings, metrics } = evaluateWider(images, [
    found("x", [0, 0, 1, 1], 1),
    found("a", [0, 0, 9, 9], NaN),
    found("a", [0, 0, 9, 9], 2),
  ]);
  expect(warnings.map((w) => w.kind)).toEqual(["image-unknown", "score-not-finite", "scores-equal"]);
  expect(metrics.hard).toBe(1);
  expect(() => evaluateWider([...images, ...images], [])).toThrow(/twice/);
  expect(() => evaluateWider([face("a", [], [3])], [])).toThrow(/keeps face 3 of 0/);
  expect(evaluateWider([], []).metrics).toEqual({});
});
