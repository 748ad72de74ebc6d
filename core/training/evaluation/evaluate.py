"""Measures reconstructions of held-out synthetic heads, each method by the same figures."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...detection.detector import FaceDetector, FaceLandmarks
from ...errors import ReconstructionError
from ...lifting.lifter import LandmarkLifter
from ..synthesis.sample import Sample
from .face_regions import FACE_REGIONS, landmark_regions, point_regions, region_medians
from .ground_truth import TrueHeads
from .methods import Case, Method
from .metrics import Estimate, TrueHead, align, compare_placed, find_alignment, landmark_error

YAW_BINS = (0, 30, 60)
#: Figures of a head, in the order in which tables show them, and what they are.
FIGURES = {
    "median": "median, mm, aligned",
    "mean": "mean, mm, aligned",
    "normal": "normals, degrees, aligned",
    "placed_median": "median, mm, as placed",
    "placed_mean": "mean, mm, as placed",
    "depth": "depth, mm, as placed",
    "iou": "IoU, as placed",
    "rotation": "rotation, degrees",
    "nme": "68 landmarks, % of the box",
    "nme3d": "the same in 3D",
}


@dataclass(frozen=True)
class EvaluationRecord:
    """What one method made of one head.

    figures: as in FIGURES, and the median, mm, aligned, of each of `FACE_REGIONS`; NaN where the method
    failed or has none.
    """

    method: str
    head: int
    source: str
    yaw: float
    yaw_bin: int
    failed: bool
    figures: dict[str, float]

    def row(self) -> dict[str, float | int | str | bool | None]:
        """Flat, for JSON: None instead of NaN."""
        flat = asdict(self)
        figures = flat.pop("figures")
        return {**flat, **{k: None if np.isnan(v) else round(v, 4) for k, v in figures.items()}}


@dataclass(frozen=True)
class EvaluatedHead:
    """A sample with its true head and what each method made of it (None where it failed)."""

    index: int
    sample: Sample
    case: Case
    true: TrueHead
    estimates: dict[str, Estimate | None]
    records: dict[str, EvaluationRecord]


def evaluate(
    samples: Iterable[Sample],
    truths: TrueHeads,
    lifter: LandmarkLifter,
    methods: Mapping[str, Method],
    detector: FaceDetector | None = None,
) -> Iterator[EvaluatedHead]:
    """Reconstruct samples by each method, and measure.

    Args:
        samples: synthetic pictures; turned portraits are left out, as of their heads only a fit is known.
        truths: makes their true heads.
        lifter: for the head prior that all methods start from.
        methods: by the names that tables show.
        detector: has its profile network see the faces that are turned far, too, as in a reconstruction.

    Yields:
        Each sample with its true head, the estimates and their errors.
    """
    made = (sample for sample in samples if not sample.turned)
    for index, sample in enumerate(made):
        true = truths.of(sample, np.random.default_rng(index))
        face = FaceLandmarks(sample.landmarks)
        face = detector.with_profile_points(sample.picture, face) if detector else face
        camera = sample.scene.assumed_camera
        case = Case(sample.picture, face.points, camera, lifter, profile_points=face.profile_points)
        estimates: dict[str, Estimate | None] = {}
        records: dict[str, EvaluationRecord] = {}
        for name, method in methods.items():
            try:
                estimate = method.estimate(case)
                figures = measure(estimate, true, case)
            except (ReconstructionError, ValueError):
                estimate, figures = None, dict.fromkeys((*FIGURES, *FACE_REGIONS), float("nan"))
            estimates[name] = estimate
            records[name] = EvaluationRecord(
                name,
                index,
                sample.source,
                float(sample.scene.pose.angles[0]),
                sample.yaw_bin,
                estimate is None,
                figures,
            )
        yield EvaluatedHead(index, sample, case, true, estimates, records)


def balanced_by_yaw(samples: Iterable[Sample], most: int) -> Iterator[Sample]:
    """The first `most` samples of each bin of yaw, portraits left out, so that profiles are not a handful."""
    counts = dict.fromkeys(YAW_BINS, 0)
    for sample in samples:
        if not sample.turned and counts[sample.yaw_bin] < most:
            counts[sample.yaw_bin] += 1
            yield sample


def measure(estimate: Estimate, true: TrueHead, case: Case) -> dict[str, float]:
    """Measure one head.

    Args:
        estimate: the reconstructed head.
        true: the true head.
        case: what the method was given.

    Returns:
        FIGURES, and the median of each of `FACE_REGIONS`, mm, aligned, by name.
    """
    found = find_alignment(estimate, true.points, true.landmarks)
    aligned = align(estimate, true, found)
    placed = compare_placed(estimate, true, case.start.head.frame, case.face_depth, found.mesh)
    flat, full = landmark_error(estimate.landmarks68, true, case.camera)
    regions = point_regions(true.points, true.landmarks, landmark_regions(case.lifter.canonical))
    return {
        "median": float(np.median(aligned.distance)),
        "mean": float(aligned.distance.mean()),
        "normal": float(aligned.normal.mean()),
        "placed_median": float(np.median(placed.distance)),
        "placed_mean": float(placed.distance.mean()),
        "depth": placed.depth,
        "iou": placed.iou,
        "rotation": placed.rotation,
        "nme": flat,
        "nme3d": full,
    } | region_medians(aligned.distance, regions)


def summary(records: Iterable[EvaluationRecord]) -> list[dict[str, Any]]:
    """A row for each method and yaw bin: means over heads; "mean" is the mean of the bins, so that profiles
    count as much as frontal faces. Each has `FIGURES` and the medians of `FACE_REGIONS`.
    """
    by_method: dict[str, list[EvaluationRecord]] = {}
    for record in records:
        by_method.setdefault(record.method, []).append(record)
    rows: list[dict[str, Any]] = []
    for method, all_ in by_method.items():
        bins: list[dict[str, Any]] = []
        for yaw in YAW_BINS:
            some = [r for r in all_ if r.yaw_bin == yaw]
            if some:
                figures = {k: _mean([r.figures[k] for r in some]) for k in (*FIGURES, *FACE_REGIONS)}
                failed = sum(r.failed for r in some)
                bins.append(
                    {"method": method, "yaw": f"{yaw}-{yaw + 30}", "heads": len(some), "failed": failed}
                    | figures
                )
        figures = {k: _mean([float(b[k]) for b in bins]) for k in (*FIGURES, *FACE_REGIONS)}
        total = {k: sum(int(b[k]) for b in bins) for k in ("heads", "failed")}
        rows += [*bins, {"method": method, "yaw": "mean"} | total | figures]
    return rows


def _mean(values: list[float]) -> float:
    """Mean of the values that are not NaN."""
    valid = [v for v in values if not np.isnan(v)]
    return float(np.mean(valid)) if valid else float("nan")
