"""How far to trust a head: measured on the head itself, calibrated into one expected error, put into words.

The expected error is the mean distance, mm, of the true face's surface from the head's, both placed as the
photo shows them (`core.training.evaluation.metrics`, "as placed"). It counts the shape and how the head is
turned, as both show in a render, and not the distance from the camera, which no photo shows. Half of the
heads that measure alike are better, half are worse; four of five lie within the spread. The error of the
shape alone, with the heads aligned, is about half of that, and the measures hardly predict for which head it
is more (docs/quality.md). `core.quality.calibration` says how the expected error is computed, and
`scripts/training/calibrate_quality.py` what it rests on.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..detection.mediapipe_topology import LANDMARK_COUNT
from ..runtime.weights import fingerprints
from .calibration import ExpectedError, load_calibration
from .coverage import Coverage
from .measures import Measures

#: The verdicts, worst first.
POOR = "poor"
CHECK = "check"
GOOD = "good"
VERDICTS = (POOR, CHECK, GOOD)
#: Expected error, mm, from which on a head is to be checked.
CHECK_MM = 4.0
#: Expected error, mm, from which on a head is poor.
POOR_MM = 7.0
#: Least contribution to the log of the error that is reported as a cause: a factor of 1.1.
MIN_CONTRIBUTION = 0.1
#: How many causes are reported at most.
MAX_CAUSES = 2


@dataclass(frozen=True)
class Rule:
    """A flaw that lowers the verdict whatever the expected error.

    Attributes:
        value: Of the measures, the greater the worse.
        check: Value from which on the head is to be checked.
        poor: Value from which on it is poor.
        sentence: What is wrong, and what to do.
        explains: Measures about which it says enough.
    """

    value: Callable[[Measures], float]
    check: float
    poor: float
    sentence: Callable[[Measures], str]
    explains: tuple[str, ...]


#: Flaws that a person can recognize, and often avoid.
RULES = (
    Rule(
        lambda m: abs(m.yaw_deg),
        45,
        70,
        lambda m: f"The face is turned {abs(m.yaw_deg):.0f} degrees away: the far side is a guess.",
        ("yaw_deg", "redetection_turn_deg", "landmark_error_worst"),
    ),
    Rule(
        lambda m: abs(m.pitch_deg),
        35,
        50,
        lambda m: (
            f"The face is tilted {abs(m.pitch_deg):.0f} degrees {'up' if m.pitch_deg > 0 else 'down'}:"
            " what is turned away is a guess."
        ),
        ("pitch_deg", "redetection_turn_deg"),
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
        lambda m: m.truncation,
        0.02,
        0.2,
        lambda m: (
            "The photo's edge cuts the face: what is beyond is a guess. Take a photo of the whole face."
        ),
        ("truncation",),
    ),
    Rule(
        lambda m: m.redetection_error,
        4.0,
        7.0,
        lambda m: (
            "Looked at again, the features are elsewhere: something may cover them, or this is no face."
            " See whether the head lies on it."
        ),
        ("redetection_error", "redetection_turn_deg", "redetection_shape_mm", "detection_score"),
    ),
    Rule(
        lambda m: m.landmark_error_worst,
        8.0,
        14.0,
        lambda m: "The head does not fit the face everywhere: compare them through the photo's camera.",
        ("landmark_error", "landmark_error_worst", "face_region_iou"),
    ),
    Rule(
        lambda m: LANDMARK_COUNT - m.landmarks_on_surface,
        15,
        100,
        lambda m: "Parts of the face are missing on the surface: look at it from all sides.",
        (),
    ),
)
#: What can raise the expected error, and what to do, where no rule says so.
CAUSES = {
    "yaw_deg": "The face is turned away: a more frontal photo shows more of it.",
    "pitch_deg": "The face is tilted: a photo from its own height shows more of it.",
    "sharpness": "The picture of the face is soft: take a sharper or larger one.",
    "face_height_px": "The face is small in the photo: take a larger picture of it.",
    "truncation": "The face touches the photo's edge: take a photo of the whole face.",
    "detection_score": "The face was hard to find: something may cover it, or the light is poor.",
    "redetection_error": "The features are hard to place: something may cover them, or the light is poor.",
    "redetection_turn_deg": "It is not certain how far the face is turned: see whether the head lies on it.",
    "redetection_shape_mm": "The shape is not certain: compare it with another photo of this face.",
    "landmark_error": "Features and head agree only roughly: see whether the head lies on the face.",
    "landmark_error_worst": "Features and head agree only roughly: see whether the head lies on the face.",
    "face_region_iou": "Features and head agree only roughly: see whether the head lies on the face.",
    "template_distance_mm": "The features are unusual for a face: see whether the head lies on it.",
    "perspective": "The photo was taken from near: one from a meter or more away distorts the face less.",
    "focal_known": "The focal length is a guess: give the true one, and the proportions get truer.",
}


@dataclass(frozen=True)
class CoverageRule:
    """Something in front of the face, or its light, that a person should know of.

    Attributes:
        value: Of the coverage, the greater the worse.
        limit: Value from which on it is said.
        sentence: What is wrong, and what to do.
    """

    value: Callable[[Coverage], float]
    limit: float
    sentence: str


#: Fraction of a region of the face under a hand or another thing from which on it is said.
COVERED_FRACTION = 0.15
#: The same of the forehead, over which the edges of hats and scarves usually go: portraits with headwear have
#: up to 0.55, curls that are taken for headwear 0.3.
COVERED_FOREHEAD = 0.5
#: Fraction of what covers a cheek from which on that is called headwear.
MOSTLY_HEADWEAR = 0.5
#: Fraction of the eyes under glasses from which on they cover the eyes.
GLASSES_OVER_EYES = 0.3
#: Brightness of the face's highlights, linear, below which a photo is under-exposed: a stop darker than the
#: darkest of 40 well-exposed portraits of people of all skin tones (0.24).
UNDEREXPOSED_HIGHLIGHT = 0.11
#: The same of a photo that is dark in all places: highlights of 140 portraits are at least 0.239, and ...
DARK_HIGHLIGHT = 0.23
#: ... the greatest color of the brightest that the photo shows, linear, is at least 0.69; two stops under, at
#: most 0.25.
DARK_PHOTO = 0.3
#: Fraction of the face that is burnt out from which on a photo is over-exposed: 140 portraits have at most
#: 0.019, a man with very dark skin two stops over 0.058.
BURNT_OUT = 0.05
#: The same from which on it says nothing of the light's color.
MOST_CLIPPED = 0.15
#: Mean difference of the channels, bytes, up to which a photo is gray.
GRAY_CHROMA = 8.0
#: Variety of hues up to which a photo is toned: 70 portraits have at least 4.5, an eighth as bright 1.6, in
#: sepia at most 0.4.
TONED_VARIETY = 1.0
#: Hues of skin, natural logarithms, in usual light: portraits have 0.8 to 2.1, and -0.36 to -0.01.
RED_OVER_BLUE = (0.55, 2.3)
GREEN_EXCESS = (-0.42, 0.12)
#: Distance from those, natural logarithms, from which on the light's color is strong.
STRONG_COLOR = 0.5
#: Least such distance, of any.
ANY_COLOR = 1e-6
#: Variety of hues from which on the light has several colors: 140 portraits have at most 12.6.
MIXED_VARIETY = 20.0
#: Slope of the hue across the face from which on one light is on its left and another on its right: 77
#: portraits have at most 0.43; with an orange light on one side and a blue one on the other all have 0.75 or
#: more, with lights half as strong nine of ten 0.57.
MIXED_SLOPE = 0.55


def _cheeks(coverage: Coverage, headwear: bool) -> tuple[float, float]:
    """Fractions of the left and of the right cheek that are covered, 0 where something else covers it.

    Args:
        coverage: What covers the face.
        headwear: Whether cheeks mostly under headwear are asked for, or those mostly under anything else.
    """
    # Without glasses, what is taken for a part of glasses is something else.
    part = 0.0 if max(coverage.eyes_accessory, coverage.glasses) >= GLASSES_OVER_EYES else 1.0
    cheeks = (
        (coverage.left_cheek + part * coverage.left_cheek_accessory, coverage.left_cheek_headwear),
        (coverage.right_cheek + part * coverage.right_cheek_accessory, coverage.right_cheek_headwear),
    )
    left, right = (
        covered if (under_headwear > MOSTLY_HEADWEAR * covered) == headwear else 0.0
        for covered, under_headwear in cheeks
    )
    return left, right


def _headwear_over_one(coverage: Coverage, side: int) -> float:
    """Fraction of one cheek (0 left, 1 right) under headwear; 0 if the other one is under it as well."""
    cheeks = _cheeks(coverage, headwear=True)
    return cheeks[side] if cheeks[1 - side] < COVERED_FRACTION else 0.0


def _headwear(coverage: Coverage) -> float:
    """Area of the headwear, of the face's, beyond what may be hair that was taken for it.

    On the scalp by itself, too: below it, long hair is no reason to doubt a hat.
    """
    return max(
        coverage.headwear - 0.5 * coverage.hair,
        coverage.scalp_headwear - 0.5 * coverage.scalp_hair,
    )


def _without_color(coverage: Coverage) -> float:
    """1 if the photo is black and white, or toned."""
    return float(coverage.chroma <= GRAY_CHROMA or coverage.hue_variety <= TONED_VARIETY)


def _under_exposed(coverage: Coverage) -> float:
    """1 if a face is darker than anybody's, or dark in a photo in which nothing is bright."""
    return float(
        coverage.highlight <= UNDEREXPOSED_HIGHLIGHT
        or (coverage.highlight <= DARK_HIGHLIGHT and coverage.brightest <= DARK_PHOTO)
    )


def _colored_light(coverage: Coverage) -> float:
    """How far skin's hue is from that in usual light, natural logarithms, if nothing else explains it."""
    if (
        _without_color(coverage)
        or coverage.clipped >= MOST_CLIPPED
        or coverage.highlight <= UNDEREXPOSED_HIGHLIGHT
    ):
        return 0.0
    return max(
        RED_OVER_BLUE[0] - coverage.red_over_blue,
        coverage.red_over_blue - RED_OVER_BLUE[1],
        GREEN_EXCESS[0] - coverage.green_excess,
        coverage.green_excess - GREEN_EXCESS[1],
        0.0,
    )


#: What makes a head one to check.
COVERAGE_RULES = (
    CoverageRule(
        lambda c: c.eyes_accessory,
        GLASSES_OVER_EYES,
        "Glasses cover the eyes: what is behind them is a guess. A photo without them shows more.",
    ),
    CoverageRule(
        lambda c: c.glasses if c.eyes_accessory < GLASSES_OVER_EYES else 0.0,
        0.6,
        "Glasses are worn: the skin under their frames is a guess. A photo without them shows more.",
    ),
    CoverageRule(
        lambda c: c.eyes_covered,
        0.3,
        "Something covers the eyes: what is behind it is a guess.",
    ),
    CoverageRule(
        lambda c: _cheeks(c, headwear=False)[0],
        COVERED_FRACTION,
        "A hand or another thing lies on the left cheek: what is under it is a guess.",
    ),
    CoverageRule(
        lambda c: _cheeks(c, headwear=False)[1],
        COVERED_FRACTION,
        "A hand or another thing lies on the right cheek: what is under it is a guess.",
    ),
    CoverageRule(
        lambda c: min(_cheeks(c, headwear=True)),
        COVERED_FRACTION,
        "Headwear covers both cheeks: what is under it is a guess.",
    ),
    CoverageRule(
        lambda c: _headwear_over_one(c, 0),
        COVERED_FRACTION,
        "Headwear covers the left cheek: what is under it is a guess.",
    ),
    CoverageRule(
        lambda c: _headwear_over_one(c, 1),
        COVERED_FRACTION,
        "Headwear covers the right cheek: what is under it is a guess.",
    ),
    CoverageRule(
        lambda c: c.mouth,
        2 * COVERED_FRACTION,
        "Something covers mouth or chin: what is under it is a guess.",
    ),
    CoverageRule(
        lambda c: c.forehead,
        COVERED_FOREHEAD,
        "Something covers the forehead: what is under it is a guess.",
    ),
    CoverageRule(
        lambda c: c.hair_on_face,
        0.2,
        "Hair hangs over the face: the skin under it is a guess.",
    ),
    CoverageRule(
        _under_exposed,
        1.0,
        "The face is under-exposed: its colors are a guess. Take a brighter photo.",
    ),
    CoverageRule(
        lambda c: c.clipped,
        BURNT_OUT,
        "The face is over-exposed: burnt-out skin has lost its colors. Take a darker photo.",
    ),
    CoverageRule(
        _colored_light,
        STRONG_COLOR,
        "The light has a color: the color of the skin is a guess. Take a photo in daylight.",
    ),
    CoverageRule(
        lambda c: max(c.hue_variety / MIXED_VARIETY, c.hue_slope / MIXED_SLOPE),
        1.0,
        "Lights of several colors fall on the face: the skin's color is a guess. Take a photo in daylight.",
    ),
)
#: What is said of a head without making it worse.
COVERAGE_NOTES = (
    CoverageRule(_without_color, 0.5, "The photo has no color: the color of the skin is a guess."),
    CoverageRule(
        lambda c: _colored_light(c) if _colored_light(c) < STRONG_COLOR else 0.0,
        ANY_COLOR,
        "The light has a color: the color of the skin is a guess.",
    ),
    CoverageRule(_headwear, 0.15, "There is headwear: the hair under it is a guess."),
    CoverageRule(lambda c: -(c.hair + c.headwear), -0.02, "No hair is seen: the head is made without hair."),
)
UNLIKE = (
    "No single thing is wrong with the photo, yet such heads are typically {} mm off ({} to {}): look at it."
)
OTHER_WEIGHTS = "The expected error was calibrated for other weights than these: take it as a rough guide."
NO_CALIBRATION = "These weights were never calibrated: how many mm the head is off is not known."
#: What is said of a head of several photos: no measure of the faces is certain of that.
SEVERAL_PHOTOS = "Make sure that all photos show one person: the shapes of their faces alone do not prove it."
#: What is added if nobody has confirmed it.
TEXTURE_OF_ONE = "Until that is confirmed, the texture is made without {}."
#: By how many pixels a pin has to be missed to be named, and by what fraction of the face's size; the larger
#: counts.
MISSED_PX = 3.0
MISSED_FRACTION = 0.01
#: Fraction of the face's size from which on a missed pin makes the head one to check.
MISSED_BY_A_LOT = 0.03
MISSED_PIN = (
    "The pin {} is missed by {:.0f} pixels: no likely head has the point there. Move it, or remove it."
)
NO_FOCAL = "The photo does not say its focal length: a normal lens (50 mm) was assumed."


@dataclass(frozen=True)
class QualityReport:
    """How far to trust a head.

    Attributes:
        verdict: GOOD, CHECK or POOR.
        reasons: Why it is not good, a sentence each, the weightiest first.
        notes: What else a person should know, a sentence each.
        expected: The expected error; None without a calibration.
        calibrated: Whether the calibration was made for the weights that have run.
        measures: What the report rests on.
        mean_confidence: Of the surface's vertices, 0..1.
        coverage: What covers the face, and its light; None if no segmentation said so.
        corrections: What a person should know of corrections by hand, a sentence each; stands among reasons
            or notes, too.
    """

    verdict: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    expected: ExpectedError | None
    calibrated: bool
    measures: Measures
    mean_confidence: float
    coverage: Coverage | None = None
    corrections: tuple[str, ...] = ()

    def with_missed_pins(self, errors_px: Mapping[str, float], face_size: float) -> "QualityReport":
        """The report with the pins that the head does not meet; many pixels make it at best one to check.

        Args:
            errors_px: By the pins' names, how far each is from its place in the photo.
            face_size: Of the face, pixels.
        """
        report = self
        for name, error in sorted(errors_px.items(), key=lambda item: -item[1]):
            if error <= max(MISSED_PX, MISSED_FRACTION * face_size):
                break
            sentence = MISSED_PIN.format(name, error)
            by_a_lot = error > max(MISSED_PX, MISSED_BY_A_LOT * face_size)
            report = report.to_check(sentence) if by_a_lot else report.with_note(sentence)
            report = replace(report, corrections=(*report.corrections, sentence))
        return report

    def with_unused_corrections(self, sentence: str) -> "QualityReport":
        """The report with a note on corrections of other faces or over other photos."""
        return replace(self.with_note(sentence), corrections=(*self.corrections, sentence))

    def with_note(self, note: str) -> "QualityReport":
        """The report with one more note, which leaves the verdict alone."""
        return replace(self, notes=(*self.notes, note))

    def to_check(self, reason: str) -> "QualityReport":
        """The report with one more reason for which the head is at best one to check."""
        verdict = CHECK if self.verdict == GOOD else self.verdict
        return replace(self, verdict=verdict, reasons=(*self.reasons, reason))

    def document(self) -> dict[str, Any]:
        """The report for face.json and the worker's answers."""
        measures, expected = self.measures, self.expected
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "expected_error_mm": round(expected.error, 2) if expected else None,
            "error_spread_mm": [round(expected.low, 2), round(expected.high, 2)] if expected else None,
            "calibrated_for_these_weights": self.calibrated,
            "face_height_px": round(measures.face_height_px, 1),
            "detection_score": round(measures.detection_score, 3),
            "seen_share": round(measures.visible_fraction, 3),
            "mean_confidence": round(self.mean_confidence, 3),
            "landmarks_on_surface": int(measures.landmarks_on_surface),
            "measures": measures.rounded(),
            "coverage": self.coverage.document() if self.coverage else None,
            "warnings": [*self.reasons, *self.notes],
            **({"corrections": list(self.corrections)} if self.corrections else {}),
        }


def quality_report(
    measures: Measures, mean_confidence: float, models_dir: Path, coverage: Coverage | None = None
) -> QualityReport:
    """Classify a head.

    Args:
        measures: Of the head.
        mean_confidence: Of its surface's vertices, 0..1.
        models_dir: Folder of the weights that have run, and of their calibration.
        coverage: What covers the face, and its light, if that is known.

    Returns:
        The report.

    Raises:
        ModelError: If the calibration is damaged.
    """
    calibration = load_calibration(models_dir)
    expected = calibration.expected(asdict(measures)) if calibration else None
    verdict, reasons = classify(measures, expected)
    notes = []
    if coverage:
        covered = [rule.sentence for rule in COVERAGE_RULES if rule.value(coverage) >= rule.limit]
        reasons += covered
        verdict = CHECK if covered and verdict == GOOD else verdict
        notes += [rule.sentence for rule in COVERAGE_NOTES if rule.value(coverage) >= rule.limit]
    if not measures.focal_known:
        notes.append(NO_FOCAL)
    calibrated = calibration is not None and calibration.made_for(fingerprints(models_dir))
    if not calibrated:
        notes.append(OTHER_WEIGHTS if calibration else NO_CALIBRATION)
    return QualityReport(
        verdict, tuple(reasons), tuple(notes), expected, calibrated, measures, mean_confidence, coverage
    )


def classify(measures: Measures, expected: ExpectedError | None) -> tuple[str, list[str]]:
    """The worst of what flaws and expected error say.

    Args:
        measures: Of the head.
        expected: Its expected error, if there is a calibration.

    Returns:
        The verdict, and the reasons, of which a good head has none.
    """
    poor = [rule for rule in RULES if rule.value(measures) >= rule.poor]
    check = [rule for rule in RULES if rule.check <= rule.value(measures) < rule.poor]
    reasons = [rule.sentence(measures) for rule in (*poor, *check)]
    verdict = POOR if poor else CHECK if check else GOOD
    if expected and expected.error >= CHECK_MM:
        verdict = POOR if expected.error >= POOR_MM or verdict == POOR else CHECK
        explained = {name for rule in (*poor, *check) for name in rule.explains}
        reasons += causes(expected, explained)
        if not reasons:
            low, middle, high = (f"{value:.2g}" for value in (expected.low, expected.error, expected.high))
            reasons = [UNLIKE.format(middle, low, high)]
    return verdict, reasons


def causes(expected: ExpectedError, explained: set[str]) -> list[str]:
    """What most of the expected error comes from, a sentence each, without measures that are explained."""
    contributions = sorted(expected.contributions.items(), key=lambda item: -item[1])
    notable = [
        CAUSES[name]
        for name, value in contributions
        if value >= MIN_CONTRIBUTION and name in CAUSES and name not in explained
    ]
    return list(dict.fromkeys(notable))[:MAX_CAUSES]
