/** Text for people: tables, sizes, numbers. */
import pc from "picocolors";

export type Paint = ReturnType<typeof pc.createColors>;

export const paint = (colour: boolean): Paint => pc.createColors(colour);

/** Columns as wide as their widest cell; numbers, which start with a digit or a sign, to the right. */
export function table(p: Paint, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(width(title), ...rows.map((row) => width(row[i] ?? ""))));
  const right = head.map((_, i) => rows.length > 0 && rows.every((row) => /^[-+–—]?[\d.∞]|^[-–—]?$/.test(row[i] ?? "")));
  const line = (cells: readonly string[]): string =>
    head
      .map((_, i) => {
        const cell = cells[i] ?? "";
        const gap = " ".repeat(Math.max(0, (widths[i] ?? 0) - width(cell)));
        return right[i] ? gap + cell : cell + gap;
      })
      .join("  ")
      .trimEnd();
  return [p.bold(line(head)), ...rows.map(line)].join("\n");
}

/** Names and values, the names aligned. */
export function fields(p: Paint, rows: readonly (readonly [string, string])[]): string {
  const wide = Math.max(...rows.map(([name]) => width(name)));
  return rows.map(([name, value]) => `${p.dim(name.padEnd(wide))}  ${value.replaceAll("\n", `\n${" ".repeat(wide + 2)}`)}`).join("\n");
}

const width = (cell: string): number => Array.from(cell).length;

export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB"];
  let value = bytes / 1000;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${value.toPrecision(3)} ${units[unit] ?? "GB"}`;
}

/** 543,210,000 as `543 M`. */
export function countText(count: number): string {
  if (count < 10_000) return String(count);
  const units = ["k", "M", "G", "T"];
  let value = count / 1000;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${value.toPrecision(3)} ${units[unit] ?? "T"}`;
}

export const secondsText = (seconds: number): string => `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;

export const msText = (ms: number): string => `${ms.toPrecision(3)} ms`;

/** 1.2e-7, 0.0035, 12.3 */
export function smallText(x: number): string {
  if (x === 0) return "0";
  return Math.abs(x) < 1e-3 || Math.abs(x) >= 1e5 ? x.toExponential(1) : x.toPrecision(3);
}

export const plural = (n: number, one: string, many: string = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
