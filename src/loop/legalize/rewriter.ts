/** Applies the rules to expressions, and puts what they name in front of the statement. */
import { HoneError } from "../../util/errors.ts";
import { constant, typeText, variable } from "../expr.ts";
import { exprText } from "../print.ts";
import { ifThen, letMutable, letVar, setVar } from "../stmt.ts";
import { mapOperands, mapStmt } from "../walk.ts";
import type { Binary, Expr, Select, Stmt, Var, While } from "../types.ts";
import { featureOf, isNative, type Capabilities } from "./capabilities.ts";
import { rewrite } from "./rules/index.ts";
import { scalarise } from "./rules/scalarise.ts";

type Fresh = (stem: string) => string;

const isLazyLogic = (e: Expr): e is Binary =>
  e.kind === "binary" && e.type.dtype === "bool" && e.type.lanes === 1 && (e.op === "and" || e.op === "or");

export class Rewriter {
  readonly #caps: Capabilities;
  readonly #fresh: Fresh;

  constructor(caps: Capabilities, fresh: Fresh) {
    this.#caps = caps;
    this.#fresh = fresh;
  }

  body(stmts: readonly Stmt[]): readonly Stmt[] {
    return stmts.flatMap((s) => {
      if (s.kind === "while") return this.#while(s);
      const before: Stmt[] = [];
      const stmt = mapStmt(
        s,
        (e) => this.#expr(e, before),
        (inner) => this.body(inner),
      );
      return [...before, stmt];
    });
  }

  /** A condition that needs statements of its own is computed inside the loop. */
  #while(s: While): readonly Stmt[] {
    const before: Stmt[] = [];
    const cond = this.#expr(s.cond, before);
    if (before.length === 0) return [{ ...s, cond, body: this.body(s.body) }];
    const go = this.#mutable(cond);
    return [letMutable(go, constant(1, "bool")), { ...s, cond: go, body: [...before, setVar(go, cond), ifThen(go, this.body(s.body))] }];
  }

  #expr(e: Expr, before: Stmt[]): Expr {
    if (e.kind === "select" && e.cond.type.lanes === 1) return this.#lazySelect(e, before);
    if (isLazyLogic(e)) return this.#lazyLogic(e, before);
    const inner = mapOperands(e, (operand) => this.#expr(operand, before));
    return isNative(inner, this.#caps) ? inner : this.#replace(inner, before);
  }

  #replace(e: Expr, before: Stmt[]): Expr {
    const once = (x: Expr): Expr => {
      if (x.kind === "const" || x.kind === "var") return x;
      const v = variable(this.#fresh("t"), x.type);
      before.push(letVar(v, this.#expr(x, before)));
      return v;
    };
    const result = this.#lanewise(e) ? scalarise(e, once) : rewrite(e, once);
    if (result) return this.#expr(result, before);
    throw new HoneError(
      "target.unsupported",
      `${featureOf(e) ?? e.kind} of ${typeText(e.type)} cannot be computed on this target: ${exprText(e)}`,
      {
        at: { target: this.#caps.target },
      },
    );
  }

  /** A vector operation without a rule, whose scalar form the target has or a rule covers. */
  #lanewise(e: Expr): boolean {
    if (e.type.lanes === 1 || e.kind === "shuffle" || e.kind === "dot4" || e.kind === "dot2") return false;
    return rewrite(e, (x) => x) === undefined;
  }

  #mutable(e: Expr): Var {
    return variable(this.#fresh("t"), e.type);
  }

  /** Only the chosen arm of a scalar select may run, so statements that an arm needs go under an if. */
  #lazySelect(e: Select, before: Stmt[]): Expr {
    const cond = this.#expr(e.cond, before);
    const [thenStmts, elseStmts]: [Stmt[], Stmt[]] = [[], []];
    const a = this.#expr(e.a, thenStmts);
    const b = this.#expr(e.b, elseStmts);
    if (thenStmts.length === 0 && elseStmts.length === 0) return this.#checked({ ...e, cond, a, b }, before);
    const v = this.#mutable(e);
    const zero = constant(0, e.type.dtype, e.type.lanes);
    before.push(letMutable(v, zero), ifThen(cond, [...thenStmts, setVar(v, a)], [...elseStmts, setVar(v, b)]));
    return v;
  }

  #lazyLogic(e: Binary, before: Stmt[]): Expr {
    const a = this.#expr(e.a, before);
    const right: Stmt[] = [];
    const b = this.#expr(e.b, right);
    if (right.length === 0) return this.#checked({ ...e, a, b }, before);
    const v = this.#mutable(e);
    const set = [...right, setVar(v, b)];
    before.push(letMutable(v, constant(e.op === "and" ? 0 : 1, "bool")), e.op === "and" ? ifThen(a, set) : ifThen(a, [], set));
    return v;
  }

  #checked(e: Expr, before: Stmt[]): Expr {
    return isNative(e, this.#caps) ? e : this.#replace(e, before);
  }
}
