/** Running engines in a page: `const session = await Session.open("model.hone"); const out = await session.run(feeds);` */
export { Session, type OpenOptions } from "./runtime/web/session.ts";
export type { BrowserWorker } from "./runtime/web/line.ts";
export type { EngineSource } from "./runtime/web/source.ts";
export { ExecutionContext, SessionCore } from "./runtime/core/session.ts";
export type { FeedTensor, Feeds, RunOptions, SessionInfo, ValueMetadata } from "./runtime/core/types.ts";
export type { Engine, Manifest, ManifestKernel, ManifestProfile, ManifestTarget, ManifestValue } from "./engine/format.ts";
export { tensor, zeros, elementCount, type Tensor } from "./tensor/tensor.ts";
export type { AnyTensor, AnyType, StringTensor } from "./text/tensor.ts";
export type { DType, TypedArray } from "./tensor/dtype.ts";
export { HoneError, type ErrorPlace, type Problem } from "./util/errors.ts";
export type { ErrorCode } from "./util/codes.ts";
