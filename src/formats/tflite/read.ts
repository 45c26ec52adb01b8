import { HoneError } from "../../util/errors.ts";
import type { TfliteModel, TfliteOperator, TfliteSubgraph } from "./ast.ts";
import { TableReader, defaultsOf } from "./flatbuffer.ts";
import { operatorName } from "./operators.ts";
import { OPTION_SCHEMAS, OPTION_TAGS, type OptionName, type OptionTables, type TfliteOptions } from "./options.ts";
import { modelSchema, type Buffer, type Model, type Subgraph } from "./schema.ts";

export interface ReadOptions {
  /** The name of the file, for errors. */
  readonly file: string;
}

const VERSION = 3;

/**
 * Reads a TFLite file as it stands. Indices of tensors, buffers and operator codes are checked; buffers are views into `bytes`.
 * Throws `model.damaged` with the byte offset, `model.format` for another schema version.
 */
export function readTflite(bytes: Uint8Array, { file }: ReadOptions): TfliteModel {
  const identifier = new TextDecoder("latin1").decode(bytes.subarray(4, 8));
  if (identifier !== "TFL3") {
    throw new HoneError("model.format", `not a TFLite file: its identifier is ${JSON.stringify(identifier)}, not "TFL3"`, { at: { file } });
  }
  const reader = new TableReader(bytes, file);
  const model = reader.root(modelSchema);
  if (model.version !== VERSION) {
    throw new HoneError("model.format", `TFLite schema version ${model.version}: hone reads version ${VERSION}`, { at: { file } });
  }
  if (model.subgraphs.length === 0) throw reader.damaged("the model holds no subgraph", 0);
  const buffers = model.buffers.map((b) => bufferBytes(b, reader));
  checkIndex(
    model.metadata.map((m) => m.buffer),
    buffers.length,
    "a metadata entry's buffer",
    reader,
  );
  return {
    version: model.version,
    description: model.description,
    subgraphs: model.subgraphs.map((s) => readSubgraph(s, model, buffers.length, reader)),
    buffers,
    metadata: model.metadata,
  };
}

function bufferBytes({ data, offset, size }: Buffer, reader: TableReader): Uint8Array {
  if (offset <= 1n) return data;
  const end = offset + size;
  if (end > BigInt(reader.bytes.length)) throw reader.damaged("a buffer lies outside of the file", Number(offset));
  return reader.bytes.subarray(Number(offset), Number(end));
}

function readSubgraph(subgraph: Subgraph, model: Model, bufferCount: number, reader: TableReader): TfliteSubgraph {
  const { name, tensors, inputs, outputs } = subgraph;
  checkIndex(
    tensors.map((t) => t.buffer),
    bufferCount,
    "a tensor's buffer",
    reader,
  );
  checkIndex([...inputs, ...outputs], tensors.length, "a subgraph's input or output", reader);
  const operators = subgraph.operators.map((o): TfliteOperator => {
    const code = model.operatorCodes[o.opcodeIndex];
    if (code === undefined) throw reader.damaged(`operator code ${o.opcodeIndex} of ${model.operatorCodes.length}`, 0);
    checkIndex(
      o.inputs.filter((i) => i !== -1),
      tensors.length,
      "an operator's input",
      reader,
    );
    checkIndex(o.outputs, tensors.length, "an operator's output", reader);
    return {
      op: operatorName(Math.max(code.builtinCode, code.deprecatedBuiltinCode)),
      customCode: code.customCode,
      version: code.version,
      inputs: o.inputs,
      outputs: o.outputs,
      customOptions: o.customOptions,
      options: readOptions(o.optionsTag, o.optionsAt, reader),
    };
  });
  return { name, tensors, inputs, outputs, operators };
}

function readOptions(tag: number, at: number, reader: TableReader): TfliteOptions {
  const table = OPTION_TAGS[tag];
  return table === undefined || at === 0 ? {} : named(table, at, reader);
}

// The type parameter ties the table's name to the type of its value.
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
function named<K extends OptionName>(table: K, at: number, reader: TableReader): TfliteOptions {
  const options: { -readonly [P in OptionName]?: OptionTables[P] } = {};
  options[table] = reader.table(OPTION_SCHEMAS[table], at, 1);
  return options;
}

/** An operator's options of a kind; their defaults when the file has none. */
export function optionsOf<K extends OptionName>(operator: TfliteOperator, table: K): OptionTables[K] {
  return operator.options[table] ?? defaultsOf(OPTION_SCHEMAS[table]);
}

function checkIndex(indices: readonly number[], count: number, what: string, reader: TableReader): void {
  const bad = indices.find((i) => i < 0 || i >= count);
  if (bad !== undefined) throw reader.damaged(`${what} is ${bad}, but there are ${count}`, 0);
}
