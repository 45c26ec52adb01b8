/** Bodies of one function for several instruction sets, of which the C compiler's preprocessor picks one. */

/** A body for machines of which a condition of the preprocessor holds. */
export interface Way {
  readonly condition: string;
  readonly body: string;
}

/** The first way whose condition holds, or the plain one. */
export function chosen(ways: readonly Way[], define: (body: string) => string, plain: string): string {
  if (ways.length === 0) return plain;
  const branches = ways.map(({ condition, body }, i) => `#${i === 0 ? "if" : "elif"} ${condition}\n${define(body)}`);
  return `${branches.join("")}#else\n${plain}#endif\n`;
}
