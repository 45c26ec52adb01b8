/** How the threads of a run wait for each other: a barrier in shared memory, by the instructions of the proposal for threads. */
import type { Immediate, Instruction } from "./instruction.ts";
import type { WasmFunction } from "./module.ts";

const NONE: Immediate = { kind: "none" };
const op = (name: string, imm: Immediate = NONE): Instruction => ({ op: name, imm });
const number = (name: string, value: number): Instruction => op(name, { kind: "number", value });
const i32 = (value: number): Instruction => op("i32.const", { kind: "const", type: "i32", value });
const atomic = (name: string, offset: number): Instruction => op(name, { kind: "memory", align: 2, offset });
const block = (name: "block" | "loop" | "if"): Instruction => op(name, { kind: "result" });

/** Parameters, then locals. */
const [PARTS, BARRIER, TURN, SPINS] = [0, 1, 2, 3];
/** Of the barrier: how many have come, how often all have met, and whether one of them gave up. */
const [CAME, MET, GAVE_UP] = [0, 4, 8];
/** Looks before a thread sleeps: some microseconds, as long as a small kernel takes. */
const PATIENCE = 4000;

/**
 * Returns 0 when `parts` threads have called it with the address of the same twelve bytes, which were zero at first, and 1 when one
 * of them gave up: that one sets the third word, then adds to the second and wakes those that sleep on it.
 */
export const MEET: WasmFunction = {
  name: "meet",
  params: ["parts", "barrier"],
  answers: true,
  locals: ["i32", "i32"],
  exported: false,
  code: [
    block("block"),
    number("local.get", PARTS),
    i32(2),
    op("i32.lt_s"),
    block("if"),
    i32(0),
    op("return"),
    op("end"),
    // In this order: whoever sees the old turn will see it change.
    number("local.get", BARRIER),
    atomic("i32.atomic.load", MET),
    number("local.set", TURN),
    number("local.get", BARRIER),
    atomic("i32.atomic.load", GAVE_UP),
    number("br_if", 0),
    number("local.get", BARRIER),
    i32(1),
    atomic("i32.atomic.rmw.add", CAME),
    i32(1),
    op("i32.add"),
    number("local.get", PARTS),
    op("i32.eq"),
    block("if"),
    number("local.get", BARRIER),
    i32(0),
    atomic("i32.atomic.store", CAME),
    number("local.get", BARRIER),
    i32(1),
    atomic("i32.atomic.rmw.add", MET),
    op("drop"),
    number("local.get", BARRIER),
    i32(-1),
    atomic("memory.atomic.notify", MET),
    op("drop"),
    op("else"),
    block("loop"),
    number("local.get", BARRIER),
    atomic("i32.atomic.load", MET),
    number("local.get", TURN),
    op("i32.ne"),
    number("br_if", 2),
    number("local.get", SPINS),
    i32(1),
    op("i32.add"),
    number("local.tee", SPINS),
    i32(PATIENCE),
    op("i32.lt_s"),
    number("br_if", 0),
    number("local.get", BARRIER),
    number("local.get", TURN),
    op("i64.const", { kind: "const", type: "i64", value: -1 }),
    atomic("memory.atomic.wait32", MET),
    op("drop"),
    number("br", 0),
    op("end"),
    op("end"),
    op("end"),
    number("local.get", BARRIER),
    atomic("i32.atomic.load", GAVE_UP),
  ],
};
