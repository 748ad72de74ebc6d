from dataclasses import replace

import cv2
import numpy as np
import pytest

from core.detection.mediapipe_topology import EYES
from core.geometry.frames import FRONTAL, HEAD_CENTER, Camera, HeadPose
from core.image.color import linear_of_bytes_float32, linear_to_bytes
from core.lifting.lifter import LandmarkLifter
from core.quality.coverage import Coverage, face_regions, measure_coverage
from core.quality.report import CHECK, GOOD, MIXED_SLOPE, POOR, quality_report
from core.segmentation.glasses import with_glasses
from core.segmentation.segmenter import Segmenter, camera_direction
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass, segment_frame
from core.training.synthesis import occluders
from tests.core.quality.test_report import FINE
from tests.core.stand_ins import MODELS

CAMERA = Camera(900.0, 319.5, 239.5)
POSE = HeadPose(FRONTAL, np.array([0.0, 0.0, 1.0]) - FRONTAL @ HEAD_CENTER)
SKIN = (190, 140, 115)
PLAIN = Coverage(0, 0, 0, 0, 0, 0, 0, 0, 0, 0.8, 0, 0.5, 0, 60)


@pytest.fixture(scope="module")
def canonical() -> np.ndarray:
    return LandmarkLifter.from_pretrained(MODELS).canonical


class SyntheticSubject:
    """A face of skin with hair above it, on which things can be laid."""

    def __init__(self, canonical: np.ndarray) -> None:
        self.canonical = canonical
        self.frame = segment_frame(CAMERA, POSE)
        flat = CAMERA.project(POSE.head_to_camera(canonical))
        self.points = np.column_stack([flat, np.zeros(len(flat))])
        self.rgb = np.full((480, 640, 3), SKIN, np.uint8)
        self.labels = np.full((SEGMENT_SIZE, SEGMENT_SIZE), SegmentClass.SKIN, np.uint8)
        self.labels[: SEGMENT_SIZE // 4] = SegmentClass.HAIR

    def cover(self, region: str, kind: SegmentClass) -> None:
        at = self.frame.photo_to_crop(self.points[face_regions(self.canonical)[region], :2])
        for x, y in np.round(at).astype(int):
            cv2.circle(self.labels, (int(x), int(y)), 2, (int(kind),), -1)

    def measure(self) -> Coverage:
        probabilities = np.eye(len(SegmentClass), dtype=np.float32)[self.labels].transpose(2, 0, 1)
        segmentation = Segmentation(np.ascontiguousarray(probabilities), self.frame)
        return measure_coverage(self.rgb, segmentation, self.points, self.canonical, camera_direction(POSE))


def test_a_bare_face_is_covered_by_nothing(canonical):
    found = SyntheticSubject(canonical).measure()
    assert (
        found.eyes_accessory == found.left_cheek == found.mouth == found.hair_on_face == found.headwear == 0
    )
    assert found.hair > 0.5 and found.clipped == 0 and found.chroma == pytest.approx(75)
    assert 0.2 < found.highlight < 0.4


@pytest.mark.parametrize(
    ("region", "kind", "name"),
    [
        ("eyes", SegmentClass.ACCESSORY, "eyes_accessory"),
        ("eyes", SegmentClass.OCCLUDER, "eyes_covered"),
        ("left_cheek", SegmentClass.OCCLUDER, "left_cheek"),
        ("right_cheek", SegmentClass.OCCLUDER, "right_cheek"),
        ("mouth", SegmentClass.OCCLUDER, "mouth"),
        ("forehead", SegmentClass.HEADWEAR, "forehead"),
        ("mouth", SegmentClass.FACIAL_HAIR, "beard"),
    ],
)
def test_what_lies_on_a_region_is_counted_there(canonical, region, kind, name):
    subject = SyntheticSubject(canonical)
    subject.cover(region, kind)
    found = subject.measure()
    assert getattr(found, name) > 0.95
    if region == "left_cheek":
        assert found.right_cheek == 0


def test_light(canonical):
    dark, burnt, gray = (SyntheticSubject(canonical) for _ in range(3))
    dark.rgb[:] = dark.rgb // 4
    burnt.rgb[:] = 255
    gray.rgb[:] = 128
    assert dark.measure().highlight < 0.03
    assert burnt.measure().clipped == 1
    assert gray.measure().chroma == gray.measure().hue_variety == 0
    blue, plain = SyntheticSubject(canonical), SyntheticSubject(canonical)
    blue.rgb[:] = (80, 90, 160)
    plain.rgb[:] = (190, 140, 115)
    assert blue.measure().red_over_blue < -1 and 0.55 < plain.measure().red_over_blue < 2.3


def test_lights_of_two_colors_are_told_from_one_on_one_side(canonical):
    """What one light does to one side is no change of hue, however dark the other is."""
    subject = SyntheticSubject(canonical)
    rng = np.random.default_rng(0)
    subject.rgb[:] = np.clip(rng.normal(SKIN, 6, subject.rgb.shape), 0, 255)
    linear = linear_of_bytes_float32()[subject.rgb]
    middle, width = subject.points[:, 0].mean(), np.ptp(subject.points[:, 0])
    side = 1 / (1 + np.exp(-(np.arange(640) - middle) / (0.1 * width)))[None, :, None]
    found = []
    for left, right in (
        ((1, 1, 1), (1, 1, 1)),
        ((1, 1, 1), (0.4, 0.4, 0.4)),
        ((1, 0.7, 0.45), (0.6, 0.8, 1)),
    ):
        light = np.array(left) * (1 - side) + np.array(right) * side
        subject.rgb = linear_to_bytes((linear * light).astype(np.float32))
        found.append(subject.measure().hue_slope)
    assert max(found[:2]) < 0.2 and found[2] > MIXED_SLOPE


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, GOOD, ""),
        ({"eyes_accessory": 0.6}, CHECK, "Glasses cover the eyes"),
        ({"glasses": 0.9}, CHECK, "Glasses are worn"),
        ({"left_cheek": 0.3}, CHECK, "lies on the left cheek"),
        ({"eyes_covered": 0.5}, CHECK, "Something covers the eyes"),
        ({"right_cheek": 0.3}, CHECK, "lies on the right cheek"),
        ({"left_cheek": 0.3, "left_cheek_headwear": 0.3}, CHECK, "Headwear covers the left cheek"),
        ({"right_cheek": 0.3, "right_cheek_headwear": 0.2}, CHECK, "Headwear covers the right cheek"),
        ({"left_cheek": 0.3, "left_cheek_headwear": 0.1}, CHECK, "A hand or another thing lies on the left"),
        ({"hair_on_face": 0.4}, CHECK, "Hair hangs over the face"),
        ({"mouth": 0.5}, CHECK, "covers mouth or chin"),
        ({"forehead": 0.7}, CHECK, "Something covers the forehead"),
        ({"left_cheek_accessory": 0.4}, CHECK, "A hand or another thing lies on the left"),  # a black bar
        ({"left_cheek_accessory": 0.4, "glasses": 0.9}, CHECK, "Glasses are worn"),
        ({"highlight": 0.04}, CHECK, "under-exposed"),
        ({"highlight": 0.16, "brightest": 0.24}, CHECK, "under-exposed"),
        ({"highlight": 0.16, "brightest": 0.9}, GOOD, ""),  # somebody dark, in the shade
        ({"clipped": 0.4}, CHECK, "over-exposed"),
        ({"clipped": 0.06}, CHECK, "over-exposed"),
        ({"hair": 0.0}, GOOD, "No hair is seen"),
        ({"hair": 0.0, "headwear": 0.6}, GOOD, "There is headwear"),
        ({"chroma": 1.0}, GOOD, "no color"),
        ({"hue_variety": 0.3}, GOOD, "no color"),  # sepia
        ({"red_over_blue": 0.3}, GOOD, "The light has a color"),
        ({"red_over_blue": -0.2}, CHECK, "The light has a color"),
        ({"hue_variety": 26.0}, CHECK, "Lights of several colors"),
        ({"hue_slope": 0.8}, CHECK, "Lights of several colors"),
        ({"green_excess": 0.3}, GOOD, "The light has a color"),
    ],
)
def test_the_report_says_what_is_in_the_way(change, verdict, words):
    report = quality_report(FINE, 0.9, MODELS, replace(PLAIN, **change))
    assert report.verdict == verdict
    assert words in " ".join((*report.reasons, *report.notes))
    assert report.document()["coverage"]["hair"] == replace(PLAIN, **change).hair


def test_a_headscarf_over_both_cheeks_is_one_warning_about_headwear(canonical):
    subject = SyntheticSubject(canonical)
    for region in ("left_cheek", "right_cheek"):
        subject.cover(region, SegmentClass.HEADWEAR)
    found = subject.measure()
    assert found.left_cheek == found.left_cheek_headwear > 0.95
    report = quality_report(FINE, 0.9, MODELS, replace(found, hair=0.8, highlight=0.5))
    assert report.verdict == CHECK
    assert [reason.partition(":")[0] for reason in report.reasons] == ["Headwear covers both cheeks"]


def test_a_blue_mask_is_no_light_of_another_color(canonical):
    subject = SyntheticSubject(canonical)
    subject.cover("mouth", SegmentClass.OCCLUDER)
    at = subject.points[face_regions(canonical)["mouth"], :2]
    subject.rgb[round(at[:, 1].min()) :] = (120, 170, 230)
    assert subject.measure().hue_variety < 5


def test_a_hat_is_reported_on_long_hair_and_a_fringe_is_not(canonical):
    subject = SyntheticSubject(canonical)
    subject.labels[SEGMENT_SIZE * 2 // 5 :] = SegmentClass.HAIR  # below the scalp
    subject.cover("forehead", SegmentClass.HAIR)
    fringe = subject.measure()
    subject.labels[: SEGMENT_SIZE // 4] = SegmentClass.HEADWEAR
    subject.cover("forehead", SegmentClass.HEADWEAR)
    hat = subject.measure()
    assert fringe.scalp_headwear == fringe.forehead == 0
    assert hat.headwear < 0.5 * hat.hair
    said = [
        " ".join(quality_report(FINE, 0.9, MODELS, replace(one, hair_on_face=0.0)).document()["warnings"])
        for one in (fringe, hat)
    ]
    assert "headwear" not in said[0] and "forehead" not in said[0]
    assert "There is headwear" in said[1] and "Something covers the forehead" in said[1]


def test_a_poor_head_stays_poor():
    poor = replace(FINE, yaw_deg=80.0)
    report = quality_report(poor, 0.9, MODELS, replace(PLAIN, mouth=0.5))
    assert report.verdict == POOR and "mouth" in report.reasons[-1]


def test_frames_around_the_eyes_are_glasses(canonical):
    subject = SyntheticSubject(canonical)
    eyes = [subject.points[list(EYES[start : start + 16]), :2].mean(0) for start in (0, 16)]
    for eye in subject.frame.photo_to_crop(np.array(eyes)):
        center = tuple(int(value) for value in np.round(eye))
        cv2.circle(subject.labels, center, 12, (int(SegmentClass.ACCESSORY),), 2)
    found = subject.measure()
    assert found.glasses > 0.95 and found.eyes_accessory == 0


@pytest.fixture(scope="module")
def words(astronaut, detector):
    """What is said of the astronaut's photo after it was changed; face and pose are those of the photo."""
    face = detector.detect(astronaut, max_faces=1)[0]
    camera = Camera.from_focal_mm(50, *astronaut.shape[1::-1])
    lifter = LandmarkLifter.from_pretrained(MODELS)
    prior = lifter.lift(face, camera, astronaut)
    segmenter = Segmenter.from_pretrained(MODELS, "onnx")

    def say(change) -> str:
        rgb = np.ascontiguousarray(change(astronaut.copy(), face.points[:, :2]))
        segmentation = with_glasses(segmenter.segment(rgb, camera, prior.pose), rgb, face.points)
        direction = camera_direction(prior.pose)
        coverage = measure_coverage(rgb, segmentation, face.points, lifter.canonical, direction)
        report = quality_report(FINE, 0.9, MODELS, coverage)
        return " ".join((*report.reasons, *report.notes))

    return say


def _exposed(rgb: np.ndarray, *gain: float) -> np.ndarray:
    linear = (rgb / 255.0) ** 2.2 * np.array(gain)
    return (np.clip(linear, 0, 1) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)


def _toned(rgb: np.ndarray, *tone: float) -> np.ndarray:
    return np.clip(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None] * np.array(tone), 0, 255).astype(np.uint8)


def _sunglasses(rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
    distance = np.linalg.norm(points[263] - points[33])
    for corners in ((33, 133), (263, 362)):
        center = tuple(int(value) for value in points[list(corners)].mean(0))
        axes = (int(0.3 * distance), int(0.24 * distance))
        cv2.ellipse(rgb, center, axes, 0, 0, 360, (22, 20, 20), -1, cv2.LINE_AA)
    ends = (tuple(int(value) for value in points[index]) for index in (133, 362))
    cv2.line(rgb, *ends, (20, 20, 20), 2)
    return rgb


def _hand(rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
    scale = float(np.linalg.norm(points[263] - points[33])) / 0.09
    skin = np.median(rgb[tuple(np.round(points[[50, 280]]).astype(int).T[::-1])], 0)
    layer = occluders.hand_layer(np.random.default_rng(3), rgb.shape[:2], points[205], scale, skin)
    occluders.alpha_blend(rgb, *layer)
    return rgb


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rgb, points: _toned(rgb, 1, 1, 1), "The photo has no color"),
        (lambda rgb, points: _toned(rgb, 1.08, 0.9, 0.68), "The photo has no color"),
        (lambda rgb, points: _exposed(rgb, 0.1, 0.1, 0.1), "under-exposed"),
        (lambda rgb, points: _exposed(rgb, 0.25, 0.25, 0.25), "under-exposed"),
        (lambda rgb, points: _exposed(rgb, 4, 4, 4), "over-exposed"),
        (lambda rgb, points: _exposed(rgb, 0.35, 0.7, 1.6), "The light has a color"),
        (_sunglasses, "Glasses cover the eyes"),
        (_hand, "lies on the right cheek"),
    ],
)
def test_a_changed_photo_is_seen_through(words, change, said):
    assert said in words(change)


def test_nothing_is_said_of_the_photo_as_it_is(words):
    assert not words(lambda rgb, points: rgb).replace("There is headwear: the hair under it is a guess.", "")
