import { XMLParser } from "fast-xml-parser";
import { annotationError } from "./records.ts";

const MAX_CHARACTERS = 64 * 1024 * 1024;

/** An element as an object: children by name, attributes by "@name", text as "#text" or as the string itself. */
export type XmlNode = Readonly<Record<string, unknown>>;

/** Text stays text, entities stay as written (a file cannot grow while it is read), and nothing outside the file is looked at. */
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
});

/** The root element's content. @throws HoneError annotations.invalid when the text is no XML with that root */
export function parseXml(text: string, root: string, file?: string): XmlNode {
  if (text.length > MAX_CHARACTERS)
    throw annotationError(`the XML has ${text.length} characters; at most ${MAX_CHARACTERS} are read`, file);
  // The parser takes a text that is cut short for whole.
  if (!new RegExp(`</${root}\\s*>|<${root}[^>]*/>`).test(text)) throw annotationError(`the XML has no <${root}> that ends`, file);
  let tree: unknown;
  try {
    tree = parser.parse(text);
  } catch (cause) {
    throw annotationError(`the XML is damaged: ${cause instanceof Error ? cause.message : String(cause)}`, file, undefined, cause);
  }
  const found = childrenOf(tree, root)[0];
  if (found === undefined) throw annotationError(`the XML has no <${root}>`, file);
  return asNode(found);
}

/** All children of that name, in order. */
export function childrenOf(node: unknown, name: string): readonly unknown[] {
  const value = asNode(node)[name];
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as unknown[]) : [value];
}

/** The text of an element's first child of that name. */
export function childText(node: unknown, name: string): string | undefined {
  const child = childrenOf(node, name)[0];
  if (typeof child === "string") return plain(child);
  const text = asNode(child)["#text"];
  return typeof text === "string" ? plain(text) : undefined;
}

export function attribute(node: unknown, name: string): string | undefined {
  const value = asNode(node)[`@${name}`];
  return typeof value === "string" ? plain(value) : undefined;
}

const PREDEFINED: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

/** Undoes XML's five own escapes, which cannot grow; any other entity stays as it is written. */
function plain(text: string): string {
  return text.trim().replaceAll(/&(lt|gt|quot|apos|amp);/g, (all, name: string) => PREDEFINED[name] ?? all);
}

function asNode(value: unknown): XmlNode {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as XmlNode) : {};
}

/** Text as XML may have it in content and attributes. */
export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
