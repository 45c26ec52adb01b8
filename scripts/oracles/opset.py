"""What onnx.checker and onnxruntime say of models that `npm run conformance:opset -- --keep FOLDER` wrote.

    python scripts/oracles/opset.py FOLDER ../shared/conformance/onnx-backend-v1.22.0.tar.xz

A model NAME.VERSION.onnx is only judged as NAME.onnx was, which it was made of: the checker must accept both, and where onnxruntime
gives the suite's answers for the one it must for the other, or lack a kernel for that version.
"""
import glob
import os
import re
import sys
import tarfile
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

onnxruntime.set_default_logger_severity(4)
NO_KERNEL = re.compile("NOT_IMPLEMENTED|Could not find an implementation|till opset|No Op registered|under development|model IR")


def accepted(path):
    try:
        onnx.checker.check_model(onnx.load(path), full_check=True)
        return None
    except Exception as error:  # noqa: BLE001: the checker throws many kinds
        return str(error).strip().replace("\n", " ")[:300]


def tensor(path):
    with open(path, "rb") as file:
        proto = onnx.TensorProto()
        proto.ParseFromString(file.read())
        return numpy_helper.to_array(proto)


def cases(folder):
    """Feeds by name and wanted outputs of each data set; None for what is no tensor."""
    model = onnx.load(os.path.join(folder, "model.onnx"))
    constants = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    if any(v.type.WhichOneof("value") != "tensor_type" for v in [*inputs, *model.graph.output]):
        return None
    sets = sorted(glob.glob(os.path.join(folder, "test_data_set_*")))
    feeds = [{v.name: tensor(os.path.join(s, f"input_{k}.pb")) for k, v in enumerate(inputs)} for s in sets]
    wanted = [[tensor(os.path.join(s, f"output_{k}.pb")) for k in range(len(model.graph.output))] for s in sets]
    return list(zip(feeds, wanted))


def same(got, want):
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    if got.dtype == object:
        return bool(np.array_equal(got, want))
    return bool(np.allclose(got.astype(np.float64), want.astype(np.float64), rtol=1e-3, atol=1e-7, equal_nan=True))


def runs(path, data):
    """None when it gives what is wanted, "kernel" when it cannot be run here, else what is wrong."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [i.name for i in session.get_inputs()]
        for feeds, wanted in data:
            got = session.run(None, {name: feeds[name] for name in names})
            if not all(same(np.asarray(g), w) for g, w in zip(got, wanted)):
                return "other answers"
        return None
    except Exception as error:  # noqa: BLE001
        text = str(error).replace("\n", " ")
        return "kernel" if NO_KERNEL.search(text) else text[:250]


def main(folder, archive):
    count = {"accepted": 0, "same": 0, "kernel": 0, "skipped": 0}
    bad = []
    with tempfile.TemporaryDirectory() as unpacked:
        tarfile.open(archive).extractall(unpacked)
        places = {os.path.basename(p): p for p in glob.glob(os.path.join(unpacked, "*", "*")) if os.path.isdir(p)}
        groups = {}
        for path in sorted(glob.glob(os.path.join(folder, "*.onnx"))):
            name = os.path.basename(path)[: -len(".onnx")]
            stem, _, version = name.rpartition(".")
            groups.setdefault(stem if version.isdigit() else name, []).append(path)
        for stem, paths in groups.items():
            own = os.path.join(folder, f"{stem}.onnx")
            others = [p for p in paths if p != own]
            if not os.path.exists(own) or accepted(own) is not None:
                count["skipped"] += len(others)
                continue
            place = places.get(re.sub(r"\.fixed$", "", stem))
            try:
                data = cases(place) if place else None
            except Exception:  # noqa: BLE001: types that numpy does not have
                data = None
            ran = data is not None and runs(own, data) is None
            for path in others:
                wrong = accepted(path)
                if wrong is None:
                    count["accepted"] += 1
                else:
                    bad.append(f"{os.path.basename(path)}: checker: {wrong}")
                if not ran:
                    continue
                wrong = runs(path, data)
                if wrong is None or wrong == "kernel":
                    count["kernel" if wrong else "same"] += 1
                else:
                    bad.append(f"{os.path.basename(path)}: onnxruntime: {wrong}")
    print("\n".join(bad))
    print(
        f"{count['accepted']} accepted by onnx.checker, {count['same']} give the suite's answers in onnxruntime "
        f"({count['kernel']} without a kernel there), {len(bad)} wrong; {count['skipped']} of originals that the checker refuses"
    )
    return 1 if bad else 0


sys.exit(main(*sys.argv[1:]))
