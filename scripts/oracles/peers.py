"""Runs a model in the libraries that this Python has, turn by turn, for scripts/bench/python-peers.ts.

peers.py MODEL FOLDER: opens the model in each library on one thread, fp32, and prints one JSON line,
{"peers": {name: version}, "failed": {name: reason}}. Then for each line "name runs" on stdin it prints the
milliseconds of that many runs as a JSON list. FOLDER is for converted files.
"""

import json
import os
import subprocess
import sys
import time

import numpy as np


def noise(shape):
    return np.random.default_rng(1).standard_normal([int(d) for d in shape]).astype(np.float32)


def openvino(path, _folder):
    import openvino as ov

    core = ov.Core()
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(core.read_model(path), "CPU", hints)
    request = compiled.create_infer_request()
    for port in compiled.inputs:
        request.set_tensor(port, ov.Tensor(noise(port.get_shape())))
    return request.infer, ov.__version__.split("-")[0]


def ncnn(path, folder):
    import importlib.metadata

    import ncnn as nn
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    constants = {t.name for t in graph.initializer}
    shapes = [[d.dim_value for d in v.type.tensor_type.shape.dim] for v in graph.input if v.name not in constants]
    copy = os.path.join(folder, "peer.onnx")
    os.symlink(os.path.abspath(path), copy)
    wanted = ",".join("[" + ",".join(map(str, s)) + "]" for s in shapes)
    pnnx = os.path.join(os.path.dirname(sys.executable), "pnnx")
    subprocess.run([pnnx, copy, "inputshape=" + wanted, "fp16=0"], cwd=folder, check=True, capture_output=True)
    net = nn.Net()
    net.opt.num_threads = 1
    for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, name, False)
    if net.load_param(os.path.join(folder, "peer.ncnn.param")) or net.load_model(os.path.join(folder, "peer.ncnn.bin")):
        raise RuntimeError("ncnn does not load what pnnx made")
    data = [nn.Mat(noise(s[1:])) for s in shapes]

    def run():
        extractor = net.create_extractor()
        for name, mat in zip(net.input_names(), data):
            extractor.input(name, mat)
        for name in net.output_names():
            status, _ = extractor.extract(name)
            if status:
                raise RuntimeError(f"ncnn does not compute {name}")

    return run, importlib.metadata.version("ncnn")


def litert(path, _folder):
    import importlib.metadata

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], noise(detail["shape"]))
    return interpreter.invoke, importlib.metadata.version("ai-edge-litert")


def main():
    path, folder = sys.argv[1:3]
    kinds = {"litert": litert} if path.endswith(".tflite") else {"openvino": openvino, "ncnn": ncnn}
    runs, peers, failed = {}, {}, {}
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    for name, open_peer in kinds.items():
        try:
            runs[name], peers[name] = open_peer(path, folder)
            runs[name]()
        except Exception as error:  # whatever a library throws is its answer
            peers.pop(name, None)
            failed[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    print(json.dumps({"peers": peers, "failed": failed}), file=answers, flush=True)
    for line in sys.stdin:
        name, count = line.split()
        times = []
        for _ in range(int(count)):
            began = time.perf_counter()
            runs[name]()
            times.append((time.perf_counter() - began) * 1000)
        print(json.dumps(times), file=answers, flush=True)


main()
