import { describe, expect, test } from "vitest";
import { readBoxDetections, readBoxTruths, writeBoxDetections, writeBoxTruths } from "./box-text.ts";
import { eachCsvRow, readCsv, readCsvDetections, writeCsv, writeCsvDetections } from "./csv.ts";
import { readDlibXml, writeDlibXml } from "./dlib-xml.ts";
import { readVocXml, writeVocXml } from "./voc-xml.ts";
import { readWiderDetections, readWiderText, writeWiderText } from "./wider-text.ts";
import { readYolo, readYoloDetections, writeYolo } from "./yolo.ts";

const messages = (set: { problems: readonly { message: string }[] }): string[] => set.problems.map((p) => p.message);

describe("box texts", () => {
  test("corners and sizes, names with spaces, difficult, bad lines", () => {
    const text = "dining table 10 20 30 50\r\n\ncat 1 2 3 4 difficult\ncat 1 2 x 4\n";
    const corners = readBoxTruths([{ name: "a/b.c.txt", text }], "corners");
    expect(corners.truths).toEqual([
      { image: "b.c", category: "dining table", box: [10, 20, 20, 30] },
      { image: "b.c", category: "cat", box: [1, 2, 2, 2], difficult: true },
    ]);
    expect(messages(corners)).toEqual(["line 4: no class name and four numbers"]);
    expect(readBoxTruths([{ name: "x.txt", text: "cat 1 2 3 4" }], "size").truths[0]?.box).toEqual([1, 2, 3, 4]);
  });

  test.each(["corners", "size"] as const)("written and read again (%s)", (form) => {
    const images = [{ id: "a" }, { id: "b" }];
    const truths = [{ image: "a", category: "cat", box: [1, 2, 3.5, 4] as const, difficult: true }];
    const detections = [{ image: "b", category: "dog", box: [1, 2, 3, 4] as const, score: 0.25 }];
    expect(readBoxTruths(writeBoxTruths({ images, truths }, form), form).truths).toEqual(truths);
    expect(readBoxDetections(writeBoxDetections(images, detections, form), form).detections).toEqual(detections);
  });
});

describe("YOLO", () => {
  const sizes = new Map([["a", { width: 200, height: 100 }]]);

  test("labels, polygons, detections, and what is wrong", () => {
    const set = readYolo(
      [
        { name: "a.txt", text: "1 0.5 0.5 0.1 0.2\n0 0.1 0.1 0.2 0.1 0.2 0.3\n-1 0 0 0 0\n0 1 2" },
        { name: "b.txt", text: "0 0 0 1 1" },
      ],
      sizes,
      ["cat", "dog"],
    );
    expect(set.truths[0]).toEqual({ image: "a", category: 1, box: [90, 40, 20, 20] });
    expect(set.truths[1]).toMatchObject({ category: 0, box: [20, 10, 20, 20], segmentation: [[20, 10, 40, 10, 40, 30]] });
    expect(set.problems).toHaveLength(3);
    expect(set.categories).toEqual([
      { id: 0, name: "cat" },
      { id: 1, name: "dog" },
    ]);
    const found = readYoloDetections([{ name: "a.txt", text: "1 0.5 0.5 0.1 0.2 0.9\n1 0.5 0.5 0.1 0.2" }], sizes);
    expect(found.detections).toEqual([{ image: "a", category: 1, box: [90, 40, 20, 20], score: 0.9 }]);
    expect(messages(found)).toEqual(["a line has no score as its sixth number"]);
  });

  test("written and read again", () => {
    const images = [{ id: "a", width: 200, height: 100 }];
    const truths = [{ image: "a", category: 1, box: [90, 40, 20, 20] as const }];
    expect(readYolo(writeYolo({ images, truths, categories: [{ id: 1 }] }), sizes).truths).toEqual(truths);
  });
});

describe("XML", () => {
  const voc = `<annotation><filename>a.jpg</filename><size><width>100</width><height>50</height></size>
    <object><name>cat &amp; dog</name><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11</xmax><ymax>22</ymax></bndbox></object>
    <object><name>cat</name></object></annotation>`;

  test("VOC: boxes from corners; objects and files that are damaged are named", () => {
    const set = readVocXml([
      { name: "a.xml", text: voc },
      { name: "b.xml", text: voc.slice(0, 150) },
      { name: "c.xml", text: "" },
    ]);
    expect(set.images).toEqual([{ id: "a", width: 100, height: 50, file: "a.jpg" }]);
    expect(set.truths).toEqual([{ image: "a", category: "cat & dog", box: [1, 2, 10, 20], difficult: true }]);
    expect(messages(set)).toEqual([
      "object 1 has no name or no bndbox of four numbers",
      "the XML has no <annotation> that ends",
      "the XML has no <annotation> that ends",
    ]);
    expect(readVocXml(writeVocXml(set))).toEqual({ ...set, problems: [] });
  });

  test("entities stay what they are, so nothing grows and nothing is fetched", () => {
    const named = (declaration: string): ReturnType<typeof readVocXml> =>
      readVocXml([{ name: "a.xml", text: `<!DOCTYPE a [<!ENTITY x ${declaration}>]>${voc.replace("cat &amp; dog", "&x;&x;")}` }]);
    expect(named(`"${"y".repeat(100)}"`).truths.map((t) => t.category)).toEqual(["&x;&x;"]);
    expect(messages(named('SYSTEM "file:///etc/passwd"'))).toEqual([expect.stringMatching(/External entities are not supported/)]);
  });

  test("depth does not overflow the stack", () => {
    const deep = `<annotation>${"<a>".repeat(200_000)}${"</a>".repeat(200_000)}</annotation>`;
    expect(() => readVocXml([{ name: "deep.xml", text: deep }])).not.toThrow();
  });

  test("dlib: parts become keypoints by number, with holes; ignore is difficult", () => {
    const text = `<?xml version='1.0'?><dataset><images><image file='x/a.jpg' width='9' height='8'>
      <box top='2' left='1' width='3' height='4'><label>f</label><part name='02' x='5' y='6'/><part name='00' x='1' y='2'/></box>
      <box top='2' left='1' width='3' height='4' ignore='1'/><box top='1'/></image><image/></images></dataset>`;
    const set = readDlibXml(text);
    expect(set.truths).toEqual([
      { image: "x/a.jpg", category: "f", box: [1, 2, 3, 4], keypoints: [1, 2, 2, 0, 0, 0, 5, 6, 2] },
      { image: "x/a.jpg", category: "face", box: [1, 2, 3, 4], difficult: true },
    ]);
    expect(set.problems).toHaveLength(2);
    expect(readDlibXml(writeDlibXml(set)).truths).toEqual(set.truths);
    expect(() => readDlibXml("<x/>")).toThrow(/no <dataset>/);
  });
});

describe("CSV", () => {
  test("quotes, line ends, byte order mark", () => {
    const rows: string[][] = [];
    eachCsvRow('a,"b ""q"", c"\r\n\n"two\nlines",\n', (cells) => rows.push([...cells]));
    expect(rows).toEqual([
      ["a", 'b "q", c'],
      ["two\nlines", ""],
    ]);
  });

  test("headers by their common names, in any order; Open Images' among them", () => {
    const set = readCsv("\uFEFFImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\nabc,/m/01,0.25,0.5,0.25,0.75,1\nabc,/m/01,,1,1,1,0\n");
    expect(set.truths).toEqual([{ image: "abc", category: "/m/01", box: [0.25, 0.25, 0.25, 0.5], crowd: true }]);
    expect(messages(set)).toEqual(["line 3: no image or no four numbers of a box"]);
    expect(() => readCsv("a,b\n1,2")).toThrow(/lacks columns/);
    expect(() => readCsv("")).toThrow(/header/);
  });

  test("written and read again", () => {
    const truths = [{ image: 5, category: 'a,"b', box: [1, 2, 3, 4] as const, difficult: true }];
    expect(readCsv(writeCsv(truths)).truths).toEqual(truths);
    const detections = [{ image: "x y", category: 2, box: [1, 2, 3, 4.5] as const, score: 0.125 }];
    expect(readCsvDetections(writeCsvDetections(detections)).detections).toEqual(detections);
  });
});

describe("WIDER FACE texts", () => {
  test("counts, the line of zeros, invalid faces, and files that end early", () => {
    const text = "e/a.jpg\n2\n1 2 3 4 0 0 0 1 0 0\n5 6 7 8 0 0 0 0 0 0\ne/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0\ne/c.jpg\n999999999\n1 1 1 1\n";
    const set = readWiderText(text);
    expect(set.images.map((i) => i.id)).toEqual(["e/a", "e/b", "e/c"]);
    expect(set.truths.map((t) => [t.image, t.difficult === true])).toEqual([
      ["e/a", true],
      ["e/a", false],
      ["e/c", false],
    ]);
    expect(messages(set)[0]).toMatch(/promises 999999999 faces/);
    const again = readWiderText(writeWiderText(set));
    expect(again.truths).toEqual(set.truths);
    expect(again.images).toEqual(set.images);
  });

  test("detections by event and file", () => {
    const found = readWiderDetections([{ name: "0--Parade/img_1.txt", text: "img_1\n2\n1 2 3 4 0.5\n1 2 3\n" }]);
    expect(found.detections).toEqual([{ image: "0--Parade/img_1", category: 1, box: [1, 2, 3, 4], score: 0.5 }]);
    expect(messages(found)).toEqual(["line 4: no x y w h score"]);
  });
});
