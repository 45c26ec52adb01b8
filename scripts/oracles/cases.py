"""The generated cases; src/metrics/testing/random-cases.ts makes the same from the same numbers."""
from lcg import Lcg
from pycocotools import mask as mask_tools


def size(r):
    kind = r.below(4)
    return r.below(12) + (0, 1, 24, 90)[kind] + (r.below(2) * 8 if kind > 1 else 0)


def box(r):
    return [r.below(400) / 4, r.below(400) / 4, size(r), size(r)]


def jitter(r, b):
    return [b[0] + (r.below(9) - 4), b[1] + (r.below(9) - 4), max(0, b[2] + (r.below(9) - 4)), max(0, b[3] + (r.below(9) - 4))]


def polygon(b):
    x, y, w, h = b
    return [[x, y, x + w, y + h / 4, x + w * 0.75, y + h, x + w / 4, y + h / 2]]


def keypoints(r, b):
    out = []
    for _ in range(17):
        out += [b[0] + r.below(int(b[2]) + 1), b[1] + r.below(int(b[3]) + 1), r.below(3)]
    return out


def shifted(r, points):
    return [v + (r.below(7) - 3) if i % 3 < 2 else 1 for i, v in enumerate(points)]


def case(kind, index):
    r = Lcg(index * 7919 + {"bbox": 1, "segm": 2, "keypoints": 3}[kind])
    images = [{"id": 3 * i + r.below(3), "width": 320, "height": 240} for i in range(1 + r.below(4))]
    categories = [{"id": 2 * k + 1, "name": str(k)} for k in range(1 + r.below(3))]
    annotations, results = [], []
    for image in images:
        mine = []
        for _ in range(r.below(6)):
            b = box(r)
            a = {"id": len(annotations) + 1, "image_id": image["id"], "category_id": categories[r.below(len(categories))]["id"], "bbox": b}
            a["iscrowd"] = 1 if r.below(8) == 0 else 0
            a["area"] = b[2] * b[3] * (4 + r.below(5)) / 8
            a["segmentation"] = polygon(b)
            if kind == "keypoints":
                a["keypoints"] = keypoints(r, b) if r.below(6) else [0] * 51
                a["num_keypoints"] = sum(1 for v in a["keypoints"][2::3] if v > 0)
            mine.append(a)
            annotations.append(a)
        many = 120 if index % 50 == 7 else 12
        for _ in range(r.below(many)):
            source = mine[r.below(len(mine))] if mine and r.below(4) else None
            b = jitter(r, source["bbox"]) if source else box(r)
            category = source["category_id"] if source and r.below(8) else categories[r.below(len(categories))]["id"]
            d = {"image_id": image["id"], "category_id": category, "score": r.below(21) / 20}
            if kind == "bbox":
                d["bbox"] = b
            elif kind == "segm":
                d["segmentation"] = mask_tools.frPyObjects(polygon(b), 240, 320)[0]
            else:
                d["keypoints"] = shifted(r, source["keypoints"]) if source else keypoints(r, b)
            results.append(d)
    return {"images": images, "categories": categories, "annotations": annotations}, results
