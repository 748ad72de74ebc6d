"""What stands out of a face's skin."""

import cv2
import numpy as np
import pytest

from core.detection.mediapipe_topology import BROWS, LIPS
from core.image.color import linear_of_bytes_float32, linear_to_bytes
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass, segment_frame
from core.texture.face_colors import CONTRASTS, SKIN_HUE, face_colors
from tests.core.head_samples import sample_of

SKIN = np.array([0.30, 0.17, 0.11], np.float32)
LIP = np.array([0.22, 0.08, 0.06], np.float32)
HAIR = np.array([0.02, 0.015, 0.01], np.float32)
NO_LIGHT = np.zeros(3)


@pytest.fixture(scope="module")
def sample(astronaut, detector, topology):
    return sample_of(astronaut, detector.detect(astronaut, max_faces=1)[0], topology)


@pytest.fixture(scope="module")
def points(sample):
    return sample.face.points


def drawn(points, shape, lip=LIP):
    """A photo (H, W, 3) uint8 of a face of three colors."""
    linear = np.empty((*shape[:2], 3), np.float32)
    linear[:] = SKIN
    for part, color in ((BROWS[:10], HAIR), (BROWS[10:], HAIR), (LIPS, lip)):
        mask = np.zeros(shape[:2], np.uint8)
        hull = cv2.convexHull(points[list(part), :2].astype(np.float32))
        cv2.fillConvexPoly(mask, np.round(hull).astype(np.int32), (1,))
        linear[mask > 0] = color
    return linear_to_bytes(linear)


def segmented(sample, label):
    """Everything shows one thing."""
    probabilities = np.zeros((len(SegmentClass), SEGMENT_SIZE, SEGMENT_SIZE), np.float32)
    probabilities[label] = 1
    return Segmentation(probabilities, segment_frame(sample.lifted.frame.camera, sample.lifted.pose))


@pytest.mark.parametrize("scale", [1, 3])
def test_the_parts_have_their_colors(sample, points, scale):
    shape = (scale * sample.rgb.shape[0], scale * sample.rgb.shape[1])
    found = face_colors(drawn(points * scale, shape), points * scale)
    np.testing.assert_allclose(found.skin, SKIN, rtol=0.03)
    np.testing.assert_allclose(found.lips, LIP, rtol=0.03)
    assert (found.brows < 0.3 * SKIN).all()


@pytest.mark.parametrize("side", [0, 1])
def test_what_the_photo_cuts_off_is_not_black(sample, points, side):
    """Half of a brow and some of the lips are beyond the photo's edge: its detector goes on there."""
    photo, middle = drawn(points, sample.rgb.shape), points[list(BROWS[:10]), side].mean()
    cut = int(middle)
    moved = points.copy()
    moved[:, side] -= cut
    found = face_colors(np.ascontiguousarray(photo[:, cut:] if side == 0 else photo[cut:]), moved)
    np.testing.assert_allclose(found.skin, SKIN, rtol=0.03)
    np.testing.assert_allclose(found.lips, LIP, rtol=0.03)
    np.testing.assert_allclose(found.brows, HAIR, rtol=0.3)


def test_what_hides_the_face_is_not_taken_for_it(sample, points):
    photo = drawn(points, sample.rgb.shape)
    seen, hidden = (
        face_colors(photo, points, segmented(sample, label))
        for label in (SegmentClass.SKIN, SegmentClass.OCCLUDER)
    )
    np.testing.assert_allclose(seen.lips, LIP, rtol=0.03)
    assert all(np.isnan(one).all() for one in (hidden.skin, hidden.lips, hidden.brows))


@pytest.mark.parametrize("light", [(0.4, 0.4, 0.4), (0.9, 0.6, 0.5), (0.5, 0.6, 0.9)])
def test_light_changes_no_contrast_but_the_skin_s_hue(astronaut, points, light):
    lit = linear_to_bytes(linear_of_bytes_float32()[astronaut] * np.array(light, np.float32))
    usual, changed = (face_colors(rgb, points) for rgb in (astronaut, lit))
    difference = changed.contrasts(NO_LIGHT) - usual.contrasts(NO_LIGHT)
    others = np.delete(difference, SKIN_HUE)
    assert len(difference) == CONTRASTS
    assert np.nanmax(np.abs(others)) < 0.1
    expected = np.log(light[0]) - np.log(light[1:])
    np.testing.assert_allclose(difference[SKIN_HUE], expected, atol=0.03)
    known = changed.contrasts(np.log(light)) - usual.contrasts(NO_LIGHT)
    assert np.nanmax(np.abs(known)) < 0.1


def test_a_photo_without_colors_says_nothing_of_hues(points, astronaut):
    found = face_colors(astronaut, points).contrasts(NO_LIGHT, colored=0.0)
    assert np.isnan(found[SKIN_HUE]).all()
    assert not np.isnan(found[:3]).any()
