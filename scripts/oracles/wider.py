"""WIDER FACE's evaluation a second time, in numpy, on detections made up from the real ground truth.

    python scripts/oracles/wider.py <folder with wider_easy_val.mat, wider_medium_val.mat, wider_hard_val.mat>

Writes test/fixtures/metrics/wider.json: AP by difficulty, as MATLAB's int32 arithmetic gives it and as its float ports do.
"""
import json
import os
import sys

import numpy as np
from scipy.io import loadmat

from lcg import Lcg

OUT = os.path.join(os.path.dirname(__file__), "../../test/fixtures/metrics/wider.json")
LEVELS = ("easy", "medium", "hard")


def made_up(boxes, index):
    """The same as madeUpFaces in src/metrics/wider.test.ts."""
    r = Lcg(index)
    rows = []
    for x, y, w, h in boxes.tolist():
        if r.below(5) == 0:
            continue
        for _ in range(1 + (r.below(6) == 0)):
            e = max(1, w // 4)
            rows.append([x + (r.below(2 * e + 1) - e) / 2, y + (r.below(2 * e + 1) - e) / 2, w + (r.below(2 * e + 1) - e) / 2, h + (r.below(2 * e + 1) - e) / 2, (r.below(900) + 100) / 1000])
    for _ in range(r.below(4)):
        rows.append([r.below(900), r.below(700), r.below(100) + 1, r.below(100) + 1, r.below(700) / 1000])
    return np.array(rows, dtype=float).reshape(-1, 5)


def half_away(v):
    return np.clip(np.sign(v) * np.floor(np.abs(v) + 0.5), -(2**31), 2**31 - 1)


def overlap(faces, box, integer):
    rnd = half_away if integer else (lambda v: v)
    fx1, fy1 = faces[:, 0], faces[:, 1]
    fx2, fy2 = faces[:, 0] + faces[:, 2], faces[:, 1] + faces[:, 3]
    bx1, by1, bx2, by2 = box[0], box[1], box[0] + box[2], box[1] + box[3]
    w = rnd(np.minimum(fx2, bx2)) - rnd(np.maximum(fx1, bx1)) + 1
    h = rnd(np.minimum(fy2, by2)) - rnd(np.maximum(fy1, by1)) + 1
    inter = w * h
    union = rnd((fx2 - fx1 + 1) * (fy2 - fy1 + 1) + (bx2 - bx1 + 1) * (by2 - by1 + 1)) - inter
    with np.errstate(all="ignore"):
        o = rnd(inter / union)
    o[(w <= 0) | (h <= 0)] = 0
    return o


def ap(rec, prec):
    rec = np.concatenate([[0], rec, [1]])
    prec = np.concatenate([[0], prec, [0]])
    for i in range(len(prec) - 1, 0, -1):
        prec[i - 1] = np.fmax(prec[i - 1], prec[i])
    at = np.where(rec[1:] != rec[:-1])[0]
    return float(np.sum((rec[at + 1] - rec[at]) * prec[at + 1]))


def main(folder):
    mats = {level: loadmat(os.path.join(folder, f"wider_{level}_val.mat")) for level in LEVELS}
    images = []
    for e in range(61):
        lists = mats["easy"]["face_bbx_list"][e][0]
        for f in range(len(lists)):
            keep = {level: mats[level]["gt_list"][e][0][f][0].reshape(-1).astype(int) - 1 for level in LEVELS}
            images.append((lists[f][0].astype(float).reshape(-1, 4), keep))
    preds = [made_up(faces.astype(int), i) for i, (faces, _) in enumerate(images)]
    scores = np.concatenate([p[:, 4] for p in preds])
    low, high = scores.min(), scores.max()
    out = {}
    for mode in ("int32", "float"):
        curves = {level: np.zeros((1000, 2)) for level in LEVELS}
        count = dict.fromkeys(LEVELS, 0)
        for (faces, keep), pred in zip(images, preds):
            pred = pred[np.argsort(-pred[:, 4], kind="stable")]
            s = (pred[:, 4] - low) / (high - low)
            over = [overlap(faces, p, mode == "int32") for p in pred]
            for level in LEVELS:
                count[level] += len(keep[level])
                kept = np.zeros(len(faces), bool)
                kept[keep[level]] = True
                seen = np.zeros(len(faces), bool)
                proposal = np.ones(len(pred), int)
                recall = np.zeros(len(pred), int)
                for i, o in enumerate(over):
                    j = int(np.argmax(o))
                    if o[j] >= 0.5:
                        if kept[j]:
                            seen[j] = True
                        else:
                            proposal[i] = 0
                    recall[i] = seen.sum()
                upto = np.searchsorted(-s, -(1 - np.arange(1, 1001) / 1000), side="right")
                some = upto > 0
                curves[level][some, 0] += np.cumsum(proposal)[upto[some] - 1]
                curves[level][some, 1] += recall[upto[some] - 1]
        with np.errstate(all="ignore"):
            out[mode] = {level: ap(c[:, 1] / count[level], c[:, 1] / c[:, 0]) for level, c in curves.items()}
        print(mode, out[mode], count)
    with open(OUT, "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")


main(sys.argv[1])
