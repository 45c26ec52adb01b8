/** hone/metrics: matching, average precision and its kin over plain records. Works in browsers. */
export type {
  BoxTuple,
  CategoryRecord,
  DetectionRecord,
  DetectionTask,
  Id,
  ImageRecord,
  Segmentation,
  TruthRecord,
} from "./metrics/records.ts";
export { WARNING_KINDS, type MetricWarning, type WarningKind } from "./metrics/warnings.ts";
export type { MatchTable } from "./metrics/table.ts";

export { evaluateCoco, CocoAccumulator, type CocoCategoryResult, type CocoPart, type CocoResult } from "./metrics/coco/evaluate.ts";
export type { AreaRange, CocoKind, CocoOptions, CocoSettings } from "./metrics/coco/options.ts";
export { averagePrecision, averageRecall, type PrecisionTable, type Selection } from "./metrics/coco/accumulate.ts";
export { evaluateVoc, VocAccumulator, type VocCategoryResult, type VocOptions, type VocPart, type VocResult } from "./metrics/voc.ts";
export {
  evaluateWider,
  WiderAccumulator,
  type WiderCurve,
  type WiderDetection,
  type WiderImage,
  type WiderMode,
  type WiderOptions,
  type WiderPart,
  type WiderResult,
} from "./metrics/wider.ts";
export { evaluateLvis, type LvisOptions, type LvisResult } from "./metrics/lvis.ts";
export { evaluateOpenImages, type OpenImagesOptions, type OpenImagesResult } from "./metrics/open-images.ts";

export { averagePrecisionOf, curvesOf, type Interpolation, type PrecisionRecallCurve } from "./metrics/curve.ts";
export { bestOperatingPoint, operatingPoint, type OperatingPoint } from "./metrics/operating.ts";
export { confusionMatrix, type ConfusionMatrix, type ConfusionOptions } from "./metrics/confusion.ts";
export { tide, TIDE_KINDS, type TideError, type TideKind, type TideOptions, type TideResult } from "./metrics/tide.ts";
export { bootstrap, pairedBootstrap, type BootstrapInterval, type BootstrapOptions, type PairedInterval } from "./metrics/bootstrap.ts";
export {
  compareRules,
  evaluateByRules,
  RULE_SETS,
  type RuleDifference,
  type Rules,
  type RuleSetName,
  type RuleStep,
} from "./metrics/rules.ts";
export { explainCoco, type Explanation } from "./metrics/explain.ts";

export {
  cumulativeErrors,
  evaluateAflw2000,
  evaluateLandmarks,
  INTER_OCULAR_68,
  type LandmarkNorm,
  type LandmarkPair,
  type LandmarkResult,
  type YawBinsResult,
} from "./metrics/landmarks.ts";
export { ParsingAccumulator, type ParsingResult } from "./metrics/parsing.ts";
export { topK, type ClassificationResult } from "./metrics/classification.ts";

export {
  decodeMask,
  encodeMask,
  maskArea,
  maskBounds,
  maskFromBitmap,
  maskIou,
  maskToBitmap,
  mergeMasks,
  type EncodedMask,
  type Polygons,
  type RunLengths,
} from "./metrics/mask/rle.ts";
export { maskFromPolygons } from "./metrics/mask/polygon.ts";
