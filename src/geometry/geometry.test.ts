import { describe, expect, test } from "vitest";
import { boxArea, boxFromCentre, boxFromCorners, clipBox, intersection, iou } from "./box.ts";
import { nms, weightedNms } from "./nms.ts";
import { IDENTITY, compose, invert, moveBox, movePoint, scaleThenMove, similarity, type Affine } from "./transform.ts";

const box = (x: number, y: number, w: number, h: number): { x: number; y: number; w: number; h: number } => ({ x, y, w, h });

describe("boxes", () => {
  test("IoU by hand: half overlap, touching, inside, empty", () => {
    expect(iou(box(0, 0, 10, 10), box(5, 0, 10, 10))).toBeCloseTo(50 / 150, 12);
    expect(iou(box(0, 0, 10, 10), box(10, 0, 10, 10))).toBe(0);
    expect(iou(box(0, 0, 10, 10), box(0, 0, 5, 10))).toBe(0.5);
    expect(iou(box(0, 0, 0, 0), box(0, 0, 0, 0))).toBe(0);
    expect(intersection(box(0, 0, 4, 4), box(1, 1, 2, 2))).toBe(4);
  });

  test("corners in any order, centre and size, area", () => {
    expect(boxFromCorners(7, 8, 3, 4)).toEqual(box(3, 4, 4, 4));
    expect(boxFromCentre(5, 5, 4, 2)).toEqual(box(3, 4, 4, 2));
    expect(boxArea(box(0, 0, -3, 5))).toBe(0);
  });

  test("clipping keeps what lies inside", () => {
    expect(clipBox(box(-5, -5, 10, 20), 8, 8)).toEqual(box(0, 0, 5, 8));
    expect(clipBox(box(20, 20, 5, 5), 8, 8)).toEqual(box(8, 8, 0, 0));
  });
});

describe("NMS", () => {
  const a = { box: box(0, 0, 10, 10), score: 0.9, classId: 0 };
  const b = { box: box(1, 0, 10, 10), score: 0.8, classId: 1 };
  const c = { box: box(50, 0, 10, 10), score: 0.95, classId: 0 };

  test("drops what overlaps a better one, ordered by score", () => {
    expect(nms([a, b, c], { iou: 0.5 })).toEqual([c, a]);
    expect(nms([a, b, c], { iou: 0.9 })).toEqual([c, a, b]);
    expect(nms([a, b, c], { iou: 0.5, classAware: true })).toEqual([c, a, b]);
    expect(nms([a, b, c], { iou: 0.5, limit: 1 })).toEqual([c]);
  });

  test("overlap equal to the threshold is kept", () => {
    const half = { box: box(0, 0, 5, 10), score: 0.5 };
    expect(nms([a, half], { iou: 0.5 })).toEqual([a, half]);
  });

  test("equal scores keep their order; NaN is left out", () => {
    const twin = { ...b, score: a.score };
    expect(nms([twin, a], { iou: 0.5 })).toEqual([twin]);
    expect(nms([a, twin], { iou: 0.5 })).toEqual([a]);
    expect(nms([{ ...a, score: NaN }, b], { iou: 0.5 })).toEqual([b]);
  });

  test("weighted NMS averages box and points by score and keeps the best score", () => {
    const p = { box: box(0, 0, 10, 10), score: 0.75, points: [{ x: 0, y: 4 }] };
    const q = { box: box(4, 0, 10, 10), score: 0.25, points: [{ x: 4, y: 0 }] };
    expect(weightedNms([q, p, { ...c, points: [] }], { iou: 0.3 })).toEqual([
      { ...c, points: [] },
      { box: box(1, 0, 10, 10), score: 0.75, points: [{ x: 1, y: 3 }] },
    ]);
  });
});

describe("transforms", () => {
  const skew: Affine = [1.5, 0.25, 3, -0.5, 2, -7];

  test("a transform and its inverse give the identity, exactly for power-of-two scales", () => {
    const back = compose(skew, invert(skew));
    back.forEach((v, i) => expect(v).toBeCloseTo(IDENTITY[i] ?? 0, 12));
    const scale = scaleThenMove(0.5, 0.25, 3, 5);
    expect(movePoint(invert(scale), movePoint(scale, { x: 123.25, y: 77 }))).toEqual({ x: 123.25, y: 77 });
  });

  test("compose does the first first", () => {
    const m = compose(scaleThenMove(2, 2, 0, 0), scaleThenMove(1, 1, 5, 6));
    expect(movePoint(m, { x: 1, y: 1 })).toEqual({ x: 7, y: 8 });
  });

  test("a moved box encloses its corners", () => {
    expect(moveBox([0, -1, 0, 1, 0, 0], box(1, 2, 3, 4))).toEqual(box(-6, 1, 4, 3));
  });

  test("no inverse is an error", () => {
    expect(() => invert([1, 2, 0, 2, 4, 0])).toThrow(/no inverse/);
  });

  test("a similarity is found again from its points, and noise is averaged out", () => {
    const [scale, angle] = [1.7, 0.6];
    const truth: Affine = [scale * Math.cos(angle), -scale * Math.sin(angle), 12, scale * Math.sin(angle), scale * Math.cos(angle), -4];
    const from = [box(38.3, 51.7, 0, 0), box(73.5, 51.5, 0, 0), box(56, 71.7, 0, 0), box(41.5, 92.4, 0, 0), box(70.7, 92.2, 0, 0)];
    const to = from.map((p) => movePoint(truth, p));
    similarity(from, to).forEach((v, i) => expect(v).toBeCloseTo(truth[i] ?? 0, 10));
  });

  test("a mirrored target is fitted without reflection", () => {
    const from = [box(0, 0, 0, 0), box(2, 0, 0, 0), box(0, 1, 0, 0)];
    const [a, b, , d, e] = similarity(
      from,
      from.map((p) => ({ x: -p.x, y: p.y })),
    );
    expect(a * e - b * d).toBeGreaterThan(0);
  });

  test("too few or coinciding points are errors", () => {
    expect(() => similarity([box(0, 0, 0, 0)], [box(0, 0, 0, 0)])).toThrow(/two or more/);
    expect(() => similarity([box(1, 1, 0, 0), box(1, 1, 0, 0)], [box(0, 0, 0, 0), box(1, 0, 0, 0)])).toThrow(/differ/);
  });
});
