"""Measures methods on the renders of a scanned face, as the scan's own scorer does."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...detection.detector import FaceDetector
from ...errors import PhotobustError
from ...image.photo import load_photo
from ...lifting.lifter import LandmarkLifter
from ...reconstructor.inputs import camera_of
from .face_regions import FACE_REGIONS, landmark_regions, point_regions, region_medians
from .methods import Case, Method
from .metrics import Estimate, aligned_distances

#: Points of the scan that the scorer draws.
SCAN_POINTS = 3000
#: Seed with which the scorer draws them.
SCAN_SEED = 0
#: Groups of views by yaw, degrees, by which figures are grouped.
GROUPS = {"0-20": (0, 20), "40": (40, 40), "60": (60, 60), "all": (0, 90)}


@dataclass(frozen=True)
class Scan:
    """points: (P, 3) mm, of the scored region; landmarks: (478, 3) mm, NaN for those that the scan has not;
    pictures: its renders, named demo_y<yaw>_p<pitch>.jpg.
    """

    points: np.ndarray
    landmarks: np.ndarray
    pictures: list[Path]

    @classmethod
    def load(cls, folder: Path) -> "Scan":
        """The scan of a folder with demo_face.npz."""
        with np.load(folder / "demo_face.npz") as data:
            points, known = data["v"][data["region"]], data["lm"]
        order = np.random.default_rng(SCAN_SEED).permutation(len(points))
        landmarks = np.full((478, 3), np.nan)
        landmarks[: len(known)] = known
        return cls(points[order[:SCAN_POINTS]], landmarks, sorted(folder.glob("demo_*.jpg")))


def scan_cases(scan: Scan, detector: FaceDetector, lifter: LandmarkLifter) -> Iterator[tuple[str, Case]]:
    """(name of the view, what a user has of it)."""
    for path in scan.pictures:
        photo = load_photo(path)
        face = detector.detect(photo.rgb, max_faces=1)[0]
        camera = camera_of(photo, None)
        yield path.stem, Case(photo.rgb, face.points, camera, lifter, face.attempt, face.profile_points)


def evaluate_scan(
    scan: Scan, cases: list[tuple[str, Case]], methods: Mapping[str, Method], out: Path | None = None
) -> list[dict[str, Any]]:
    """A row for each method and view: {method, view, yaw, median, mean, p95, median of each region}.

    Errors are in mm, NaN where the method failed.

    out: folder in which each method's meshes are left, one folder a method, for the scan's own scorer.
    """
    rows: list[dict[str, Any]] = []
    if not cases:
        return rows
    regions = point_regions(scan.points, scan.landmarks, landmark_regions(cases[0][1].lifter.canonical))
    for name, method in methods.items():
        for view, case in cases:
            row: dict[str, Any] = {"method": name, "view": view, "yaw": abs(int(view[6:9]))}
            try:
                estimate = method.estimate(case)
                distance = aligned_distances(estimate, scan.points, scan.landmarks)
                row |= {
                    "median": np.median(distance),
                    "mean": distance.mean(),
                    "p95": np.quantile(distance, 0.95),
                } | region_medians(distance, regions)
                if out is not None:
                    write_for_scorer(estimate, out / name.replace(" ", "_") / view)
            except (PhotobustError, ValueError):
                row |= dict.fromkeys(("median", "mean", "p95", *FACE_REGIONS), float("nan"))
            rows.append({k: float(v) if isinstance(v, np.floating) else v for k, v in row.items()})
    return rows


def write_for_scorer(estimate: Estimate, folder: Path) -> None:
    """surface.ply and landmarks.json as the scorer reads them."""
    import trimesh

    folder.mkdir(parents=True, exist_ok=True)
    trimesh.Trimesh(estimate.vertices, estimate.faces, process=False).export(folder / "surface.ply")
    points = [p.tolist() if np.isfinite(p).all() else None for p in estimate.landmarks]
    (folder / "landmarks.json").write_text(json.dumps({"points": points}))


def scan_table(rows: list[dict[str, Any]]) -> str:
    """Median / mean, mm, of each method by group of views, as a markdown table."""
    lines = ["| median / mean, mm | " + " | ".join(GROUPS) + " |", "|---" * (len(GROUPS) + 1) + "|"]
    for name in dict.fromkeys(row["method"] for row in rows):
        cells = []
        for low, high in GROUPS.values():
            some = [r for r in rows if r["method"] == name and low <= r["yaw"] <= high]
            pair = (f"{np.mean([r[k] for r in some]):.2f}" for k in ("median", "mean"))
            cells.append(" / ".join(pair) if some else "–")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def scan_region_table(rows: list[dict[str, Any]]) -> str:
    """Median error, mm, of each method by region and group of views, as a markdown table."""
    lines = [
        "| median, mm | yaw | " + " | ".join(FACE_REGIONS) + " |",
        "|---" * (len(FACE_REGIONS) + 2) + "|",
    ]
    for name in dict.fromkeys(row["method"] for row in rows):
        for group, (low, high) in GROUPS.items():
            some = [r for r in rows if r["method"] == name and low <= r["yaw"] <= high]
            if some:
                cells = [f"{np.mean([r[k] for r in some]):.2f}" for k in FACE_REGIONS]
                lines.append(f"| {name} | {group} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
