"""Whether one set of models reconstructs better than another: on the scan and on held-out synthetic heads."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from ..data.shards import read_samples, require_shards
from ..face_models.heads import HeadSource
from ..paths import DataPaths
from .evaluate import EvaluationRecord, balanced_by_yaw, evaluate, summary
from .ground_truth import TrueHeads
from .methods import VolumeMethod
from .scan import Scan, evaluate_scan, scan_cases

#: Median errors that differ by less than this, mm, count as equal: another choice of points changes as much.
TOLERANCE_MM = 0.01


@dataclass(frozen=True)
class ModelErrors:
    """Median errors of a set of models, mm after alignment; NaN where nothing could be measured.

    scan: mean over the renders of the scan. held_out: mean over the yaw bins of synthetic heads that training
    has not used. failed: reconstructions that failed.
    """

    scan: float
    held_out: float
    failed: int

    def __str__(self) -> str:
        return f"scan {self.scan:.3f} mm, held-out heads {self.held_out:.3f} mm, {self.failed} failed"


def is_better(candidate: ModelErrors, current: ModelErrors, tolerance: float = TOLERANCE_MM) -> bool:
    """Whether a candidate is worse in nothing and better in something.

    Args:
        candidate: errors of the models that might ship.
        current: errors of the models that do.
        tolerance: differences up to this, mm, count as none.
    """
    pairs = [(candidate.scan, current.scan), (candidate.held_out, current.held_out)]
    # What neither could be measured on does not count; NaN of the candidate alone fails both comparisons.
    gains = [before - after for after, before in pairs if np.isfinite(before)]
    not_worse = candidate.failed <= current.failed and all(gain >= -tolerance for gain in gains)
    return not_worse and any(gain > tolerance for gain in gains)


def measure_models(
    paths: DataPaths,
    shards: Path,
    per_bin: int,
    views: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> ModelErrors:
    """Measure the models in `paths.models` with the reference backend.

    Args:
        paths: where the scan, the face model and the models are.
        shards: folder of the held-out shards.
        per_bin: synthetic heads of each yaw bin.
        views: renders of the scan that are used; all of them by default.
        report: gets a line before each part.

    Raises:
        PhotobustError: the registration, the shards or the models are missing.
    """
    from ...detection.detector import FaceDetector
    from ...lifting.lifter import LandmarkLifter
    from ...volume.torch_predictor import TorchPredictor

    require_shards(shards, "eval")
    heads = HeadSource.from_paths(paths)
    lifter = LandmarkLifter.from_pretrained(paths.models, heads.template)
    methods = {"network": VolumeMethod(TorchPredictor.from_pretrained(paths.models))}
    report(f"{paths.models}: up to {3 * per_bin} held-out heads")
    records: list[EvaluationRecord] = []
    samples = balanced_by_yaw(read_samples(shards, "eval"), per_bin)
    detector = FaceDetector.from_pretrained(paths.models)
    for evaluated in evaluate(samples, TrueHeads(heads), lifter, methods, detector):
        records += evaluated.records.values()
    failed = sum(record.failed for record in records)
    means = [row["median"] for row in summary(records) if row["yaw"] == "mean"]
    scan_mm = float("nan")
    if paths.scans.is_dir():
        report(f"{paths.models}: the scan")
        scan = Scan.load(paths.scans)
        cases = list(islice(scan_cases(scan, detector, lifter), views))
        medians = [row["median"] for row in evaluate_scan(scan, cases, methods)]
        failed += int(np.isnan(medians).sum())
        scan_mm = float(np.nanmean(medians)) if np.isfinite(medians).any() else float("nan")
    return ModelErrors(scan_mm, float(means[0]) if means else float("nan"), failed)
