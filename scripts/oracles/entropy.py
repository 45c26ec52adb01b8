"""Thresholds by entropy for test/fixtures/quant/entropy.json: ONNX Runtime's own calibrator, and the other two variants written out
with numpy from their description (docs: facts of the KL search), independently of src/quant.

    /tmp/py/bin/python scripts/oracles/entropy.py > test/fixtures/quant/entropy.json
"""
import json
import warnings

import numpy as np
import onnxruntime
from onnxruntime.quantization.calibrate import HistogramCollector

warnings.filterwarnings("ignore")
LEVELS = 128


def histogram(kind, bins):
    rng = np.random.default_rng({"normal": 1, "relu": 2, "heavy": 3, "sparse": 4}[kind])
    if kind == "normal":
        x = np.abs(rng.normal(0, 1, 40000))
    elif kind == "relu":
        x = np.abs(rng.normal(0, 1, 40000)) * (rng.random(40000) < 0.5)
        x = x[x != 0]
    elif kind == "heavy":
        x = np.abs(rng.standard_t(3, 40000))
    else:
        x = np.round(np.abs(rng.normal(0, 1, 500)) * 40) / 40 + 0.001
    counts, _ = np.histogram(x, bins=bins, range=(0, x.max() * 1.0001))
    return counts.astype(float)


def kl(p, q):
    p, q = p / p.sum(), q / q.sum()
    if np.any((p > 0) & (q == 0)):
        return np.inf
    at = p > 0
    return float(np.sum(p[at] * np.log(p[at] / q[at])))


def nvidia(counts):
    bins = counts.copy()
    bins[0] = bins[1]
    values = []
    for length in range(LEVELS, len(bins) + 1):
        level = np.digitize(np.arange(length), np.linspace(0, length, LEVELS + 1)) - 1
        q = np.zeros(length)
        for k in range(LEVELS):
            at = (level == k) & (bins[:length] != 0)
            if at.any():
                q[at] = bins[:length][at].sum() / at.sum()
        p = bins[:length].copy()
        p[-1] += bins[length:].sum()
        values.append(kl(p, q))
    values = np.array(values)
    return int(len(values) - 1 - np.argmin(values[::-1])) + LEVELS


def ncnn(counts):
    bins = counts / counts.sum()
    best = (np.inf, LEVELS)
    for length in range(LEVELS, len(bins)):
        p = bins[:length] + 1e-4
        p[-1] += bins[length:].sum()
        edges = np.linspace(0, length, LEVELS + 1)
        # overlap[k, i]: how much of bin i lies in level k.
        i = np.arange(length)
        overlap = np.clip(np.minimum(edges[1:, None], i + 1) - np.maximum(edges[:-1, None], i), 0, None)
        full = bins[:length] != 0
        filled = overlap[:, full].sum(axis=1)
        mean = np.divide(overlap @ bins[:length], filled, out=np.zeros(LEVELS), where=filled > 0)
        q = 1e-4 + np.where(full, mean @ overlap, 0)
        value = float(np.sum(p * np.log(p / q)))
        if value < best[0]:
            best = (value, length)
    return best[1]


def ort(signed):
    """The window as bin edges, by the class that onnxruntime calibrates with."""
    n = len(signed)
    edges = np.arange(n + 1, dtype=np.float32) - n // 2
    collector = HistogramCollector.__new__(HistogramCollector)  # the search needs nothing that the constructor sets
    low, high = collector.get_entropy_threshold((signed.astype(np.int64), edges, edges[0], edges[-1], edges[-1]), LEVELS)[:2]
    return [int(float(low)) + n // 2, int(float(high)) + n // 2]


cases = []
for kind in ("normal", "relu", "heavy", "sparse"):
    for bins in (160, 301, 512):
        counts = histogram(kind, bins)
        signed = np.concatenate([counts[::-1] // 3, counts])
        cases.append({"name": f"{kind}, {bins} bins", "magnitudes": counts.astype(int).tolist(), "signed": signed.astype(int).tolist(),
                      "nvidia": nvidia(counts), "ncnn": ncnn(counts), "ort": ort(signed)})
# ONNX Runtime's default: 128 bins have one candidate, which is everything.
counts = histogram("heavy", 64)
signed = np.concatenate([counts[::-1], counts])
only = {"name": "heavy, ONNX Runtime's default of 128 bins", "signed": signed.astype(int).tolist(), "ort": ort(signed)}
print(json.dumps({"onnxruntime": onnxruntime.__version__, "cases": cases, "default": only}))
