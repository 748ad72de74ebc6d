"""What grows on another person's head is no hair of this one."""

import numpy as np

from core.detection.landmarks import FaceLandmarks
from core.geometry.frames import AffineFrame, Camera
from core.image.photo import Photo
from core.reconstructor.inputs import face_tasks
from core.segmentation.other_heads import without_other_heads
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass


def _face(x: float, y: float, size: float) -> np.ndarray:
    half = size / 2
    return np.array([[x - half, y - half, 0], [x + half, y + half, 0]])


def _segmentation(kind: SegmentClass) -> Segmentation:
    """Hair from one side of the picture to the other."""
    probabilities = np.full((len(SegmentClass), SEGMENT_SIZE, SEGMENT_SIZE), 0.02, np.float32)
    probabilities[SegmentClass.BACKGROUND] = 0.2
    probabilities[kind] = 1 - probabilities.sum(0) + probabilities[kind]
    return Segmentation(probabilities, AffineFrame(np.array([[0.5, 0, 0], [0, 0.5, 0]])))


def test_hair_is_that_of_the_nearer_face():
    own = _face(200, 256, 100)
    for kind in (SegmentClass.HAIR, SegmentClass.HEADWEAR):
        before = _segmentation(kind)
        after = without_other_heads(before, own, [_face(400, 256, 100)])
        np.testing.assert_allclose(after.probabilities.sum(0), 1, atol=1e-5)
        # Half way, at 300 pixels of the photo and so 150 of the segment frame, is the border.
        assert (after.labels[:, :148] == kind).all()
        assert (after.labels[:, 152:] == SegmentClass.BACKGROUND).all()


def test_a_small_face_has_hair_around_it_only():
    before = _segmentation(SegmentClass.HAIR)
    after = without_other_heads(before, _face(200, 256, 120), [_face(400, 256, 20)])
    taken = after.labels == SegmentClass.BACKGROUND
    assert taken[128, 200] and 0.005 < taken.mean() < 0.05


def test_skin_and_faces_found_twice_stay():
    skin = _segmentation(SegmentClass.SKIN)
    assert without_other_heads(skin, _face(200, 256, 100), [_face(400, 256, 100)]) is skin
    hair = _segmentation(SegmentClass.HAIR)
    assert without_other_heads(hair, _face(200, 256, 100), []) is hair
    assert without_other_heads(hair, _face(200, 256, 100), [_face(220, 256, 80)]) is hair


def test_each_face_knows_the_others():
    photo = Photo.from_array(np.zeros((600, 900, 3), np.uint8), "three.png")
    faces = [FaceLandmarks(_face(x, 300, 200).astype(np.float32)) for x in (150, 450, 750)]
    tasks = face_tasks(photo, Camera.from_focal_mm(50.0, 900, 600), faces, [0, 2], None, False, {})
    assert [task.others for task in tasks] == [(faces[1], faces[2]), (faces[0], faces[1])]
