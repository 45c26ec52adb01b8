/** From a model and photos to an int8 ONNX file of pairs of QuantizeLinear and DequantizeLinear, which other tools run. */
import { graphToOnnx } from "../formats/onnx/graph.ts";
import { writeOnnx } from "../formats/onnx/write.ts";
import { applyQdq } from "../quant/qdq.ts";
import { locate } from "../util/errors.ts";
import { prepare, type BuildModelOptions } from "./build.ts";
import { atOpset, type Converted } from "./convert.ts";
import { int8From, planFor, tableFor, type Int8, type Int8Options } from "./int8.ts";
import { optimisedGraph } from "./observe.ts";
import { writeOutput } from "./output-file.ts";

export interface ConvertInt8Options extends BuildModelOptions {
  readonly output: string;
  /** Photos, or a calibration table. */
  readonly calib: string;
  readonly method?: Int8Options["method"];
  /** The version of ONNX's own operator set to write. */
  readonly opset?: number | undefined;
}

export interface ConvertedInt8 extends Converted {
  readonly int8: Int8;
}

/** The operator set that graphs are written in. */
const WRITTEN = 17;

/** Throws what calibrating throws, `model.unsupported` for ops that cannot be written, and `file.unwritable` before the long work. */
export async function convertInt8(path: string, options: ConvertInt8Options): Promise<ConvertedInt8> {
  const { output, calib, opset } = options;
  return writeOutput(output, async (write) => {
    const prepared = await prepare(path, options);
    const float = optimisedGraph(prepared);
    const source = await tableFor(path, options);
    const int8 = int8From(source, calib, "all");
    // It checks that the table fits, and tells of the layers.
    int8.rewrite(float, "avx2");
    const { plan, ranges } = planFor(float, source.table, calib);
    try {
      const graph = applyQdq(plan, ranges, source.table.means);
      const model = atOpset(graphToOnnx(graph), { file: path }, opset);
      const bytes = writeOnnx(model);
      await write(bytes);
      const nodes = { before: prepared.graph.nodes.length, after: model.graph?.node.length ?? 0 };
      return {
        input: path,
        output,
        files: [output],
        bytes: bytes.length,
        opset: opset ?? WRITTEN,
        opsetBefore: opset ?? WRITTEN,
        doubt: null,
        nodes,
        int8,
      };
    } catch (error) {
      throw locate(error, { file: path });
    }
  });
}
