import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.geometry.frames import FRONTAL, HEAD_CENTER, Camera, HeadPose
from core.image.crop import cut_crop
from core.segmentation.segments import (
    SEGMENT_CENTER,
    SEGMENT_SIZE,
    SEGMENT_WIDTH_CM,
    Segmentation,
    SegmentClass,
    segment_frame,
)

CAMERA = Camera(800.0, 320.0, 240.0)


def posed(roll: float = 0.0, distance: float = 1.2) -> HeadPose:
    cos, sin = np.cos(roll), np.sin(roll)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return HeadPose(turn @ FRONTAL, np.array([0.03, -0.02, distance]))


@pytest.fixture(scope="module")
def segmentation() -> Segmentation:
    """Skin left of a slanted line, clothes right of it, softly."""
    y, x = np.mgrid[0:SEGMENT_SIZE, 0:SEGMENT_SIZE].astype(np.float32)
    clothes = np.clip((x + 0.3 * y) / 400, 0, 1)
    probabilities = np.zeros((len(SegmentClass), SEGMENT_SIZE, SEGMENT_SIZE), np.float32)
    probabilities[SegmentClass.CLOTHES] = clothes
    probabilities[SegmentClass.SKIN] = 1 - clothes
    return Segmentation(probabilities, segment_frame(CAMERA, posed(0.3)))


@given(st.floats(-3.0, 3.0), st.floats(0.3, 4.0))
def test_the_frame_is_upright_and_metric_at_any_roll_and_distance(roll, distance):
    pose = posed(roll, distance)
    frame = segment_frame(CAMERA, pose)
    points = HEAD_CENTER + np.array([[0, 0, 0], [0, 0, 0.001], [0.001, 0, 0]])
    center, above, left = frame.photo_to_crop(CAMERA.project(pose.head_to_camera(points)))
    np.testing.assert_allclose(center, SEGMENT_CENTER, atol=1e-6)
    assert above[0] == pytest.approx(center[0], abs=1e-2)
    px_per_mm = SEGMENT_SIZE / SEGMENT_WIDTH_CM / 10
    assert center[1] - above[1] == pytest.approx(px_per_mm, rel=0.02)
    assert left[0] - center[0] == pytest.approx(px_per_mm, rel=0.02)


def test_probabilities_between_pixels_are_interpolated(segmentation):
    pixels = np.array([[10.25, 20.5], [100.0, 200.75]])
    points = segmentation.frame.crop_to_photo(pixels)
    found = segmentation.probabilities_at(points)
    expected = (pixels[:, 0] + 0.3 * pixels[:, 1]) / 400
    np.testing.assert_allclose(found[:, SegmentClass.CLOTHES], expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)


def test_outside_the_frame_and_where_no_point_is_all_is_background(segmentation):
    points = np.array([[[1e6, 0.0], [-1e6, 5.0]], [[np.nan, np.nan], [np.inf, 0.0]]])
    found = segmentation.probabilities_at(points)
    assert found.shape == (2, 2, len(SegmentClass))
    assert (found[..., SegmentClass.BACKGROUND] == 1).all()
    assert (found[..., 1:] == 0).all()


def test_the_photo_s_pixels_agree_with_points(segmentation):
    chosen = (SegmentClass.CLOTHES, SegmentClass.BACKGROUND)
    planes = segmentation.in_photo(480, 640, chosen)
    assert planes.shape == (2, 480, 640)
    y, x = np.mgrid[0:480:7, 0:640:7]
    expected = segmentation.probabilities_at(np.stack([x, y], -1))[..., chosen]
    pixels = segmentation.frame.photo_to_crop(np.stack([x, y], -1).astype(float))
    # The warp fades to the background over the frame's last pixel, points stop at its edge.
    whole = ((pixels >= 0) & (pixels <= SEGMENT_SIZE - 1)).all(-1)
    assert whole.sum() > 500
    # OpenCV interpolates in steps of 1/32 pixel.
    np.testing.assert_allclose(np.moveaxis(planes[:, ::7, ::7], 0, -1)[whole], expected[whole], atol=0.01)


def test_all_classes_in_the_photo_sum_to_one(segmentation):
    np.testing.assert_allclose(segmentation.in_photo(480, 640).sum(0), 1, atol=1e-4)


def test_labels_are_the_most_probable_classes(segmentation):
    labels = segmentation.labels
    assert labels.dtype == np.uint8
    assert labels[0, 0] == SegmentClass.SKIN
    assert labels[-1, -1] == SegmentClass.CLOTHES


def test_the_crop_shows_what_the_frame_says():
    """A mark drawn at a point of the photo appears where the frame has that point."""
    pose = posed(-0.4)
    frame = segment_frame(CAMERA, pose)
    rgb = np.zeros((480, 640, 3), np.uint8)
    at = frame.crop_to_photo(np.array([60.0, 150.0])).round().astype(int)
    rgb[at[1] - 2 : at[1] + 3, at[0] - 2 : at[0] + 3] = 255
    crop = cut_crop(rgb, frame, SEGMENT_SIZE, SEGMENT_SIZE)
    assert crop.shape == (SEGMENT_SIZE, SEGMENT_SIZE, 3)
    ys, xs = np.nonzero(crop[..., 0] > 128)
    np.testing.assert_allclose([xs.mean(), ys.mean()], frame.photo_to_crop(at.astype(float)), atol=0.5)
