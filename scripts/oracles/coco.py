"""pycocotools' answers, kept as test/fixtures/metrics/coco.json so that tests need no Python.

    python scripts/oracles/coco.py [folder of cocoapi-fake]

Without the folder only the generated cases are computed and the rest of the file stays as it is.
"""
import contextlib
import io
import json
import os
import sys

import numpy as np
from pycocotools import mask as mask_tools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cases import case
from lcg import Lcg

OUT = os.path.join(os.path.dirname(__file__), "../../test/fixtures/metrics/coco.json")
COUNTS = {"bbox": 1000, "segm": 150, "keypoints": 150}


def stats(truth, results, kind):
    with contextlib.redirect_stdout(io.StringIO()):
        gt = truth if isinstance(truth, COCO) else COCO()
        if gt is not truth:
            gt.dataset = truth
            gt.createIndex()
        dt = gt.loadRes(results) if results else empty(gt)
        e = COCOeval(gt, dt, kind)
        e.evaluate()
        e.accumulate()
        e.summarize()
    return [float(v) for v in e.stats]


def empty(gt):
    """loadRes cannot read an empty list of results."""
    dt = COCO()
    dt.dataset = {"images": gt.dataset["images"], "categories": gt.dataset["categories"], "annotations": []}
    dt.createIndex()
    return dt


def main():
    fixture = json.load(open(OUT)) if os.path.exists(OUT) else {}
    if len(sys.argv) > 1:
        fixture["fake"] = {}
        for kind in ("bbox", "segm"):
            gt = COCO(os.path.join(sys.argv[1], "instances_val2014_100.json"))
            fixture["fake"][kind] = stats(gt, os.path.join(sys.argv[1], f"instances_val2014_fake{kind}100_results.json"), kind)
    for kind, count in COUNTS.items():
        fixture[kind] = [[round(v, 12) for v in stats(*case(kind, i), kind)] for i in range(count)]
    r = Lcg(99)
    fixture["polygons"] = []
    for _ in range(40):
        points = [r.below(1600) / 8 - 20 for _ in range(2 * (3 + r.below(6)))]
        fixture["polygons"].append(mask_tools.frPyObjects([points], 120, 150)[0]["counts"].decode())
    with open(OUT, "w") as f:
        f.write("{\n" + ",\n".join(f'"{k}": {json.dumps(v, separators=(",", ":"))}' for k, v in fixture.items()) + "\n}\n")
    for kind in COUNTS:
        print(kind, len(fixture[kind]), "mean AP of defined", np.mean([c[0] for c in fixture[kind] if c[0] >= 0]))


main()
