import type { ErrorCode } from "../util/codes.ts";
import { HoneError, type ErrorPlace, type Problem } from "../util/errors.ts";

/** Gathers everything that is wrong with a model, so that its user learns it at once. */
export interface Problems {
  /** Runs `work`; what it throws as a HoneError is kept, and `undefined` returned. */
  attempt<T>(at: ErrorPlace, work: () => T): T | undefined;
  /** Throws what was gathered, if anything. */
  throwIfAny(): void;
}

export function gatherProblems(file: string): Problems {
  const found: { code: ErrorCode; problem: Problem }[] = [];
  return {
    attempt(at, work) {
      try {
        return work();
      } catch (error) {
        if (!(error instanceof HoneError) || error.code === "internal") throw error;
        const { file: _same, ...own } = error.at;
        found.push({
          code: error.code,
          problem: { message: error.message, at: { ...own, ...at }, ...(error.hint === undefined ? {} : { hint: error.hint }) },
        });
        return undefined;
      }
    },
    throwIfAny() {
      const [first] = found;
      if (first === undefined) return;
      const codes = new Set(found.map((f) => f.code));
      const code = codes.size === 1 ? first.code : "model.unsupported";
      const problems = found.map((f) => f.problem);
      throw new HoneError(code, summary(problems), { at: { file }, problems });
    },
  };
}

/** One line: how many problems, and which operators they are at. */
function summary(problems: readonly Problem[]): string {
  const counts = new Map<string, number>();
  for (const { at } of problems) if (at?.op !== undefined) counts.set(at.op, (counts.get(at.op) ?? 0) + 1);
  const ops = [...counts].map(([op, n]) => (n > 1 ? `${op} (${n} times)` : op)).join(", ");
  const many = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  return `${many} in the model${ops === "" ? "" : `, at ${ops}`}`;
}
