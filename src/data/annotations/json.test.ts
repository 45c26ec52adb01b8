import { describe, expect, test } from "vitest";
import { readCoco, readCocoResults, writeCoco, writeCocoResults } from "./coco.ts";
import { forEachElement } from "./json-elements.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function* pieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const all = bytes(text);
  for (let at = 0; at < all.length; at += size) yield await Promise.resolve(all.subarray(at, at + size));
}

const SET = {
  info: { note: 'braces {[ and \\" quotes' },
  images: [{ id: 1, width: 10, height: 20, file_name: 'ä"}.jpg' }],
  extra: [1, "a,b", null, true, [1, [2]], {}],
  categories: [{ id: 3, name: "cat", frequency: "c" }],
  annotations: [
    { id: 7, image_id: 1, category_id: 3, bbox: [1, 2, 3, 4], area: 5.5, iscrowd: 1, segmentation: { size: [20, 10], counts: "abc" } },
    { id: 8, image_id: 1, category_id: 3, bbox: [1, 2, 3, 4], segmentation: [[1, 2, 3, 4, 5, 6]], keypoints: [1, 2, 2], num_keypoints: 1 },
  ],
};

describe("elements of JSON", () => {
  test("are the same whatever the pieces it comes in", async () => {
    const text = JSON.stringify(SET, null, 1);
    const read = async (size: number): Promise<unknown[]> => {
      const found: unknown[] = [];
      await forEachElement(pieces(text, size), (key, element, index) => found.push([key, element, index]));
      return found;
    };
    const whole = await read(1e6);
    expect(whole).toEqual([
      ["info", SET.info, -1],
      ["images", SET.images[0], 0],
      ...SET.extra.map((e, i) => ["extra", e, i]),
      ["categories", SET.categories[0], 0],
      ...SET.annotations.map((a, i) => ["annotations", a, i]),
    ]);
    for (const size of [1, 2, 3, 7, 64]) expect(await read(size)).toEqual(whole);
  });

  test("cut anywhere, the file is refused by name, never hangs and never passes", async () => {
    const text = JSON.stringify(SET);
    for (let end = 0; end < text.length; end++) {
      await expect(readCoco(text.slice(0, end), "cut.json")).rejects.toMatchObject({
        code: "annotations.invalid",
        at: { file: "cut.json" },
      });
    }
  });

  test("says where it is damaged", async () => {
    await expect(readCoco('{"images":[{"id":1},{"id":}]}')).rejects.toThrow(/element 1 of "images"/);
    await expect(readCocoResults("[{},")).rejects.toThrow(/ends in element 1/);
    await expect(readCocoResults("hello")).rejects.toThrow(/unexpected character "h" at byte 0/);
    await expect(readCocoResults(`[${"[".repeat(1000)}`)).rejects.toThrow(/nested more than 200/);
    await expect(readCocoResults('{"images":[1]}')).rejects.toThrow(/file of detections/);
    await expect(readCoco("[]")).rejects.toThrow(/no "images" and "annotations"/);
  });
});

describe("COCO", () => {
  test("reads what metrics takes, and writes it back", async () => {
    const set = await readCoco(JSON.stringify(SET));
    expect(set.truths[0]).toEqual({
      id: 7,
      image: 1,
      category: 3,
      box: [1, 2, 3, 4],
      area: 5.5,
      crowd: true,
      segmentation: { size: [20, 10], counts: "abc" },
    });
    expect(set.truths[1]).toMatchObject({ keypoints: [1, 2, 2], keypointCount: 1, segmentation: [[1, 2, 3, 4, 5, 6]] });
    expect(set.images[0]).toEqual({ id: 1, width: 10, height: 20, file: 'ä"}.jpg' });
    const again = await readCoco(writeCoco(set));
    expect(again.truths[0]).toEqual(set.truths[0]);
    expect(again.images).toEqual(set.images);
  });

  test("records that lack something are named and the rest is kept", async () => {
    const set = await readCoco(
      JSON.stringify({ images: [{}, { id: 1 }], annotations: [5, { image_id: 1 }, { image_id: 1, category_id: 2, bbox: [0, 0, 1, 1] }] }),
    );
    expect(set.truths).toHaveLength(1);
    expect(set.problems.map((p) => p.message)).toEqual([
      "images[0] has no id",
      "annotations[0] is no object",
      "annotations[1] lacks image_id, category_id or four numbers of bbox",
    ]);
    const many = await readCocoResults(JSON.stringify(Array.from({ length: 80 }, () => ({}))));
    expect(many.problems).toHaveLength(51);
    expect(many.problems.at(-1)?.message).toBe("and 30 more");
  });

  test("the first result decides whose area counts", async () => {
    const mask = { size: [4, 4], counts: [4, 4, 8] };
    const boxed = await readCocoResults(
      JSON.stringify([{ image_id: 1, category_id: 1, score: 1, bbox: [0, 0, 2, 3], segmentation: mask }]),
    );
    expect(boxed.detections[0]?.area).toBe(6);
    const masked = await readCocoResults(JSON.stringify([{ image_id: 1, category_id: 1, score: 1, segmentation: mask }]));
    expect(masked.detections[0]).toEqual({ image: 1, category: 1, score: 1, box: [0, 0, 0, 0], segmentation: mask });
    expect((await readCocoResults(writeCocoResults(boxed.detections))).detections).toEqual(boxed.detections);
  });
});
