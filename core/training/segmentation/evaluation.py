"""How good a segmentation network is: on held-out renders, whose labels are true, and held-out portraits."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...segmentation.segmenter import SegmentNetwork, segment_both_ways
from ...segmentation.segments import SegmentClass
from ..paths import DataPaths
from .corrections import COVERED, SHAVEN, UNCERTAIN_HAIR
from .dataset import SegmentationDataset, augment
from .scenes import SCENE_SIZE, LabeledPicture
from .teacher import IGNORED

#: Between these probabilities the teacher is uncertain, and nothing is compared.
UNCERTAIN = (0.3, 0.7)
#: Portraits whose hair the teacher gets wrong: measured against the corrected labels.
TEACHER_WRONG = COVERED | SHAVEN | UNCERTAIN_HAIR
#: A network is better if its mean IoU on renders and portraits together grows by more than this.
LEAST_GAIN = 0.002


@dataclass(frozen=True)
class SegmentationFigures:
    """What was measured.

    Attributes:
        rendered: By class, IoU on held-out renders.
        degraded: The same with the flaws of cameras.
        portraits: By class, IoU on held-out portraits against the corrected labels, NaN for classes that they
            lack.
        hair: By portrait, IoU of hair with the teacher, of the portraits where it is right.
    """

    rendered: dict[str, float]
    degraded: dict[str, float]
    portraits: dict[str, float]
    hair: dict[str, float]

    @property
    def mean_hair(self) -> float:
        """Mean over the portraits."""
        return float(np.mean(list(self.hair.values())))

    @property
    def score(self) -> float:
        """What networks are compared by: renders, renders with flaws, portraits, in equal parts."""
        parts = (self.rendered, self.degraded, self.portraits)
        return float(np.mean([np.nanmean(list(part.values())) for part in parts]))

    def lines(self) -> list[str]:
        """A table for people."""
        rows = [f"{'class':14s}{'renders':>9s}{'degraded':>10s}{'portraits':>11s}"]
        rows += [
            f"{name:14s}{value:9.3f}{self.degraded[name]:10.3f}{self.portraits[name]:11.3f}"
            for name, value in self.rendered.items()
        ]
        means = [np.nanmean(list(part.values())) for part in (self.rendered, self.degraded, self.portraits)]
        rows.append(f"{'mean':14s}{means[0]:9.3f}{means[1]:10.3f}{means[2]:11.3f}")
        worst = min(self.hair, key=lambda name: self.hair[name])
        rows.append(f"hair against the teacher, {len(self.hair)} portraits: mean {self.mean_hair:.3f}")
        rows.append(f"    worst {self.hair[worst]:.3f} ({worst})")
        return rows


def add_confusion(confusion: np.ndarray, found: np.ndarray, labels: np.ndarray) -> None:
    """Count pixels, in place.

    Args:
        confusion: (8, 8) int64, [label, found].
        found: (H, W) uint8 classes.
        labels: (H, W) uint8, `IGNORED` where nothing is known.
    """
    known = labels != IGNORED
    count = len(SegmentClass)
    pairs = labels[known].astype(np.int64) * count + found[known]
    confusion += np.bincount(pairs, minlength=count * count).reshape(count, count)


def intersection_over_union(confusion: np.ndarray) -> dict[str, float]:
    """IoU by class.

    Args:
        confusion: (8, 8) int64, [label, found].

    Returns:
        0..1 by the class's name; NaN where no label has it.
    """
    both = np.diag(confusion)
    either = confusion.sum(0) + confusion.sum(1) - both
    labeled = confusion.sum(1) > 0
    values = np.where(labeled, both / np.maximum(either, 1), np.nan)
    return {kind.name.lower(): float(values[kind]) for kind in SegmentClass}


def hair_agreement(probability: np.ndarray, teacher: np.ndarray, inside: np.ndarray) -> float:
    """IoU of hair with the teacher's, where the teacher is certain.

    Args:
        probability: (H, W) float32 of hair.
        teacher: (H, W) float32.
        inside: (H, W) bool, inside the photo.

    Returns:
        0..1.
    """
    certain = inside & ((teacher < UNCERTAIN[0]) | (teacher > UNCERTAIN[1]))
    found, wanted = (probability > 0.5) & certain, (teacher > 0.5) & certain
    return float((found & wanted).sum() / max((found | wanted).sum(), 1))


def measure_segmentation(
    network: SegmentNetwork, paths: DataPaths, report: Callable[[str], None] = lambda line: None
) -> SegmentationFigures:
    """Measure a network.

    Args:
        network: to measure.
        paths: of the data.
        report: told what is measured.

    Returns:
        The figures.
    """
    dataset = SegmentationDataset(paths, "eval")
    report(f"{len(dataset)} held-out renders")
    counts = np.zeros((2, len(SegmentClass), len(SegmentClass)), np.int64)
    for k in range(len(dataset)):
        shown = dataset[k]
        for flawed in (0, 1):
            rng = np.random.default_rng([7, k]) if flawed else None
            picture, labels, direction = augment(shown, rng)
            found = segment_both_ways(network, picture, direction).argmax(0)
            add_confusion(counts[flawed], found, labels)
    report("held-out portraits")
    confusion = np.zeros_like(counts[0])
    hair = {}
    for name, shown, teacher in held_out_portraits(paths.segmentation_portraits):
        picture, labels, direction = augment(shown, None)
        probabilities = segment_both_ways(network, picture, direction)
        add_confusion(confusion, probabilities.argmax(0), labels)
        if name not in TEACHER_WRONG:
            hair[name] = hair_agreement(probabilities[SegmentClass.HAIR], _cut(teacher), _cut_inside(shown))
    return SegmentationFigures(
        intersection_over_union(counts[0]),
        intersection_over_union(counts[1]),
        intersection_over_union(confusion),
        hair,
    )


def held_out_portraits(path: Path) -> Iterable[tuple[str, LabeledPicture, np.ndarray]]:
    """The portraits kept for evaluation.

    Args:
        path: of the file of `portraits`.

    Yields:
        Name, labeled picture, and (400, 400) uint8, the teacher's hair, 255 = certain.
    """
    size = (SCENE_SIZE, SCENE_SIZE)
    with np.load(path) as data:
        arrays = {
            name: data[name] for name in ("names", "held_out", "pictures", "labels", "hair", "directions")
        }
    for k in np.flatnonzero(arrays["held_out"]):
        shown = LabeledPicture(
            cv2.resize(arrays["pictures"][k], size, interpolation=cv2.INTER_AREA),
            cv2.resize(arrays["labels"][k], size, interpolation=cv2.INTER_NEAREST),
            arrays["directions"][k],
        )
        yield (
            str(arrays["names"][k]),
            shown,
            cv2.resize(arrays["hair"][k], size, interpolation=cv2.INTER_AREA),
        )


def _cut(values: np.ndarray) -> np.ndarray:
    """(256, 256) float32 0..1 in the segment frame, of (400, 400) uint8 in the wide frame."""
    picture = np.repeat(values[..., None], 3, 2)
    cut, _, _ = augment(LabeledPicture(picture, values, np.zeros(3, np.float32)), None)
    return cut[..., 0].astype(np.float32) / 255


def _cut_inside(shown: LabeledPicture) -> np.ndarray:
    """(256, 256) bool: where the photo is, so far as labels are known there."""
    _, labels, _ = augment(shown, None)
    unknown = cv2.morphologyEx(
        (labels == IGNORED).astype(np.uint8), cv2.MORPH_OPEN, np.ones((9, 9), np.uint8)
    )
    return np.asarray(unknown == 0)
