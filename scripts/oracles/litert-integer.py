"""Writes what LiteRT's built-in reference resolver (PyPI ai-edge-litert) computes for quantised TFLite models, to the bit.

    python scripts/oracles/litert-integer.py [MODEL.tflite…] -o test/fixtures/litert/integer.json

Small models of one operator are made here with random parameters, and kept in the file with their outputs; of given models a hash of each
output is kept. Inputs are those of test/models/seeded.ts: the LCG x <- (1103515245 x + 12345) mod 2^31 from 1; bytes are bits 16 to 23 of
each number, floats as in litert.py times 4.

The reference resolver's SUM reads int8 as uint8 (seen in 2.3.0), unlike LiteRT's optimised kernels and XNNPACK: there is no case of it.
"""
import argparse
import base64
import hashlib
import json
import pathlib
import zlib

import flatbuffers
import numpy as np
from importlib.metadata import version
from ai_edge_litert import schema_py_generated as s
from ai_edge_litert.interpreter import Interpreter, OpResolverType

TYPES = {"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "int8": 9}


class Seeded:
    def __init__(self):
        self.state = 1

    def next(self):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return self.state

    def fill(self, shape, dtype):
        count = int(np.prod(shape))
        if dtype == np.float32:
            return np.array([(self.next() / 0x7FFFFFFF * 2 - 1) * 4 for _ in range(count)], np.float32).reshape(shape)
        return np.array([(self.next() >> 16) & 255 for _ in range(count)], np.uint8).view(dtype).reshape(shape)


def run(content):
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    source = Seeded()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], source.fill(detail["shape"], detail["dtype"]))
    interpreter.invoke()
    return [(d["name"], interpreter.get_tensor(d["index"])) for d in interpreter.get_output_details()]


class Model:
    """One operator. Tensors are added in the order of its inputs, then its outputs."""

    def __init__(self):
        self.graph = s.SubGraphT()
        self.graph.tensors, self.graph.inputs, self.graph.outputs, self.graph.operators = [], [], [], []
        self.graph.name = b"main"
        self.buffers = [s.BufferT()]
        self.order = []

    def tensor(self, dtype, shape, scale=None, zero=None, data=None, axis=0):
        t = s.TensorT()
        t.type, t.shape, t.buffer = TYPES[dtype], list(shape), 0
        t.name = f"t{len(self.graph.tensors)}".encode()
        if scale is not None:
            q = s.QuantizationParametersT()
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            q.scale = [float(v) for v in scales]
            q.zeroPoint = [int(v) for v in np.broadcast_to(np.atleast_1d(zero), scales.shape)]
            q.quantizedDimension = axis
            t.quantization = q
        if data is not None:
            b = s.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            t.buffer = len(self.buffers)
            self.buffers.append(b)
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def input(self, *args, **kw):
        at = self.tensor(*args, **kw)
        self.graph.inputs.append(at)
        self.order.append(at)
        return self

    def constant(self, *args, **kw):
        self.order.append(self.tensor(*args, **kw))
        return self

    def ints(self, values):
        data = np.asarray(values, np.int32)
        return self.constant("int32", data.shape, data=data)

    def none(self):
        self.order.append(-1)
        return self

    def output(self, *args, **kw):
        self.graph.outputs.append(self.tensor(*args, **kw))
        return self

    def build(self, op, kind=None, version=2, **fields):
        code = s.OperatorCodeT()
        number = getattr(s.BuiltinOperator, op)
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
        operator = s.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = 0, self.order, list(self.graph.outputs)
        if kind:
            operator.builtinOptionsType = getattr(s.BuiltinOptions, kind)
            options = getattr(s, kind + "T")()
            for name, value in fields.items():
                setattr(options, name, value)
            operator.builtinOptions = options
        self.graph.operators.append(operator)
        model = s.ModelT()
        model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [self.graph], self.buffers
        model.description = op.encode()
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def limits(dtype):
    return (-128, 127) if dtype == "int8" else (0, 255)


class Cases:
    def __init__(self):
        self.made = {}
        self.random = None

    def add(self, name, make):
        self.random = np.random.default_rng(zlib.crc32(name.encode()))
        self.made[name] = make()

    def q(self, dtype, low=0.004, high=0.1):
        """A random scale and zero point."""
        least, most = limits(dtype)
        return float(np.float32(self.random.uniform(low, high))), int(self.random.integers(least, most + 1))

    def data(self, dtype, shape):
        least, most = limits(dtype)
        return self.random.integers(least, most + 1, shape).astype(dtype)

    def conv(self, dtype, op, x, w, activation, padding, stride=1, dilation=1, multiplier=None):
        r = self.random
        least, most = limits(dtype)
        (xs, xz), (ys, yz) = self.q(dtype), self.q(dtype)
        axis = 3 if multiplier else 0
        channels = w[axis]
        per_channel = dtype == "int8"
        ws = r.uniform(0.001, 0.02, channels if per_channel else 1).astype(np.float32)
        wz = 0 if per_channel else int(r.integers(90, 160))
        ys = float(np.float32(xs * ws.mean() * np.prod(w) / channels**0.5 * r.uniform(2, 8)))
        bias = r.integers(-20000, 20000, channels).astype(np.int32)
        m = Model().input(dtype, x, xs, xz)
        m.constant(dtype, w, ws, wz, data=self.data(dtype, w), axis=axis)
        m.constant("int32", [channels], [xs * v for v in ws], 0, data=bias)
        if op == "FULLY_CONNECTED":
            m.output(dtype, [x[0], channels], ys, yz)
            return m.build(op, "FullyConnectedOptions", version=4, fusedActivationFunction=activation)
        span = [(k - 1) * dilation + 1 for k in w[1:3]]
        size = [-(-x[i + 1] // stride) if padding == 0 else -(-(x[i + 1] - span[i] + 1) // stride) for i in range(2)]
        m.output(dtype, [x[0], *size, channels], ys, yz)
        options = dict(padding=padding, strideW=stride, strideH=stride, fusedActivationFunction=activation,
                       dilationWFactor=dilation, dilationHFactor=dilation)
        if multiplier:
            return m.build(op, "DepthwiseConv2DOptions", version=3, depthMultiplier=multiplier, **options)
        return m.build(op, "Conv2DOptions", version=3, **options)

    def unary(self, dtype, op, shape=(1, 3, 5, 7), kind=None, out=None, x=None, y=None, ints=None, to=None, version=2, **fields):
        m = Model().input(dtype, shape, *(x or self.q(dtype)))
        for values in ints or []:
            m.ints(values)
        m.output(to or dtype, out or shape, *(y or self.q(dtype)))
        return m.build(op, kind, version, **fields)

    def binary(self, dtype, op, a, b, kind=None, same=False, out=None, **fields):
        first = self.q(dtype)
        m = Model().input(dtype, a, *first).input(dtype, b, *(first if same else self.q(dtype)))
        shape = out or np.broadcast_shapes(a, b)
        m.output(dtype, shape, *(first if same else self.q(dtype, 0.02, 0.2)))
        return m.build(op, kind, **fields)

    def pool(self, dtype, op, activation, padding, size=3, stride=2):
        q = self.q(dtype, 0.02, 0.1)
        out = 4 if padding == 0 else 3
        return self.unary(dtype, op, (1, 8, 8, 5), "Pool2DOptions", (1, out, out, 5), q, q, padding=padding, strideW=stride, strideH=stride,
                          filterWidth=size, filterHeight=size, fusedActivationFunction=activation)

    def every(self, dtype):
        least, most = limits(dtype)
        n = lambda name: f"{name} {dtype}"
        add = self.add
        conv = [("same", 0, 1, 0), ("valid, stride 2, RELU6", 3, 2, 1), ("dilated, RELU", 1, 1, 0)]
        for label, activation, stride, padding in conv:
            dilation = 2 if "dilated" in label else 1
            add(n(f"CONV_2D {label}"), lambda: self.conv(dtype, "CONV_2D", [1, 7, 9, 5], [6, 3, 3, 5], activation, padding, stride, dilation))
            add(n(f"DEPTHWISE_CONV_2D {label}"),
                lambda: self.conv(dtype, "DEPTHWISE_CONV_2D", [1, 7, 9, 6], [1, 3, 3, 6], activation, padding, stride, dilation, 1))
        add(n("CONV_2D wide"), lambda: self.conv(dtype, "CONV_2D", [1, 6, 10, 24], [20, 1, 1, 24], 0, 0))
        add(n("DEPTHWISE_CONV_2D of two filters"), lambda: self.conv(dtype, "DEPTHWISE_CONV_2D", [1, 7, 9, 4], [1, 3, 3, 8], 0, 0, 1, 1, 2))
        add(n("FULLY_CONNECTED"), lambda: self.conv(dtype, "FULLY_CONNECTED", [3, 33], [10, 33], 1, 0))
        for op, kind in [("ADD", "AddOptions"), ("SUB", "SubOptions"), ("MUL", "MulOptions")]:
            for activation, label in enumerate(["", " RELU", " RELU_N1_TO_1", " RELU6"]):
                add(n(op + label), lambda: self.binary(dtype, op, [1, 4, 5, 6], [1, 4, 5, 6], kind, fusedActivationFunction=activation))
            add(n(f"{op} broadcast"), lambda: self.binary(dtype, op, [2, 4, 5, 6], [1, 1, 6], kind))
        for activation, padding in [(0, 0), (1, 1), (3, 0)]:
            add(n(f"AVERAGE_POOL_2D {activation} {padding}"), lambda: self.pool(dtype, "AVERAGE_POOL_2D", activation, padding))
            add(n(f"MAX_POOL_2D {activation} {padding}"), lambda: self.pool(dtype, "MAX_POOL_2D", activation, padding))
        add(n("MAXIMUM"), lambda: self.binary(dtype, "MAXIMUM", [2, 5, 3], [1, 3], same=True))
        add(n("MINIMUM"), lambda: self.binary(dtype, "MINIMUM", [2, 5, 3], [1, 3], same=True))
        for low, high in [(0.01, 0.03), (0.05, 0.09), (0.2, 0.4)]:
            for op in ["LOGISTIC", "TANH", "HARD_SWISH"]:
                y = {"LOGISTIC": (1 / 256, least), "TANH": (1 / 128, least + 128)}.get(op)
                add(n(f"{op} {low}"), lambda: self.unary(dtype, op, (1, 1024), x=self.q(dtype, low, high), y=y or self.q(dtype, low * 3, high * 3), version=1 if op == "HARD_SWISH" else 2))
            add(n(f"SOFTMAX {low}"),
                lambda: self.unary(dtype, "SOFTMAX", (9, 13), "SoftmaxOptions", x=self.q(dtype, low, high), y=(1 / 256, least), beta=1.0 + low))
        for op in ["RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"]:
            add(n(op), lambda: self.unary(dtype, op, (1, 1024), version=1))
        add(n("LEAKY_RELU"), lambda: self.unary(dtype, "LEAKY_RELU", (1, 1024), "LeakyReluOptions", alpha=0.23))
        def prelu():
            slopes = self.data(dtype, (1, 1, 7))
            m = Model().input(dtype, (1, 9, 9, 7), *self.q(dtype)).constant(dtype, (1, 1, 7), *self.q(dtype, 0.001, 0.01), data=slopes)
            return m.output(dtype, (1, 9, 9, 7), *self.q(dtype)).build("PRELU", version=1)
        add(n("PRELU"), prelu)
        for to in ["int8", "uint8"]:
            for i in range(3):
                add(n(f"QUANTIZE to {to} {i} from"), lambda: self.unary(dtype, "QUANTIZE", (1, 1024), "QuantizeOptions", y=self.q(to), to=to))
        add(n("QUANTIZE from float to"), lambda: Model().input("float32", (1, 2048)).output(dtype, (1, 2048), *self.q(dtype)).build("QUANTIZE", "QuantizeOptions"))
        add(n("DEQUANTIZE"), lambda: Model().input(dtype, (1, 1024), *self.q(dtype)).output("float32", (1, 1024)).build("DEQUANTIZE", "DequantizeOptions"))
        for axes, out in [([1, 2], (2, 1, 1, 7)), ([3], (2, 5, 6, 1)), ([0, 1, 2, 3], (1, 1, 1, 1))]:
            for op in ["MEAN"] if dtype == "int8" else ["MEAN", "SUM"]:
                scale = 1 if op == "MEAN" else 10
                add(n(f"{op} {axes}"), lambda: self.unary(dtype, op, (2, 5, 6, 7), "ReducerOptions", out, y=self.q(dtype, 0.002 * scale, 0.05 * scale), ints=[axes], keepDims=True))
        def concat(same):
            q = self.q(dtype)
            m = Model()
            for c in [3, 4]:
                m.input(dtype, (1, 3, 3, c), *(q if same else self.q(dtype)))
            return m.output(dtype, (1, 3, 3, 7), *q).build("CONCATENATION", "ConcatenationOptions", axis=3)
        add(n("CONCATENATION"), lambda: concat(True))
        if dtype == "uint8":
            add(n("CONCATENATION of parts in other steps"), lambda: concat(False))
        def same(op, kind=None, **kw):
            q = self.q(dtype)
            return self.unary(dtype, op, kind=kind, x=q, y=q, **kw)
        add(n("PAD"), lambda: same("PAD", "PadOptions", out=(1, 6, 8, 9), ints=[[[0, 0], [1, 2], [0, 3], [2, 0]]]))
        add(n("TRANSPOSE"), lambda: same("TRANSPOSE", "TransposeOptions", out=(1, 7, 3, 5), ints=[[0, 3, 1, 2]]))
        add(n("RESHAPE"), lambda: same("RESHAPE", "ReshapeOptions", out=(15, 7), ints=[[15, 7]], newShape=[15, 7], version=1))
        add(n("STRIDED_SLICE"), lambda: same("STRIDED_SLICE", "StridedSliceOptions", out=(1, 2, 3, 4), ints=[[0, 0, 1, 2], [1, 3, 4, 6], [1, 2, 1, 1]]))
        add(n("RESIZE_NEAREST_NEIGHBOR"), lambda: same("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions", out=(1, 7, 9, 7), ints=[[7, 9]]))
        for label, fields in [("", {}), (" half pixels", {"halfPixelCenters": True}), (" corners", {"alignCorners": True})]:
            if dtype == "int8":
                add(n(f"RESIZE_BILINEAR{label}"), lambda: same("RESIZE_BILINEAR", "ResizeBilinearOptions", out=(1, 7, 9, 7), ints=[[7, 9]], **fields))
        def arg():
            m = Model().input(dtype, (1, 6, 5, 7), *self.q(dtype)).ints([3])
            m.graph.tensors[-1].shape = [1]
            return m.output("int64", (1, 6, 5)).build("ARG_MAX", "ArgMaxOptions", outputType=TYPES["int64"])
        add(n("ARG_MAX"), arg)
        if dtype == "int8":
            add(n("BATCH_MATMUL"), lambda: self.binary(dtype, "BATCH_MATMUL", [2, 5, 9], [2, 9, 4], "BatchMatMulOptions", out=(2, 5, 4)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", type=pathlib.Path)
    parser.add_argument("-o", type=pathlib.Path, required=True)
    args = parser.parse_args()
    cases = Cases()
    for dtype in ["int8", "uint8"]:
        cases.every(dtype)
    text = lambda content: base64.b64encode(content).decode()
    index = {"litert": version("ai-edge-litert"), "cases": {}, "models": {}}
    for name, content in cases.made.items():
        index["cases"][name] = {"model": text(content), "outputs": [{"name": k, "data": text(v.tobytes())} for k, v in run(content)]}
    for path in args.models:
        outputs = run(path.read_bytes())
        index["models"][path.stem] = [{"name": k, "sha256": hashlib.sha256(v.tobytes()).hexdigest()} for k, v in outputs]
    args.o.write_text(json.dumps(index, indent=1) + "\n")


main()
