"""How far to trust a head: measured on the head itself, calibrated into one expected error, told in words.

The expected error is the mean distance, mm, of the true face's surface from the head's, both placed as the
photo shows them (`core.training.evaluation.metrics`, "as placed"). It counts the shape and how the head is
turned, as both show in a render, and not the distance from the camera, which no photo tells. Half of the
heads judged alike are better, half are worse; four of five lie within the spread. The error of the shape
alone, with the heads aligned, is about half of that, and the measures hardly tell for which head it is more
(docs/quality.md). `core.quality.calibration` says how the expected error is computed, and
`scripts/training/calibrate_quality.py` what it rests on.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from ..geometry.frames import Camera
from ..surface.isosurface import Surface
from ..weights import fingerprints, models_folder
from .calibration import Expected, load_calibration
from .measures import LANDMARKS, Measures


class Judged(Protocol):
    """What is asked of a `core.reconstructor.Reconstruction`."""

    @property
    def measures(self) -> Measures: ...

    @property
    def camera(self) -> Camera: ...

    @property
    def surface(self) -> Surface: ...

    @property
    def models_dir(self) -> Path | None: ...


#: The verdicts, worst first.
POOR, CHECK, GOOD = "poor", "check", "good"
VERDICTS = (POOR, CHECK, GOOD)
#: Expected errors, mm, from which a head is to be checked, or is poor.
CHECK_MM, POOR_MM = 4.0, 7.0
#: What makes the expected error greater than usual by at least this (a factor of 1.1) is told, so many of it.
NOTABLE_PART, TOLD_PARTS = 0.1, 2


@dataclass(frozen=True)
class Rule:
    """A flaw that calls for a look whatever the expected error.

    value: of the measures, the greater the worse; from `check` on the head is to be checked, from `poor` on
    it is poor. sentence: what is wrong, and what to do. explains: measures about which it says enough.
    """

    value: Callable[[Measures], float]
    check: float
    poor: float
    sentence: Callable[[Measures], str]
    explains: tuple[str, ...]


#: What a person can see, and often change.
RULES = (
    Rule(
        lambda m: abs(m.yaw_deg),
        45,
        70,
        lambda m: f"The face is turned {abs(m.yaw_deg):.0f} degrees away: the far side is a guess.",
        ("yaw_deg", "looks_turn_deg", "landmark_error_worst"),
    ),
    Rule(
        lambda m: abs(m.pitch_deg),
        35,
        50,
        lambda m: (
            f"The face is tilted {abs(m.pitch_deg):.0f} degrees {'up' if m.pitch_deg > 0 else 'down'}:"
            " what is turned away is a guess."
        ),
        ("pitch_deg", "looks_turn_deg"),
    ),
    Rule(
        lambda m: -m.face_height_px,
        -96,
        -56,
        lambda m: (
            f"The face is only {m.face_height_px:.0f} pixels high: fine shapes are lost."
            " Take a larger picture of it."
        ),
        ("face_height_px", "sharpness"),
    ),
    Rule(
        lambda m: -m.sharpness,
        2.6,
        3.6,
        lambda m: "The picture of the face is blurred: fine shapes are lost. Take a sharper one.",
        ("sharpness",),
    ),
    Rule(
        lambda m: m.cut_share,
        0.02,
        0.2,
        lambda m: (
            "The photo's edge cuts the face: what is beyond is a guess. Take a photo of the whole face."
        ),
        ("cut_share",),
    ),
    Rule(
        lambda m: m.looks_disagree,
        4.0,
        7.0,
        lambda m: (
            "Looked at again, the features are elsewhere: something may cover them, or this is no face."
            " See whether the head lies on it."
        ),
        ("looks_disagree", "looks_turn_deg", "looks_shape_mm", "detection_score"),
    ),
    Rule(
        lambda m: m.landmark_error_worst,
        8.0,
        14.0,
        lambda m: "The head does not fit the face everywhere: compare them through the photo's camera.",
        ("landmark_error", "landmark_error_worst", "face_region_iou"),
    ),
    Rule(
        lambda m: LANDMARKS - m.landmarks_on_surface,
        15,
        100,
        lambda m: "Parts of the face are missing on the surface: look at it from all sides.",
        (),
    ),
)
#: What can raise the expected error, and what to do, where no rule says so.
PARTS = {
    "yaw_deg": "The face is turned away: a more frontal photo shows more of it.",
    "pitch_deg": "The face is tilted: a photo from its own height shows more of it.",
    "sharpness": "The picture of the face is soft: take a sharper or larger one.",
    "face_height_px": "The face is small in the photo: take a larger picture of it.",
    "cut_share": "The face touches the photo's edge: take a photo of the whole face.",
    "detection_score": "The face was hard to find: something may cover it, or the light is poor.",
    "looks_disagree": "The features are hard to place: something may cover them, or the light is poor.",
    "looks_turn_deg": "It is not certain how far the face is turned: see whether the head lies on it.",
    "looks_shape_mm": "The shape is not certain: compare it with another photo of this face.",
    "landmark_error": "Features and head agree only roughly: see whether the head lies on the face.",
    "landmark_error_worst": "Features and head agree only roughly: see whether the head lies on the face.",
    "face_region_iou": "Features and head agree only roughly: see whether the head lies on the face.",
    "template_distance_mm": "The features are unusual for a face: see whether the head lies on it.",
    "perspective": "The photo was taken from near: one from a metre or more away distorts the face less.",
    "focal_known": "The focal length is a guess: give the true one, and the proportions get truer.",
}
UNLIKE = (
    "No single thing is wrong with the photo, yet such heads are typically {} mm off ({} to {}): look at it."
)
OTHER_WEIGHTS = "The expected error was calibrated for other weights than these: take it as a rough guide."
NO_CALIBRATION = "These weights were never calibrated: how many mm the head is off cannot be told."
NO_FOCAL = "The photo does not tell its focal length: a normal lens (50 mm) was assumed."


def quality(reconstruction: Judged) -> dict[str, Any]:
    """How far to trust the head, for face.json: figures, and what a person should know, in sentences.

    verdict: "good", "check" or "poor". reasons: why it is not good, a sentence each, the weightiest first.
    warnings: these and what else a person should know. expected_error_mm, error_spread_mm [low, high]: see
    above, None without a calibration. measures: see `core.quality.measures.Measures`.
    """
    measures = reconstruction.measures
    folder = reconstruction.models_dir or models_folder()
    calibration = load_calibration(folder)
    expected = calibration.expected(asdict(measures)) if calibration else None
    verdict, reasons = judge(measures, expected)
    notes = []
    if reconstruction.camera.source == "default":
        notes.append(NO_FOCAL)
    fits = calibration is not None and calibration.made_for(fingerprints(folder))
    if not fits:
        notes.append(OTHER_WEIGHTS if calibration else NO_CALIBRATION)
    return {
        "verdict": verdict,
        "reasons": reasons,
        "expected_error_mm": round(expected.error, 2) if expected else None,
        "error_spread_mm": [round(expected.low, 2), round(expected.high, 2)] if expected else None,
        "calibrated_for_these_weights": fits,
        "face_height_px": round(measures.face_height_px, 1),
        "detection_score": round(measures.detection_score, 3),
        "seen_share": round(measures.seen_share, 3),
        "mean_confidence": round(float(reconstruction.surface.confidence.mean()), 3),
        "landmarks_on_surface": int(measures.landmarks_on_surface),
        "measures": measures.rounded(),
        "warnings": [*reasons, *notes],
    }


def judge(measures: Measures, expected: Expected | None) -> tuple[str, list[str]]:
    """(verdict, reasons): the worst of what flaws and expected error say. A good head has no reasons."""
    poor = [rule for rule in RULES if rule.value(measures) >= rule.poor]
    check = [rule for rule in RULES if rule.check <= rule.value(measures) < rule.poor]
    reasons = [rule.sentence(measures) for rule in (*poor, *check)]
    verdict = POOR if poor else CHECK if check else GOOD
    if expected and expected.error >= CHECK_MM:
        verdict = POOR if expected.error >= POOR_MM or verdict == POOR else CHECK
        told = {name for rule in (*poor, *check) for name in rule.explains}
        reasons += causes(expected, told)
        if not reasons:
            low, middle, high = (f"{value:.2g}" for value in (expected.low, expected.error, expected.high))
            reasons = [UNLIKE.format(middle, low, high)]
    return verdict, reasons


def causes(expected: Expected, told: set[str]) -> list[str]:
    """What most of the expected error comes from, a sentence each, beyond what was `told` about measures."""
    parts = sorted(expected.parts.items(), key=lambda part: -part[1])
    notable = [
        PARTS[name] for name, part in parts if part >= NOTABLE_PART and name in PARTS and name not in told
    ]
    return list(dict.fromkeys(notable))[:TOLD_PARTS]
