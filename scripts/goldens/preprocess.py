"""Writes src/data/goldens/preprocess.json: tensors as other people's pipelines make them, by OpenCV and Pillow.

    pip install numpy opencv-python-headless pillow
    python scripts/goldens/preprocess.py

The image is that of resize.py. Each case says in words what was done; what hone must find is in preprocess-search.test.ts.
"""

import base64
import json
import pathlib

import cv2
import numpy as np
import PIL
from PIL import Image
from resize import synthetic

WIDTH, HEIGHT = 61, 37


def letterbox_cv2(rgb: np.ndarray, width: int, height: int, fill: int) -> np.ndarray:
    """YOLO's: scaled to fit, centred, the rest filled."""
    ratio = min(width / rgb.shape[1], height / rgb.shape[0])
    size = round(rgb.shape[1] * ratio), round(rgb.shape[0] * ratio)
    dw, dh = (width - size[0]) / 2, (height - size[1]) / 2
    top, bottom = round(dh - 0.1), round(dh + 0.1)
    left, right = round(dw - 0.1), round(dw + 0.1)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR)
    return cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(fill, fill, fill))


def yolo(rgb: np.ndarray) -> np.ndarray:
    return (letterbox_cv2(rgb, 32, 32, 114).astype(np.float32) / 255).transpose(2, 0, 1)[None]


def imagenet(rgb: np.ndarray) -> np.ndarray:
    small = np.asarray(Image.fromarray(rgb).resize((24, 20), Image.Resampling.BILINEAR)).astype(np.float32) / 255
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    return ((small - mean) / std).transpose(2, 0, 1)[None]


def caffe(rgb: np.ndarray) -> np.ndarray:
    bgr = cv2.resize(rgb[..., ::-1], (24, 20), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    return (bgr - np.float32([104, 117, 123]))[None]


def insightface(rgb: np.ndarray) -> np.ndarray:
    width, height = 32, 32
    scaled = Image.fromarray(rgb).resize((width, int(width * rgb.shape[0] / rgb.shape[1])), Image.Resampling.BICUBIC)
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: scaled.height, : scaled.width] = np.asarray(scaled)
    return ((picture.astype(np.float32) - 127.5) / 128).transpose(2, 0, 1)[None]


def raw(rgb: np.ndarray) -> np.ndarray:
    return cv2.resize(rgb[..., ::-1], (28, 18), interpolation=cv2.INTER_LINEAR)[None]


CASES = {
    "cv2, letterbox in the centre with 114, RGB, 0 to 1, planes": yolo,
    "Pillow bilinear, stretched, RGB, ImageNet's mean and deviation, planes": imagenet,
    "cv2, stretched, BGR minus 104, 117, 123, channels last": caffe,
    "Pillow bicubic, letterbox at the top left with 0, RGB, (x - 127.5) / 128, planes": insightface,
    "cv2, stretched, BGR, bytes, channels last": raw,
}


def main() -> None:
    rgb = synthetic(WIDTH, HEIGHT)
    cases = []
    for what, make in CASES.items():
        t = np.ascontiguousarray(make(rgb))
        cases.append({"what": what, "type": str(t.dtype), "dims": list(t.shape), "base64": base64.b64encode(t.tobytes()).decode()})
    made_by = f"scripts/goldens/preprocess.py with OpenCV {cv2.__version__}, Pillow {PIL.__version__}"
    lines = ",\n    ".join(json.dumps(c) for c in cases)
    out = pathlib.Path(__file__).parents[2] / "src/data/goldens/preprocess.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(f'{{\n  "madeBy": {json.dumps(made_by)},\n  "image": [{WIDTH}, {HEIGHT}],\n  "cases": [\n    {lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
