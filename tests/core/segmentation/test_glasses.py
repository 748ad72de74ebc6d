"""Glasses on a drawn face: skin with brows, eyes and mouth."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.detection.mediapipe_topology import CHIN, EYES, FOREHEAD
from core.geometry.frames import FRONTAL, Camera, HeadPose
from core.image.photo import load_photo
from core.segmentation.glasses import CORNERS, find_glasses, with_glasses
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass, segment_frame

SIZE = 400
CAMERA = Camera(700.0, (SIZE - 1) / 2, (SIZE - 1) / 2)
POSE = HeadPose(FRONTAL, np.array([0.0, 0.0, 0.6]))
#: The eyes' centers; 63 mm apart, as the camera sees them.
EYE_CENTERS = np.array([[163.0, 200.0], [237.0, 200.0]])
SKIN = (200, 160, 140)


def drawn_face(wear=None):
    """(picture, landmarks) of a face without glasses, with rims or with dark lenses."""
    rgb = np.full((SIZE, SIZE, 3), SKIN, np.uint8)
    for x, y in EYE_CENTERS:
        cv2.ellipse(rgb, (int(x), int(y)), (16, 7), 0, 0, 360, (235, 230, 225), -1)
        cv2.circle(rgb, (int(x), int(y)), 7, (60, 40, 30), -1)
        cv2.ellipse(rgb, (int(x), int(y) - 4), (24, 18), 0, 200, 340, (70, 50, 40), 6)
        cv2.ellipse(rgb, (int(x), int(y) + 6), (20, 12), 0, 20, 160, (170, 130, 110), 2)  # a fold below
        if wear == "rims":
            cv2.ellipse(rgb, (int(x), int(y) + 4), (31, 24), 0, 0, 360, (40, 30, 30), 3)
        elif wear == "dark":
            cv2.ellipse(rgb, (int(x), int(y) + 4), (33, 26), 0, 0, 360, (25, 25, 30), -1)
    landmarks = np.zeros((478, 3))
    for start, (x, y), (outer, inner), side in zip((0, 16), EYE_CENTERS, CORNERS, (-1, 1), strict=True):
        for k, index in enumerate(EYES[start : start + 16]):
            angle = 2 * np.pi * k / 16
            landmarks[index, :2] = x + 14 * np.cos(angle), y + 6 * np.sin(angle)
        landmarks[outer, :2], landmarks[inner, :2] = (x + 16 * side, y), (x - 16 * side, y)
    return cv2.GaussianBlur(rgb, (0, 0), 0.8), landmarks


def all_skin():
    probabilities = np.zeros((len(SegmentClass), SEGMENT_SIZE, SEGMENT_SIZE), np.float32)
    probabilities[SegmentClass.SKIN] = 1
    return Segmentation(probabilities, segment_frame(CAMERA, POSE))


def test_brows_and_folds_are_no_glasses():
    rgb, landmarks = drawn_face()
    segmentation = all_skin()
    assert find_glasses(rgb, landmarks) is None
    assert with_glasses(segmentation, rgb, landmarks) is segmentation


@pytest.mark.parametrize(
    ("name", "has_glasses"), [("female_69", True), ("male_36", False), ("male_49", False)]
)
def test_both_rims_are_of_one_kind(detector, data_folder, name, has_glasses):
    """A fold below one eye of male_36, and sheen around the other, are lines of two kinds."""
    rgb = load_photo(data_folder / "portraits" / f"{name}.jpg").rgb
    (face,) = detector.detect(rgb, max_faces=1)
    assert (find_glasses(rgb, face.points) is not None) == has_glasses


def test_rims_are_accessories_and_what_is_in_them_stays_skin():
    rgb, landmarks = drawn_face("rims")
    found = with_glasses(all_skin(), rgb, landmarks)
    np.testing.assert_allclose(found.probabilities.sum(0), 1, atol=1e-5)
    rim = np.concatenate(
        [EYE_CENTERS + np.array((0, 28)), EYE_CENTERS + np.array((31, 4)), EYE_CENTERS - np.array((31, -4))]
    )
    skin = np.concatenate(
        [EYE_CENTERS + np.array((0, 16)), EYE_CENTERS + np.array((0, 60)), EYE_CENTERS - np.array((0, 60))]
    )
    assert (found.probabilities_at(rim)[:, SegmentClass.ACCESSORY] > 0.4).all()
    assert (found.probabilities_at(skin).argmax(1) == SegmentClass.SKIN).all()


def test_dark_lenses_cover_the_eyes():
    rgb, landmarks = drawn_face("dark")
    glasses = find_glasses(rgb, landmarks)
    assert glasses is not None and glasses.dark is not None
    found = with_glasses(all_skin(), rgb, landmarks)
    at = np.concatenate([EYE_CENTERS, EYE_CENTERS + np.array((18, 8)), EYE_CENTERS - np.array((18, -8))])
    assert (found.probabilities_at(at).argmax(1) == SegmentClass.ACCESSORY).all()
    assert (found.probabilities_at(EYE_CENTERS + np.array((0, 60))).argmax(1) == SegmentClass.SKIN).all()


@given(st.floats(-40, 40), st.floats(0.6, 2.0))
def test_glasses_are_found_at_any_turn_and_size(degrees, scale):
    rgb, landmarks = drawn_face("rims")
    matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), degrees, scale)
    turned = cv2.warpAffine(rgb, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
    points = landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    assert find_glasses(turned, points) is not None


@pytest.mark.parametrize("landmarks", [np.zeros((478, 3)), np.full((478, 3), np.nan)])
def test_landmarks_that_say_nothing_give_no_glasses(landmarks):
    assert find_glasses(drawn_face()[0], landmarks) is None


def test_from_the_side_no_glasses_are_looked_for():
    """The eyes' corners are nearly one behind the other there, and lenses have no pixels."""
    landmarks = np.tile([[100.0, 100.0]], (478, 1))
    landmarks[FOREHEAD], landmarks[CHIN] = [100, 40], [100, 200]
    landmarks[CORNERS[0][0]], landmarks[CORNERS[1][0]] = [98.0, 100.0], [102.0, 100.0]
    assert find_glasses(np.random.default_rng(0).integers(0, 255, (240, 240, 3), np.uint8), landmarks) is None
