import { element, type Child, type Markup } from "./svg.ts";

export interface PageSection {
  readonly title: string;
  readonly content: readonly Child[];
}

const STYLE = `
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 1080px; padding: 24px; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: #1f2933; background: #fff; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 36px 0 10px; } p { margin: 6px 0; } .faint { color: #616e7c; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th, td { padding: 3px 14px 3px 0; text-align: right; white-space: nowrap; } th:first-child, td:first-child { text-align: left; }
th { font-weight: 600; border-bottom: 1px solid #cbd2d9; } tr:nth-child(even) td { background: #f7f9fb; }
.scroll { overflow: auto; max-height: 420px; } .numbers { display: flex; flex-wrap: wrap; gap: 10px; } .numbers div { border: 1px solid #e4e7eb; border-radius: 6px; padding: 8px 14px; min-width: 64px; }
.numbers b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; } .numbers span { color: #616e7c; font-size: 13px; }
.gallery { display: flex; flex-wrap: wrap; gap: 14px; } figure { margin: 0; width: 220px; } figcaption { font-size: 12px; color: #3e4c59; } svg { max-width: 100%; height: auto; }
`;

/** One HTML page with everything in it: no script, no font, nothing that is fetched. */
export function htmlPage(title: string, subtitle: string, sections: readonly PageSection[]): string {
  const body = sections.map((s) => element("section", {}, element("h2", {}, s.title), ...s.content));
  const head = [
    { markup: '<meta charset="utf-8">' },
    { markup: '<meta name="viewport" content="width=device-width, initial-scale=1">' },
    element("title", {}, title),
    { markup: `<style>${STYLE}</style>` },
  ];
  const page = element(
    "html",
    { lang: "en" },
    element("head", {}, head),
    element("body", {}, element("h1", {}, title), element("p", { class: "faint" }, subtitle), body),
  );
  return `<!doctype html>\n${page.markup}\n`;
}

/** A finished SVG file as part of a page. */
export function picture(svgText: string): Markup {
  return { markup: svgText };
}

/** Big numbers with their names below. */
export function numberTiles(values: Readonly<Record<string, number>>): Markup {
  const tiles = Object.entries(values).map(([name, value]) =>
    element("div", {}, element("b", {}, value < 0 ? "–" : (value * 100).toFixed(1)), element("span", {}, name)),
  );
  return element("div", { class: "numbers" }, tiles);
}

export function htmlTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): Markup {
  const line = (tag: string, cells: readonly (string | number)[]): Markup =>
    element(
      "tr",
      {},
      cells.map((cell) => element(tag, {}, cell)),
    );
  return element(
    "div",
    { class: "scroll" },
    element(
      "table",
      {},
      element("thead", {}, line("th", head)),
      element(
        "tbody",
        {},
        rows.map((row) => line("td", row)),
      ),
    ),
  );
}
