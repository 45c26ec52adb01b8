"""The lvis package's answers on generated cases, kept as test/fixtures/metrics/lvis.json.

    python scripts/oracles/lvis.py
"""
import json
import logging
import os
import sys
import tempfile

import numpy as np

sys.path = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]
np.float = float  # lvis 0.5.3 was written for an older numpy
from lvis import LVIS, LVISEval, LVISResults  # noqa: E402

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
from cases import case  # noqa: E402
from lcg import Lcg  # noqa: E402

OUT = os.path.join(os.path.dirname(__file__), "../../test/fixtures/metrics/lvis.json")
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "APr", "APc", "APf", "AR@300", "ARs@300", "ARm@300", "ARl@300"]


def federated(index):
    """The same as federatedCase in src/metrics/lvis.test.ts."""
    truth, results = case("bbox", index)
    r = Lcg(index + 5000)
    for image in truth["images"]:
        image["neg_category_ids"] = [c["id"] for c in truth["categories"] if r.below(2)]
        image["not_exhaustive_category_ids"] = [c["id"] for c in truth["categories"] if r.below(3) == 0]
    for c in truth["categories"]:
        c["frequency"] = "rcf"[r.below(3)]
    for a in truth["annotations"]:
        a["iscrowd"] = 0
    return truth, results


def main():
    logging.disable(logging.CRITICAL)
    out = []
    for index in range(200):
        truth, results = federated(index)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump(truth, f)
            f.flush()
            gt = LVIS(f.name)
            if not results:
                out.append(None)
                continue
            e = LVISEval(gt, LVISResults(gt, results), "bbox")
            e.run()
        out.append([round(float(e.results[name]), 12) for name in NAMES])
    with open(OUT, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in out) + "\n]\n")
    print(len(out), "cases, mean AP of defined", np.mean([row[0] for row in out if row and row[0] >= 0]))


main()
