/** Loop IR as text: what goldens hold and what --dump=loop shows. */
import { onExpr, onStmt } from "./dispatch.ts";
import { typeText } from "./expr.ts";
import type { Expr, ExprTable, Func, Stmt, StmtTable } from "./types.ts";

const INFIX: Partial<Record<string, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  mod: "%",
  eq: "==",
  ne: "!=",
  lt: "<",
  le: "<=",
  gt: ">",
  ge: ">=",
};

function infix(op: string, a: Expr, b: Expr): string {
  const sign = INFIX[op];
  return sign ? `(${exprText(a)} ${sign} ${exprText(b)})` : `${op}(${exprText(a)}, ${exprText(b)})`;
}

const exprTable: ExprTable<string> = {
  const: (e) => (e.type.dtype === "index" ? String(e.value) : `${typeText(e.type)} ${Object.is(e.value, -0) ? "-0" : String(e.value)}`),
  var: (e) => e.name,
  load: (e) => `${e.buffer.name}[${exprText(e.index)}${e.type.lanes > 1 ? ` :${e.type.lanes}` : ""}]`,
  unary: (e) => `${e.op}(${exprText(e.a)})`,
  binary: (e) => infix(e.op, e.a, e.b),
  compare: (e) => infix(e.op, e.a, e.b),
  select: (e) => `(${exprText(e.cond)} ? ${exprText(e.a)} : ${exprText(e.b)})`,
  cast: (e) => `cast<${typeText(e.type)}>(${exprText(e.a)})`,
  bitcast: (e) => `bitcast<${typeText(e.type)}>(${exprText(e.a)})`,
  fma: (e) => `fma(${exprText(e.a)}, ${exprText(e.b)}, ${exprText(e.c)})`,
  dot4: (e) => `dot4(${exprText(e.acc)}, ${exprText(e.u)}, ${exprText(e.s)})`,
  dot2: (e) => `dot2(${exprText(e.acc)}, ${exprText(e.a)}, ${exprText(e.b)})`,
  broadcast: (e) => `broadcast<${e.type.lanes}>(${exprText(e.a)})`,
  shuffle: (e) => `shuffle(${exprText(e.a)}, ${exprText(e.b)}, [${e.indices.join(",")}])`,
  reduceLanes: (e) => `reduce<${e.op}>(${exprText(e.a)})`,
  saturatingCast: (e) => `saturate<${typeText(e.type)}>(${exprText(e.a)})`,
  roundedBytes: (e) => `roundedBytes([${e.parts.map(exprText).join(", ")}], ${exprText(e.zero)})`,
};

export const exprText = (e: Expr): string => onExpr(exprTable, e);

const stmtTable: StmtTable<string, [string]> = {
  for: (s, pad) => {
    const step = s.step === 1 ? "" : ` step ${s.step}`;
    const mode = s.mode === "serial" ? "" : ` ${s.mode}`;
    return `${pad}for ${s.var.name} in ${exprText(s.from)}..${exprText(s.to)}${step}${mode} {\n${bodyText(s.body, `${pad}  `)}${pad}}\n`;
  },
  while: (s, pad) => `${pad}while ${exprText(s.cond)} {\n${bodyText(s.body, `${pad}  `)}${pad}}\n`,
  let: (s, pad) => `${pad}${s.mutable ? "var" : "let"} ${s.var.name}: ${typeText(s.var.type)} = ${exprText(s.value)}\n`,
  set: (s, pad) => `${pad}${s.var.name} = ${exprText(s.value)}\n`,
  store: (s, pad) =>
    `${pad}${s.buffer.name}[${exprText(s.index)}${s.value.type.lanes > 1 ? ` :${s.value.type.lanes}` : ""}] = ${exprText(s.value)}\n`,
  if: (s, pad) => {
    const otherwise = s.otherwise.length > 0 ? ` else {\n${bodyText(s.otherwise, `${pad}  `)}${pad}}` : "";
    return `${pad}if ${exprText(s.cond)} {\n${bodyText(s.then, `${pad}  `)}${pad}}${otherwise}\n`;
  },
  alloc: (s, pad) =>
    `${pad}alloc ${s.buffer.name}: ${s.buffer.dtype}[${s.buffer.length}] ${s.space} {\n${bodyText(s.body, `${pad}  `)}${pad}}\n`,
  prefetch: (s, pad) => `${pad}prefetch ${s.buffer.name}[${exprText(s.index)}]\n`,
};

export function bodyText(body: readonly Stmt[], pad = ""): string {
  return body.map((s) => onStmt(stmtTable, s, pad)).join("");
}

export function funcText(f: Func): string {
  const shared = f.share ? [f.share.part.name, f.share.parts.name] : [];
  const params = [...f.params.map((p) => `${p.name}: ${p.access} ${p.dtype}[${p.length}]`), ...shared].join(", ");
  return `func ${f.name}(${params}) {\n${bodyText(f.body, "  ")}}\n`;
}
