/** SVG as text: elements with escaped attributes and content. Browser-safe and free of any DOM. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** A piece of finished markup, so that text cannot be taken for markup by mistake. */
export interface Markup {
  readonly markup: string;
}

export type Child = Markup | string | number | undefined | readonly Child[];

export function escapeText(text: string): string {
  // Control characters are not allowed in XML at all.
  const clean = text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd");
  return clean.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

export function element(name: string, attributes: Attributes, ...children: readonly Child[]): Markup {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escapeText(typeof value === "number" ? coordinate(value) : (value ?? ""))}"`);
  return { markup: `<${name}${list.join("")}>${children.map(childText).join("")}</${name}>` };
}

function childText(child: Child): string {
  if (child === undefined) return "";
  if (typeof child === "string") return escapeText(child);
  if (typeof child === "number") return String(child);
  return "markup" in child ? child.markup : child.map(childText).join("");
}

/** Two decimals are finer than any screen. */
export function coordinate(value: number): string {
  return Number.isFinite(value) ? String(Math.round(value * 100) / 100) : "0";
}

/** A picture of a size, as a text that is a whole SVG file. */
export function svg(width: number, height: number, title: string, ...children: readonly Child[]): string {
  const attributes = {
    xmlns: "http://www.w3.org/2000/svg",
    viewBox: `0 0 ${coordinate(width)} ${coordinate(height)}`,
    width,
    height,
    role: "img",
    "aria-label": title,
  };
  const font = "font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:12px";
  return element("svg", { ...attributes, style: font }, element("title", {}, title), ...children).markup;
}

/** Colours that are told apart by people who see red and green alike; the first is the one that matters. */
export const COLOURS: readonly string[] = ["#2a6fbb", "#d1662b", "#3a8f6b", "#9b59a8", "#b8952b", "#5b6b7b", "#c2497a", "#4aa3b5"];
export const INK = "#1f2933";
export const FAINT = "#7b8794";
export const GRID = "#e4e7eb";
