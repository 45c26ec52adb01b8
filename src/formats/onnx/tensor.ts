import type { ErrorCode } from "../../util/codes.ts";
import { HoneError } from "../../util/errors.ts";
import { DTYPES, byteSize, is64, type DType, type TypedArray } from "../../tensor/dtype.ts";
import { elementCount, tensor, viewOf, type Tensor } from "../../tensor/tensor.ts";
import type { OnnxTensor } from "./ast.ts";
import { externalBytes, type ResolveExternal } from "./external.ts";
import { mark, NARROW_TYPES, packedBytes, unpacked, type NarrowType } from "./narrow.ts";
import { onnxTypeName, storageOf } from "./types.ts";

export interface TensorOptions {
  readonly file: string;
  /** Hands over a data file that lies beside the model. Without it, external data are an error. */
  readonly resolveExternal?: ResolveExternal;
}

/** More dims than any tensor has; protects what is quadratic in the rank. */
const MAX_RANK = 32;

/**
 * The tensor that a TensorProto holds, wherever it keeps its data: a view where the bytes are aligned, else a copy.
 * Throws `model.unsupported` for a type that hone lacks (strings, complex numbers), `model.damaged` when data and dims disagree.
 */
export function tensorOf(proto: OnnxTensor, options: TensorOptions): Tensor {
  const dtype = storageOf(proto.dataType);
  if (dtype === undefined) {
    throw fault("model.unsupported", proto, options, `has the type ${onnxTypeName(proto.dataType)}, which hone does not read`);
  }
  if (proto.segment !== undefined) throw fault("model.unsupported", proto, options, "is split into segments, which hone does not read");
  if (proto.dims.length > MAX_RANK) throw fault("model.damaged", proto, options, `has ${proto.dims.length} dims`);
  const count = elementCount(proto.dims);
  if (!Number.isSafeInteger(count)) throw fault("model.damaged", proto, options, `has an absurd size: [${proto.dims.join(",")}]`);

  const narrow = NARROW_TYPES[proto.dataType];
  if (narrow) return mark(tensor(dtype, proto.dims, narrowData(proto, narrow, count, options)), narrow);
  const bytes = proto.dataLocation === 1 ? externalBytes(proto, count * byteSize(dtype), options) : proto.rawData;
  if (bytes === undefined) return tensor(dtype, proto.dims, fromLists(proto, dtype, count, options));
  if (bytes.length !== count * byteSize(dtype)) throw mismatch(proto, options, `${bytes.length} bytes`, `${count * byteSize(dtype)} bytes`);
  return tensor(dtype, proto.dims, viewOf(dtype, bytes.buffer, bytes.byteOffset, count));
}

/** Packed elements, in raw bytes or one byte of them in each number of the list. */
function narrowData(proto: OnnxTensor, type: NarrowType, count: number, options: TensorOptions): Uint8Array | Int8Array {
  const size = packedBytes(type, count);
  const bytes = (proto.dataLocation === 1 ? externalBytes(proto, size, options) : proto.rawData) ?? Uint8Array.from(proto.int32Data);
  if (bytes.length !== size) throw mismatch(proto, options, `${bytes.length} bytes`, `${size} bytes`);
  return unpacked(type, bytes, count);
}

function fromLists(proto: OnnxTensor, dtype: DType, count: number, options: TensorOptions): TypedArray {
  const list = listOf(proto, dtype);
  if (list.length !== count) throw mismatch(proto, options, `${list.length} elements`, `${count}`);
  if (list instanceof DTYPES[dtype].array) return list;
  const data = viewOf(dtype, new ArrayBuffer(count * byteSize(dtype)), 0, count);
  // typed arrays wrap into range by themselves: int32_data carries small integers and the bits of 16-bit floats
  for (let i = 0; i < count; i++) data[i] = is64(dtype) ? BigInt(list[i] ?? 0) : Number(list[i] ?? 0);
  return data;
}

/** onnx.proto says which list carries which type. */
function listOf(proto: OnnxTensor, dtype: DType): Float32Array | Float64Array | Int32Array | BigInt64Array | BigUint64Array {
  switch (dtype) {
    case "float32":
      return proto.floatData;
    case "float64":
      return proto.doubleData;
    case "int64":
      return proto.int64Data;
    case "uint32":
    case "uint64":
      return proto.uint64Data;
    default:
      return proto.int32Data;
  }
}

function mismatch(proto: OnnxTensor, options: TensorOptions, has: string, needs: string): HoneError {
  return fault("model.damaged", proto, options, `[${proto.dims.join(",")}] holds ${has} where its dims need ${needs}`);
}

function fault(code: ErrorCode, proto: OnnxTensor, { file }: TensorOptions, what: string): HoneError {
  return new HoneError(code, `the tensor "${proto.name}" ${what}`, { at: { file } });
}
