/** Overlap of flat boxes, each in the form its protocol wrote it; the loops that evaluations spend their time in. */

/**
 * COCO's overlap: no +1, and a crowd's union is the detection's own area (cocoapi, bbIou).
 * @param boxes both arrays hold x, y, width, height; a and b are offsets of a detection and a ground truth in them
 * @returns 0 to 1; 0 where a box has no area or is not finite
 */
export function cocoIou(detections: Float64Array, a: number, truths: Float64Array, b: number, crowd: boolean): number {
  const [ax, ay, aw, ah] = [detections[a] as number, detections[a + 1] as number, detections[a + 2] as number, detections[a + 3] as number];
  const [bx, by, bw, bh] = [truths[b] as number, truths[b + 1] as number, truths[b + 2] as number, truths[b + 3] as number];
  const w = Math.min(aw + ax, bw + bx) - Math.max(ax, bx);
  if (!(w > 0)) return 0;
  const h = Math.min(ah + ay, bh + by) - Math.max(ay, by);
  if (!(h > 0)) return 0;
  const shared = w * h;
  const either = crowd ? aw * ah : aw * ah + bw * bh - shared;
  const iou = shared / either;
  return Number.isFinite(iou) ? iou : 0;
}

/** VOC's overlap: coordinates name pixels, so every width is x2 − x1 + 1 (VOC devkit; also WIDER FACE's float form). */
export function pixelIou(detections: Float64Array, a: number, truths: Float64Array, b: number): number {
  const [ax, ay, aw, ah] = [detections[a] as number, detections[a + 1] as number, detections[a + 2] as number, detections[a + 3] as number];
  const [bx, by, bw, bh] = [truths[b] as number, truths[b + 1] as number, truths[b + 2] as number, truths[b + 3] as number];
  const w = Math.min(ax + aw, bx + bw) - Math.max(ax, bx) + 1;
  if (!(w > 0)) return 0;
  const h = Math.min(ay + ah, by + bh) - Math.max(ay, by) + 1;
  if (!(h > 0)) return 0;
  const shared = w * h;
  const iou = shared / ((aw + 1) * (ah + 1) + (bw + 1) * (bh + 1) - shared);
  return Number.isFinite(iou) ? iou : 0;
}
