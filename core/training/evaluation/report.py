"""Tables, JSON and pictures of an evaluation."""

import heapq
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...geometry.frames import CROP_SIZE
from ...geometry.mesh import triangle_normals
from ..files import written_atomically
from ..rasterize import front_and_back
from .evaluate import FIGURES, EvaluatedHead, EvaluationRecord, summary
from .face_regions import FACE_REGIONS
from .metrics import align

#: Columns of the table and how many digits each gets.
DIGITS = {
    "median": 2,
    "mean": 2,
    "normal": 1,
    "placed_median": 2,
    "placed_mean": 2,
    "depth": 2,
    "iou": 3,
    "rotation": 1,
    "nme": 2,
    "nme3d": 2,
}
#: Distance, mm, that is drawn in the hottest color.
HOT = 4.0


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The rows of `summary` as a table, the methods of each yaw bin below each other."""
    return _table(rows, ("heads", "failed"), FIGURES, DIGITS)


def region_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The rows of `summary` as a table of the medians by region, mm, aligned."""
    return _table(rows, (), {name: name for name in FACE_REGIONS}, dict.fromkeys(FACE_REGIONS, 2))


def _table(
    rows: Sequence[dict[str, Any]],
    counts: tuple[str, ...],
    figures: dict[str, str],
    digits: dict[str, int],
) -> str:
    """A row for each yaw bin and method: its counts, and its figures by the names they have in the head."""
    head = ["yaw", "method", *counts, *figures.values()]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    bins = list(dict.fromkeys(row["yaw"] for row in rows))
    for row in sorted(rows, key=lambda r: bins.index(r["yaw"])):
        cells = [row[k] for k in ("yaw", "method", *counts)]
        cells += ["–" if np.isnan(row[k]) else f"{row[k]:.{digits[k]}f}" for k in figures]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def write_json(path: Path, records: Iterable[EvaluationRecord], **about: Any) -> None:
    """All figures of all heads, their summary, and what was measured."""
    records = list(records)
    rows = [{k: None if v != v else v for k, v in row.items()} for row in summary(records)]
    value = {**about, "summary": rows, "heads": [record.row() for record in records]}
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, allow_nan=False), encoding="utf-8")


class WorstHeads:
    """Keeps the heads with the greatest aligned error of one method."""

    def __init__(self, method: str, count: int = 16) -> None:
        self.method, self.count = method, count
        self._heap: list[tuple[float, int, np.ndarray]] = []

    def add(self, evaluated: EvaluatedHead) -> None:
        """Draw and keep this head if it is among the worst so far."""
        record = evaluated.records[self.method]
        error = np.inf if record.failed else record.figures["median"]
        if len(self._heap) == self.count and error <= self._heap[0][0]:
            return
        entry = (error, evaluated.index, case_picture(evaluated, self.method))
        (heapq.heappush if len(self._heap) < self.count else heapq.heapreplace)(self._heap, entry)

    def sheet(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the worst first, two in a row."""
        pictures = [picture for *_, picture in sorted(self._heap, key=lambda entry: -entry[0])]
        pictures += [np.zeros_like(pictures[0])] * (len(pictures) % 2)
        return np.vstack([np.hstack(pictures[i : i + 2]) for i in range(0, len(pictures), 2)])


def case_picture(evaluated: EvaluatedHead, method: str) -> np.ndarray:
    """(192, 768, 3) uint8 RGB: the picture, with the true 68 landmarks in green and the method's in red; its
    shape, render_shaded; the true shape; the distance of the true face from it, blue 0 to red `HOT` mm.
    """
    case, true, estimate = evaluated.case, evaluated.true, evaluated.estimates[method]
    frame, picture = case.start.head.frame, case.start.crop.copy()
    _draw_landmarks(picture, frame.photo_to_crop(true.camera.project(true.landmarks68)), (0, 255, 0))
    panels = [picture]
    flat = np.zeros_like(picture)
    # Where its own camera saw it; its depth only decides what hides what.
    true_xy = frame.photo_to_crop(true.camera.project(true.vertices))
    true_points = np.column_stack([true_xy, -(true.vertices[:, 2] - true.vertices[:, 2].mean()) * 650])
    if estimate is None:
        panels += [flat, render_shaded(true_points, true.triangles), flat]
    else:
        _draw_landmarks(picture, frame.photo_to_crop(case.camera.project(estimate.landmarks68)), (255, 0, 0))
        error = align(estimate, true).distance
        hot = flat.copy()
        pixels = frame.photo_to_crop(true.camera.project(true.points))
        facing = (true.normals * true.points).sum(1) < 0
        colors = cv2.applyColorMap(
            np.clip(error / HOT * 255, 0, 255).astype(np.uint8)[:, None], cv2.COLORMAP_JET
        )[:, 0, ::-1]
        for (x, y), color in zip(pixels[facing], colors[facing].tolist(), strict=True):
            cv2.circle(hot, (round(x), round(y)), 1, color, -1)
        panels += [
            render_shaded(frame.camera_to_volume(estimate.vertices), estimate.faces),
            render_shaded(true_points, true.triangles),
            hot,
        ]
    figures = evaluated.records[method].figures
    text = f"{evaluated.index}  {figures['median']:.2f} mm  NME {figures['nme']:.1f} %"
    sheet = np.ascontiguousarray(np.hstack(panels))
    cv2.putText(sheet, text, (4, 188), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 0), 1, cv2.LINE_AA)
    return sheet


def render_shaded(points: np.ndarray, faces: np.ndarray, size: int = CROP_SIZE) -> np.ndarray:
    """Render a mesh, flat-shaded by a light from the upper left.

    Args:
        points: (N, 3) vertices, volume frame, voxels.
        faces: (M, 3) int32, of either winding.
        size: side of the picture, pixels.

    Returns:
        (size, size, 3) uint8.
    """
    points = np.ascontiguousarray(points, np.float32)
    index = front_and_back(points, faces, size)[0]
    normals = triangle_normals(points, faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    # Meshes of either winding: what is visible faces the camera.
    normals *= np.where(normals[:, 2:] < 0, -1, 1)
    light = np.array([-0.5, -0.5, 0.7]) / np.linalg.norm([0.5, 0.5, 0.7])
    shade = np.clip(normals @ light, 0, 1) * 215 + 25
    gray = np.where(index >= 0, shade[index], 0).astype(np.uint8)
    return np.repeat(gray[..., None], 3, 2)


def _draw_landmarks(picture: np.ndarray, pixels: np.ndarray, color: tuple[int, int, int]) -> None:
    for x, y in pixels:
        cv2.circle(picture, (round(float(x)), round(float(y))), 1, color, -1)
