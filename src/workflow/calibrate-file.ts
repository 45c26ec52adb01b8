import { TABLE_FORMATS, writeForeign, type TableFormat } from "../quant/interchange.ts";
import { writeTable } from "../quant/table.ts";
import { calibrateModel, DEFAULT_METHOD, type CalibrateOptions, type Calibration } from "./calibrate.ts";
import { METHODS } from "./choose-ranges.ts";
import { writeOutput } from "./output-file.ts";

export { DEFAULT_METHOD, METHODS, TABLE_FORMATS };

export interface CalibrateFileOptions extends CalibrateOptions {
  readonly output: string;
  /** Write the table of another tool. */
  readonly format?: TableFormat | undefined;
}

export interface CalibratedFile {
  readonly path: string;
  readonly calibration: Calibration;
}

/** Calibrates a model and writes its table. Throws what calibrating throws, and `file.unwritable` before the long work. */
export async function calibrateFile(model: string, options: CalibrateFileOptions): Promise<CalibratedFile> {
  const { output, format } = options;
  return writeOutput(output, async (write) => {
    // Another tool's model has neither scaled channels nor other biases.
    const calibration = await calibrateModel(model, format === undefined ? options : { ...options, adjust: false });
    const { plan, table } = calibration;
    await write(format === undefined ? writeTable(table) : writeForeign(format, plan, table.ranges));
    return { path: output, calibration };
  });
}
