/** Annotation files: what hone reads and writes, as records that hone/metrics takes. */
export type {
  AnnotatedCategory,
  AnnotatedImage,
  Annotation,
  AnnotationBox,
  AnnotationId,
  AnnotationRegion,
  AnnotationSet,
  ByteSource,
  DetectedObject,
  DetectionList,
  NamedText,
} from "./records.ts";
export { stemOf } from "./records.ts";
export { readCoco, readCocoResults, writeCoco, writeCocoResults } from "./coco.ts";
export { readVocXml, writeVocXml } from "./voc-xml.ts";
export { readYolo, readYoloDetections, writeYolo, type ImageSizes } from "./yolo.ts";
export { readWiderMat, type WiderFaces } from "./wider-mat.ts";
export { readWiderDetections, readWiderText, writeWiderText } from "./wider-text.ts";
export { readBoxDetections, readBoxTruths, writeBoxDetections, writeBoxTruths, type BoxTextForm } from "./box-text.ts";
export { readCsv, readCsvDetections, writeCsv, writeCsvDetections } from "./csv.ts";
export { readDlibXml, writeDlibXml } from "./dlib-xml.ts";
export { CELEBAMASK_CLASSES, readLabelPng, type LabelMap } from "./label-png.ts";
export { readMat5, type MatValue } from "./mat5.ts";
