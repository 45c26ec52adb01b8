import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { readLabelPng } from "./label-png.ts";
import { readMat5 } from "./mat5.ts";
import { readWiderMat } from "./wider-mat.ts";

/** A MATLAB 5 element: type, size, data padded to 8 bytes. */
function element(type: number, data: Uint8Array, size = data.length): Uint8Array {
  const out = new Uint8Array(8 + Math.ceil(data.length / 8) * 8);
  const view = new DataView(out.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, size, true);
  out.set(data, 8);
  return out;
}

const join = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(parts.flatMap((p) => [...p]));
const words = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function matrix(kind: number, dims: number[], name: string, ...rest: Uint8Array[]): Uint8Array {
  return element(14, join(element(6, words(kind, 0)), element(5, words(...dims)), element(1, text(name)), ...rest));
}

const int32 = (dims: number[], ...values: number[]): Uint8Array => matrix(12, dims, "", element(5, words(...values)));
const chars = (value: string): Uint8Array => matrix(4, [1, value.length], "", element(16, text(value)));
const cell = (name: string, ...items: Uint8Array[]): Uint8Array => matrix(1, [items.length, 1], name, ...items);

function file(...elements: Uint8Array[]): Uint8Array {
  const header = new Uint8Array(128);
  header.set(text("MATLAB 5.0 MAT-file"));
  header.set(text("IM"), 126);
  return join(header, ...elements);
}

const packed = (data: Uint8Array): Uint8Array => {
  const deflated = new Uint8Array(deflateSync(data));
  return join(words(15, deflated.length), deflated);
};

const wider = (): Uint8Array =>
  file(
    packed(cell("event_list", chars("0--Parade"))),
    cell("file_list", cell("", chars("a"), chars("b"))),
    cell("face_bbx_list", cell("", int32([2, 4], 1, 2, 3, 4, 5, 6, 7, 8), int32([0, 4]))),
    cell("gt_list", cell("", int32([1, 1], 2), int32([0, 1]))),
  );

describe("MATLAB 5", () => {
  test("cells, text, numbers column by column, compressed or not", async () => {
    expect(await readWiderMat({ hard: wider() })).toEqual([
      {
        image: "0--Parade/a",
        boxes: [
          [1, 3, 5, 7],
          [2, 4, 6, 8],
        ],
        keep: { hard: [1] },
      },
      { image: "0--Parade/b", boxes: [], keep: { hard: [] } },
    ]);
  });

  test("structs and small elements", async () => {
    const fields = join(element(5, words(4)).slice(0, 0), words(0x00040005, 4), element(1, text("a\0\0\0b\0\0\0")));
    const values = await readMat5(file(matrix(2, [1, 1], "s", fields, int32([1, 1], 7), chars("hi"))));
    expect(values.get("s")).toMatchObject({ kind: "struct", items: [{ a: { data: Float64Array.of(7) }, b: { text: "hi" } }] });
  });

  test("cut or damaged anywhere, it is refused or read, never hangs", async () => {
    const whole = wider();
    for (let end = 0; end < whole.length; end += 5) {
      await readMat5(whole.slice(0, end), "x.mat").catch((error: unknown) => expect(error).toMatchObject({ code: "annotations.invalid" }));
    }
    for (let at = 126; at < whole.length; at += 3) {
      const bytes = whole.slice();
      bytes[at] = 0xff;
      await readWiderMat({ hard: bytes }).catch((error: unknown) => expect(error).toMatchObject({ code: "annotations.invalid" }));
    }
  });

  test("absurd sizes are refused before anything is allocated", async () => {
    const huge = matrix(1, [0x7fffffff, 1], "c");
    await expect(readMat5(file(huge))).rejects.toThrow(/claims 2147483647 entries/);
    await expect(readMat5(file(matrix(1, [-1, 1], "c")))).rejects.toThrow(/has the size -1x1/);
    await expect(readMat5(file(matrix(12, [0x7fffffff, 0x7fffffff, 0x7fffffff], "n", element(5, words(1)))))).rejects.toThrow(/size/);
    await expect(readMat5(file(element(14, new Uint8Array(8), 0xfffffff0)))).rejects.toThrow(/claims 4294967280 bytes/);
    let nested = cell("");
    for (let i = 0; i < 40; i++) nested = cell("", nested);
    await expect(readMat5(file(nested))).rejects.toThrow(/32 deep/);
    await expect(readMat5(new Uint8Array(10))).rejects.toThrow(/no header/);
    await expect(readMat5(new Uint8Array(200))).rejects.toThrow(/no MATLAB 5 file/);
  });
});

function png(width: number, height: number, depth: number, colour: number, rows: Uint8Array): Uint8Array {
  const chunk = (type: string, data: Uint8Array): Uint8Array => {
    const size = new Uint8Array(4);
    new DataView(size.buffer).setUint32(0, data.length);
    return join(size, text(type), data, new Uint8Array(4));
  };
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set([depth, colour, 0, 0, 0], 8);
  return join(
    new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk("IHDR", header),
    chunk("IDAT", new Uint8Array(deflateSync(rows))),
    chunk("IEND", new Uint8Array(0)),
  );
}

describe("label pictures", () => {
  test("every row filter, and depths below 8", async () => {
    // Each row filter of the PNG specification, undone by hand.
    const rows = new Uint8Array([0, 1, 2, 3, 1, 1, 1, 1, 2, 1, 1, 1, 3, 1, 1, 1, 4, 1, 1, 1]);
    const { labels } = await readLabelPng(png(3, 5, 8, 3, rows));
    expect([...labels]).toEqual([1, 2, 3, 1, 2, 3, 2, 3, 4, 2, 3, 4, 3, 4, 5]);
    const narrow = await readLabelPng(png(3, 2, 2, 0, new Uint8Array([0, 0b00_01_10_00, 0, 0b11_10_01_00])));
    expect([...narrow.labels]).toEqual([0, 1, 2, 3, 2, 1]);
  });

  test("colours, absurd sizes, bombs and cuts are refused", async () => {
    await expect(readLabelPng(png(1, 1, 8, 2, new Uint8Array(4)))).rejects.toThrow(/palette or grey/);
    await expect(readLabelPng(png(4e9, 4e9, 8, 3, new Uint8Array(4)))).rejects.toThrow(/pixels/);
    await expect(readLabelPng(png(2, 2, 8, 3, new Uint8Array(1_000_000)))).rejects.toThrow(/inflates to more/);
    await expect(readLabelPng(png(2, 2, 8, 3, new Uint8Array(4)))).rejects.toThrow(/cut short/);
    await expect(readLabelPng(text("hello"))).rejects.toThrow(/no PNG/);
    await expect(readLabelPng(png(2, 2, 8, 3, new Uint8Array([9, 1, 1, 0, 1, 1])))).rejects.toThrow(/unknown filter/);
  });
});
