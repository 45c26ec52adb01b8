/** The program level: which kernels run, and when. Every target prints it. */

/** Where a pointer leads. */
export type Pointer =
  | { readonly from: "input" | "output"; readonly index: number }
  | { readonly from: "weights"; readonly offset: number }
  /** Each thread that shares the run has its own, `apart` bytes behind that of the one before. */
  | { readonly from: "arena"; readonly offset: number; readonly apart?: number };

/** `P` is how a pointer is written: what it stands for while memory is planned, {@link Pointer} after. */
export type Step<P = Pointer> = CallStep | IfStep<P> | LoopStep<P>;

/** A kernel, by its place in the list of calls. */
export interface CallStep {
  readonly kind: "call";
  readonly call: number;
}

export interface IfStep<P = Pointer> {
  readonly kind: "if";
  /** A bool. */
  readonly cond: P;
  readonly then: readonly Step<P>[];
  readonly otherwise: readonly Step<P>[];
}

/** While the condition holds, `trips` times at most. */
export interface LoopStep<P = Pointer> {
  readonly kind: "loop";
  readonly trips: number | undefined;
  /** An int64 that is read before the first iteration, when the number is not known now. */
  readonly tripsAt: P | undefined;
  /** A bool that is read before the first iteration. */
  readonly cond: P | undefined;
  /** An int64 that is set to the number of each iteration. */
  readonly counter: P;
  readonly body: readonly Step<P>[];
  /** A bool that the body sets: whether to go on. */
  readonly next: P | undefined;
  /** When the loop has not ended after so many iterations, the run fails. */
  readonly limit: number;
}

export function mapSteps<P, Q>(steps: readonly Step<P>[], f: (pointer: P) => Q): Step<Q>[] {
  return steps.map((s): Step<Q> => {
    if (s.kind === "call") return s;
    if (s.kind === "if") return { ...s, cond: f(s.cond), then: mapSteps(s.then, f), otherwise: mapSteps(s.otherwise, f) };
    return {
      ...s,
      tripsAt: s.tripsAt === undefined ? undefined : f(s.tripsAt),
      cond: s.cond === undefined ? undefined : f(s.cond),
      counter: f(s.counter),
      body: mapSteps(s.body, f),
      next: s.next === undefined ? undefined : f(s.next),
    };
  });
}

/** Reads and writes the scalars that a program decides by. */
export interface Scalars<P = Pointer> {
  readonly bool: (at: P) => boolean;
  readonly int64: (at: P) => bigint;
  readonly setInt64: (at: P, value: bigint) => void;
}

/** Runs a program, the kernels by `call`. False when a loop reached its limit: the run has failed. */
export function runSteps<P>(steps: readonly Step<P>[], memory: Scalars<P>, call: (index: number) => void): boolean {
  return steps.every((s) => {
    if (s.kind === "call") {
      call(s.call);
      return true;
    }
    return s.kind === "if" ? runSteps(memory.bool(s.cond) ? s.then : s.otherwise, memory, call) : runLoop(s, memory, call);
  });
}

function runLoop<P>(s: LoopStep<P>, memory: Scalars<P>, call: (index: number) => void): boolean {
  const trips = s.tripsAt === undefined ? (s.trips ?? Infinity) : memory.int64(s.tripsAt);
  let holds = s.cond === undefined || memory.bool(s.cond);
  for (let i = 0n; holds && i < trips; i++) {
    if (i >= BigInt(s.limit)) return false;
    memory.setInt64(s.counter, i);
    if (!runSteps(s.body, memory, call)) return false;
    holds = s.next === undefined || memory.bool(s.next);
  }
  return true;
}
