/**
 * How the elements of a value lie in memory.
 * - plain: row-major.
 * - blocked: axis 1 (channels) is cut into blocks of `block`, which become the innermost axis: NCHW8c, NCHW16c.
 *   The last block is padded; what lies in the padding is unspecified, but written: integer kernels read it, against weights of zero.
 */
export type Layout = { readonly kind: "plain" } | { readonly kind: "blocked"; readonly block: number };

export const PLAIN: Layout = { kind: "plain" };

/** The physical dims, outermost first. */
export function physicalDims(dims: readonly number[], layout: Layout): readonly number[] {
  if (layout.kind === "plain") return dims;
  const [n = 1, c = 1, ...spatial] = dims;
  return [n, Math.ceil(c / layout.block), ...spatial, layout.block];
}

export const layoutText = (layout: Layout): string => (layout.kind === "plain" ? "" : `@c${layout.block}`);
export const layoutEquals = (a: Layout, b: Layout): boolean => layoutText(a) === layoutText(b);
