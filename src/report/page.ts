import { element, type Child, type Markup } from "./svg.ts";

export interface PageSection {
  readonly title: string;
  readonly content: readonly Child[];
}

/** Charts are drawn in the colours of a light page; on a dark one their words, lines and grounds are taken from it. */
const STYLE = `
:root { color-scheme: light dark; --ink: #1f2933; --faint: #616e7c; --grid: #e4e7eb; --line: #cbd2d9; --stripe: #f7f9fb; --ground: #fff; --card: #fff; --good: #1f7a4d; --bad: #b3402a; --blue: #2a6fbb; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ef; --faint: #9aa8b7; --grid: #313b46; --line: #46525f; --stripe: #1b222a; --ground: #14191f; --card: #1a2128; --good: #62c893; --bad: #f0866d; --blue: #6aa8ea; }
  svg [fill="#1f2933"] { fill: var(--ink); } svg [fill="#7b8794"] { fill: var(--faint); } svg [fill="#e4e7eb"], svg [fill="#f5f7fa"] { fill: var(--grid); }
  svg [fill="#2a6fbb"] { fill: var(--blue); } svg [stroke="#2a6fbb"] { stroke: var(--blue); } svg [stroke="#e4e7eb"] { stroke: var(--grid); } svg [stroke="#cbd2d9"] { stroke: var(--line); } svg [stroke="#7b8794"] { stroke: var(--faint); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 28px 24px 60px; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--ground); }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; } h2 { font-size: 18px; margin: 40px 0 12px; } p { margin: 6px 0; } .faint { color: var(--faint); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th, td { padding: 4px 16px 4px 0; text-align: right; white-space: nowrap; } th:first-child, td:first-child { text-align: left; }
td:first-child { position: sticky; left: 0; background: var(--ground); } thead th:first-child { left: 0; z-index: 1; }
th { font-weight: 600; border-bottom: 1px solid var(--line); background: var(--ground); position: sticky; top: 0; } tr:nth-child(even) td { background: var(--stripe); }
.names td:first-child { position: static; } .names td:nth-child(2), .names th:nth-child(2) { text-align: left; left: 0; } .names td:nth-child(2) { position: sticky; background: var(--ground); } .names th:nth-child(2) { z-index: 1; } .names tr:nth-child(even) td { background: var(--stripe); } .scroll { overflow: auto; max-height: 440px; } .numbers { display: flex; flex-wrap: wrap; gap: 10px; } .numbers div { border: 1px solid var(--grid); border-radius: 8px; padding: 10px 16px; min-width: 64px; background: var(--card); }
.numbers b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; } .numbers span { color: var(--faint); font-size: 13px; } .numbers .good b { color: var(--good); } .numbers .bad b { color: var(--bad); }
.gallery { display: flex; flex-wrap: wrap; gap: 14px; } figure { margin: 0; width: 220px; } figcaption { font-size: 12px; color: var(--faint); } svg { max-width: 100%; height: auto; }
.plot { margin: 0; } .plots { display: flex; flex-wrap: wrap; gap: 20px; margin: 22px 0; } .plots p { max-width: 440px; font-size: 13px; } .wide { overflow-x: auto; margin: 14px 0; } .wide svg { min-width: 720px; max-width: none; width: 100%; }
.chip { border-radius: 9px; padding: 1px 8px; font-size: 12px; border: 1px solid var(--line); } .chip.int8 { color: var(--blue); border-color: var(--blue); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 310px), 1fr)); gap: 12px; margin: 12px 0; } .card { border: 1px solid var(--grid); border-radius: 8px; padding: 8px; background: var(--card); }
details > summary { cursor: pointer; color: var(--blue); margin: 10px 0; } code { font-size: 13px; background: var(--stripe); border-radius: 4px; padding: 1px 5px; overflow-wrap: anywhere; } dt { font-weight: 600; margin-top: 10px; } dd { margin: 4px 0 0; } small { font-size: 12px; }
@media (max-width: 640px) { body { padding: 18px 14px 40px; } h1 { font-size: 20px; } .numbers div { flex: 1 1 40%; } .plots svg text { font-size: 15px !important; } th, td { padding-right: 12px; } }
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

export function htmlTable(head: readonly string[], rows: readonly (readonly Child[])[]): Markup {
  const line = (tag: string, cells: readonly Child[]): Markup =>
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
