"""Writes what LiteRT (PyPI ai-edge-litert) computes for TFLite models on a seeded input, as raw little-endian float32.

    python scripts/oracles/litert.py MODEL.tflite… -o test/fixtures/litert

The input is the one of test/models/seeded.ts: the minimal standard LCG x <- (1103515245 x + 12345) mod 2^31 from 1, mapped to [-1, 1].
"""
import argparse
import json
import pathlib

import ai_edge_litert
import numpy as np
from ai_edge_litert.interpreter import Interpreter


def seeded(count):
    out = np.zeros(count, np.float64)
    state = 1
    for i in range(count):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        out[i] = state / 0x7FFFFFFF * 2 - 1
    return out.astype(np.float32)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("-o", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.o.mkdir(parents=True, exist_ok=True)
    index = {"litert": getattr(ai_edge_litert, "__version__", "unknown"), "models": {}}
    for model in args.models:
        interpreter = Interpreter(str(model))
        interpreter.allocate_tensors()
        (inp,) = interpreter.get_input_details()
        interpreter.set_tensor(inp["index"], seeded(int(np.prod(inp["shape"]))).reshape(inp["shape"]))
        interpreter.invoke()
        outputs = []
        for i, out in enumerate(interpreter.get_output_details()):
            file = f"{model.stem}.{i}.f32"
            interpreter.get_tensor(out["index"]).astype("<f4").tofile(args.o / file)
            outputs.append({"name": out["name"], "dims": [int(d) for d in out["shape"]], "file": file})
        index["models"][model.stem] = {"input": inp["name"], "outputs": outputs}
    (args.o / "index.json").write_text(json.dumps(index, indent=2) + "\n")


main()
