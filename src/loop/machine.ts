/** What schedules need to know of the machine that will run their loops. */
export interface Machine {
  /** float32 lanes of one vector register. */
  readonly lanes: number;
  /** Vector registers. */
  readonly registers: number;
  /** Whether one instruction multiplies and adds four unsigned with four signed bytes; elsewhere bytes are widened to int16. */
  readonly dot4?: true;
  /** Whether one instruction adds int16 products to as many int32 sums; elsewhere those of neighbours are added in pairs. */
  readonly widening?: true;
}
