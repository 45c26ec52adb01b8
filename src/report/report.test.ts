import { expect, test } from "vitest";
import { randomCase } from "../metrics/testing/random-cases.ts";
import { tide } from "../metrics/tide.ts";
import { errorChart } from "./bars.ts";
import { curveChart } from "./curves.ts";
import { comparisonPage } from "./comparison.ts";
import { evaluationPage, meanCurve } from "./evaluation.ts";
import { confusionChart } from "./matrix.ts";
import { escapeText } from "./svg.ts";

/** Tags that are opened are closed, in order; good enough to see that text did not become markup. */
function balanced(markup: string): boolean {
  const open: string[] = [];
  for (const [, close, name = "", rest = ""] of markup.matchAll(/<(\/?)([a-z]+)([^>]*)>/g)) {
    if (close === "/") {
      if (open.pop() !== name) return false;
    } else if (!rest.endsWith("/") && name !== "meta") open.push(name);
  }
  return open.length === 0;
}

test("text never becomes markup", () => {
  const nasty = `<script>alert("x")</script>&\u0000`;
  expect(escapeText(nasty)).toBe("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;\ufffd");
  const chart = curveChart([{ name: nasty, x: [0, 1], y: [1, 0.5], value: 0.7 }], { title: nasty });
  expect(chart).not.toContain("<script");
  expect(balanced(chart)).toBe(true);
});

test("a curve passes through its points, and thousands of points are thinned but keep both ends", () => {
  expect(curveChart([{ name: "a", x: [0, 0.5, 1], y: [1, 0.5, 0] }])).toContain("M56 34L266 194L476 354");
  const n = 10_000;
  const x = Array.from({ length: n }, (_, i) => i / (n - 1));
  const path = /d="(M[^"]*)"/.exec(curveChart([{ name: "a", x, y: x }]))?.[1] ?? "";
  expect(path.split("L").length).toBeLessThan(700);
  expect(path.startsWith("M56 354") && path.endsWith("L476 34")).toBe(true);
});

test("the confusion chart shows the commonest categories, and counts and shares", () => {
  const chart = confusionChart({ categories: ["cat", "dog"], counts: Float64Array.of(3, 1, 0, 0, 2, 2, 1, 0, 0) });
  expect(chart).toContain("rgba(42,111,187,0.750)");
  expect(chart).toContain("rgba(209,102,43,0.250)");
  expect(balanced(chart)).toBe(true);
  const many = Array.from({ length: 40 }, (_, k) => `class ${k}`);
  const counts = new Float64Array(41 * 41);
  many.forEach((_, k) => (counts[k * 42] = k));
  const large = confusionChart({ categories: many, counts });
  expect(large).toContain("24 commonest of 40");
  expect(large).toContain("class 39");
  expect(large).not.toContain("class 15<");
});

test("the error chart names every kind", () => {
  const chart = errorChart(tide(randomCase("box", 3)));
  for (const kind of ["classification", "localisation", "both", "duplicate", "background", "missed"]) expect(chart).toContain(kind);
});

test("the page is one file that fetches nothing, and holds the misses", () => {
  for (let i = 0; i < 20; i++) {
    const task = randomCase("box", i);
    const page = evaluationPage({ title: "T <b>", subtitle: "s", task, metrics: { AP: 0.5, APs: -1 }, notes: ["n & m"] });
    expect(balanced(page)).toBe(true);
    expect(page).not.toMatch(/(src|href)="(?!data:)/);
    expect(page).not.toContain("NaN");
    expect(page).toContain("n &amp; m");
  }
  const missed = { truths: [{ image: 1, category: "cat", box: [0, 0, 5, 5] as const }], detections: [] };
  expect(evaluationPage({ title: "t", subtitle: "", task: missed, metrics: {}, imageOf: () => "data:image/png;base64,AA==" })).toContain(
    "missed: cat: 1",
  );
  expect(balanced(evaluationPage({ title: "t", subtitle: "", task: { truths: [], detections: [] }, metrics: {} }))).toBe(true);
});

test("runs are compared in one table and one chart, then each has its own part", () => {
  const runs = [3, 4].map((seed) => {
    const task = randomCase("box", seed);
    const run = { title: `t${seed}`, subtitle: "s", task, metrics: { AP: 0.5, AP50: -1 }, name: `model <${seed}>` };
    return { ...run, intervals: { AP: [0.4, 0.6] as const }, milliseconds: [["decode", 1.5] as const] };
  });
  const page = comparisonPage("Evaluation", "two of them", runs);
  expect(balanced(page)).toBe(true);
  expect(page).toContain("0.500 [0.400, 0.600]");
  expect(page).toContain("<td>–</td>");
  expect(page).toContain("<h2>model &lt;3&gt;</h2>");
  expect(page).toContain("Errors (model &lt;4&gt;)");
  expect(page).not.toContain("<3>");
});

test("the page of one run has its tables and curve once", () => {
  const run = { title: "t", subtitle: "s", task: randomCase("box", 3), metrics: { AP: 0.5 }, name: "model", intervals: {} };
  const page = comparisonPage("Evaluation", "one", [{ ...run, milliseconds: [["decode", 1.5] as const] }]);
  expect(balanced(page)).toBe(true);
  expect(page.match(/<h2>model<\/h2>/g)).toHaveLength(1);
  expect(page.match(/<h2>Precision and recall<\/h2>/g)).toHaveLength(1);
  expect(page).not.toContain("Side by side");
  expect(page).toContain("<td>1.50</td>");
});

test("categories have the protocol's own scores, apart from the area under the curve", () => {
  const task = { truths: [{ image: 1, category: 7, box: [0, 0, 9, 9] as const }], detections: [] };
  const perCategory = [{ category: 7, AP: 0.25, AP50: 0.784 }];
  const page = evaluationPage({ title: "t", subtitle: "", task, metrics: { AP50: 0.784 }, perCategory });
  expect(page).toContain("<th>AP</th><th>AP50</th><th>area</th>");
  expect(page).toContain("<td>7</td><td>1</td><td>0</td><td>0.250</td><td>0.784</td><td>0.000</td>");
});

test("the words above a matrix of one category fit", () => {
  const chart = confusionChart({ categories: ["face"], counts: Float64Array.of(3, 1, 2, 0) });
  expect(Number(/width="(\d+)"/.exec(chart)?.[1])).toBeGreaterThanOrEqual(470);
});

test("the mean curve falls from recall 0 to 1, and its mean is near the AP", () => {
  const { x, y, value } = meanCurve(randomCase("box", 3));
  expect([x.length, x[0], x[100]]).toEqual([101, 0, 1]);
  for (let i = 1; i < y.length; i++) expect(y[i]).toBeLessThanOrEqual(y[i - 1] as number);
  expect(Math.abs(y.reduce((a, b) => a + b, 0) / 101 - value)).toBeLessThan(0.02);
});
