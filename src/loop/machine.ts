/** What schedules need to know of the machine that will run their loops. */
export interface Machine {
  /** float32 lanes of one vector register. */
  readonly lanes: number;
  /** Vector registers. */
  readonly registers: number;
}
