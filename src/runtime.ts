/** Running engines in Node: `const session = await Session.open("model.hone"); const out = await session.run(feeds);` */
export { Session, type OpenOptions } from "./runtime/node/session.ts";
export type { NativeStats } from "./runtime/node/host.ts";
export { ExecutionContext, SessionCore } from "./runtime/core/session.ts";
export type { FeedTensor, Feeds, RunOptions, SessionInfo, ValueMetadata } from "./runtime/core/types.ts";
export { readEngineFile } from "./runtime/node/file.ts";
export { readEngine, type ReadEngineOptions } from "./engine/read.ts";
export type { Engine, Manifest, ManifestKernel, ManifestProfile, ManifestTarget, ManifestValue } from "./engine/format.ts";
export { tensor, zeros, elementCount, type Tensor } from "./tensor/tensor.ts";
export type { AnyTensor, AnyType, StringTensor } from "./text/tensor.ts";
export type { DType, TypedArray } from "./tensor/dtype.ts";
export { HoneError, type ErrorPlace, type Problem } from "./util/errors.ts";
export type { ErrorCode } from "./util/codes.ts";
