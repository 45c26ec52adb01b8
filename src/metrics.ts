/** hone/metrics: matching, average precision and its kin over plain records. Works in browsers. */
export { evaluateCoco, CocoAccumulator, type CocoPart, type CocoResult, type CocoCategoryResult } from "./metrics/coco/evaluate.ts";
