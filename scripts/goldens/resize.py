"""Writes src/data/resize/goldens/resize.json: resizes of a synthetic image by OpenCV and Pillow.

    pip install numpy opencv-python-headless pillow
    python scripts/goldens/resize.py

The image is made by the same formula in resize.test.ts. Small results are kept whole (base64), large ones as SHA-256.
"""

import base64
import hashlib
import json
import pathlib

import cv2
import numpy as np
import PIL
from PIL import Image

SMALL = [(37, 23, 64, 48), (40, 30, 23, 17), (31, 17, 13, 29), (20, 10, 10, 5), (50, 41, 7, 5), (9, 7, 9, 14), (33, 1, 10, 5), (1, 1, 3, 2)]
LARGE = [(640, 480, 211, 97), (321, 203, 640, 640), (1280, 720, 640, 360), (500, 700, 500, 350)]


def synthetic(width: int, height: int) -> np.ndarray:
    """Left half noise, right half a slope with hard edges."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    noise = ((x * 73 + 11) * (y * 151 + 7) * (c * 29 + 3) % 65521) >> 3
    slope = x * 5 + y * 3 + c * 40 + np.where((x // 4 + y // 3) % 2 == 0, 128, 0)
    return (np.where(x * 2 < width, noise, slope) % 256).astype(np.uint8)


def by_cv2(image: np.ndarray, width: int, height: int) -> bytes:
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR).tobytes()


def by_pil(image: np.ndarray, width: int, height: int) -> bytes:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)).tobytes()


def by_pil_bicubic(image: np.ndarray, width: int, height: int) -> bytes:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)).tobytes()


def main() -> None:
    cases = []
    for size in SMALL + LARGE:
        width, height, to_width, to_height = size
        for dialect, resize in (("cv2", by_cv2), ("pil", by_pil), ("pil-bicubic", by_pil_bicubic)):
            data = resize(synthetic(width, height), to_width, to_height)
            kept = {"base64": base64.b64encode(data).decode()} if size in SMALL else {"sha256": hashlib.sha256(data).hexdigest()}
            cases.append({"dialect": dialect, "from": [width, height], "to": [to_width, to_height], **kept})
    made_by = f"scripts/goldens/resize.py with OpenCV {cv2.__version__}, Pillow {PIL.__version__}"
    lines = ",\n    ".join(json.dumps(c) for c in cases)
    out = pathlib.Path(__file__).parents[2] / "src/data/resize/goldens/resize.json"
    out.write_text(f'{{\n  "madeBy": {json.dumps(made_by)},\n  "cases": [\n    {lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
