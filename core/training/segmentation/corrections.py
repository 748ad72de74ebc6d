"""What the rules get wrong on single portraits, found by eye: headwear, shaven scalps, beards, hands.

Portraits are those of @faker-js/assets-person-portrait, by the stem of their file.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from ...segmentation.segments import SegmentClass
from .teacher import IGNORED, WIDE_SCALE, WIDE_SIZE, Evidence


def _names(sex: str, numbers: str) -> frozenset[str]:
    return frozenset(f"{sex}_{number}" for number in numbers.split())


#: Whose beard, mustache or stubble covers enough to be labeled.
BEARDED = _names("male", "02 05 07 09 11 20 23 26 35 41 42 43 59 60 62 64 66 67")
#: Whose stubble shadow hides: where their beards grow is not learned from.
UNCERTAIN_BEARD = _names("male", "18 25 27 29 32 48 51 68")
#: Whose scalp is shaven, which the teacher takes for hair.
SHAVEN = _names("male", "00 19 25 31 33 41 53 55 61")
#: Whose hair the teacher gets wrong in no simple way: not learned from.
UNCERTAIN_HAIR = _names("male", "60 69")
#: Who wears something on the head: elsewhere the scalp is skin or hair.
COVERED = _names("female", "09 12 14 16 17 21 24 30 39 41 43 46") | _names("male", "11 15 23 29")
#: Half the width of the band along a hand-drawn outline that is not learned from, pixels of the wide frame.
BAND = 5
Polygon = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Correction:
    """Inside a polygon, and outside another one, some classes become another.

    Attributes:
        portrait: Stem of its file.
        wrong: The classes that are replaced.
        right: What they are.
        inside: Corners (x, y) in the segment frame, pixels.
        outside: The same.
    """

    portrait: str
    wrong: tuple[SegmentClass, ...]
    right: SegmentClass
    inside: Polygon
    outside: Polygon = ()


@lru_cache(maxsize=1)
def read_corrections() -> tuple[Correction, ...]:
    """All corrections, from `corrections.json` beside this module."""
    rows = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return tuple(
        Correction(
            row["portrait"],
            tuple(SegmentClass[name] for name in row["wrong"]),
            SegmentClass[row["right"]],
            _polygon_of(row["inside"]),
            _polygon_of(row.get("outside", [])),
        )
        for row in rows
    )


def _polygon_of(corners: list[list[int]]) -> Polygon:
    return tuple((x, y) for x, y in corners)


def correct(name: str, labels: np.ndarray, evidence: Evidence) -> np.ndarray:
    """Apply the corrections of a portrait.

    Args:
        name: stem of its file.
        labels: (640, 640) uint8 of `label_portrait`, wide frame.
        evidence: of the same portrait.

    Returns:
        (640, 640) uint8.
    """
    labels = labels.copy()
    for correction in read_corrections():
        if correction.portrait == name:
            _replace(labels, correction)
    if name in UNCERTAIN_BEARD:
        labels[(evidence.regions["beard"] > 0.5) & (labels == SegmentClass.SKIN)] = IGNORED
    if name in SHAVEN or name in UNCERTAIN_HAIR:
        hair = labels == SegmentClass.HAIR
        kernel = np.ones((2 * BAND + 1, 2 * BAND + 1), np.uint8)
        head = evidence.head.astype(np.uint8)
        labels[hair] = IGNORED
        labels[hair & (cv2.dilate(head, kernel) == 0)] = SegmentClass.BACKGROUND
        if name in SHAVEN:
            labels[hair & (cv2.erode(head, kernel) > 0)] = SegmentClass.SKIN
    return labels


def _replace(labels: np.ndarray, correction: Correction) -> None:
    """One correction, in place; what changes within the band along its outline is not learned from."""
    chosen = _polygon(correction.inside)
    if correction.outside:
        chosen &= ~_polygon(correction.outside)
    chosen &= np.isin(labels, correction.wrong)
    if correction.right == SegmentClass.HEADWEAR:
        edge = np.zeros((WIDE_SIZE, WIDE_SIZE), np.uint8)
        cv2.polylines(edge, [_wide(correction.inside)], True, (1,), 2 * BAND)
        band = (edge > 0) & (labels != SegmentClass.BACKGROUND)
        labels[chosen] = correction.right
        labels[band] = IGNORED
    else:
        labels[chosen] = correction.right


def _wide(polygon: Polygon) -> np.ndarray:
    """(N, 2) int32 corners in the wide frame."""
    margin = (WIDE_SIZE - 256 * WIDE_SCALE) / 2
    return np.round((np.array(polygon) + 0.5) * WIDE_SCALE + margin - 0.5).astype(np.int32)


def _polygon(polygon: Polygon) -> np.ndarray:
    mask = np.zeros((WIDE_SIZE, WIDE_SIZE), np.uint8)
    cv2.fillPoly(mask, [_wide(polygon)], (1,))
    return mask > 0
