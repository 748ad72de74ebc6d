import numpy as np
import pytest

from core.geometry.frames import FRONTAL, HEAD_CENTER, Camera, HeadPose
from core.image.crop import cut_crop
from core.lifting.lifter import LandmarkLifter
from core.runtime.backend import SEGMENTATION_ONNX_NAME
from core.segmentation.attached import without_detached
from core.segmentation.segmenter import (
    MIRRORED,
    OnnxSegmentNetwork,
    Segmenter,
    camera_direction,
    segment_both_ways,
)
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass, segment_frame
from tests.core.stand_ins import MODELS

CAMERA = Camera(700.0, 255.5, 255.5)
POSE = HeadPose(FRONTAL, np.array([0.0, 0.0, 1.0]))


class RedIsSkin:
    """Takes the red channel for the probability of skin, the rest for background."""

    def run(self, picture: np.ndarray, direction: np.ndarray) -> np.ndarray:
        self.direction = direction
        result = np.zeros((len(SegmentClass), SEGMENT_SIZE, SEGMENT_SIZE), np.float32)
        result[SegmentClass.SKIN] = picture[..., 0] / 255
        result[SegmentClass.BACKGROUND] = 1 - result[SegmentClass.SKIN]
        return result


def test_what_the_network_says_of_a_pixel_is_found_at_its_place_in_the_photo():
    rgb = np.zeros((512, 512, 3), np.uint8)
    rgb[200:300, 210:330, 0] = 255
    network = RedIsSkin()
    segmentation = Segmenter(network).segment(rgb, CAMERA, POSE)
    points = np.array([[270.0, 250.0], [270.0, 320.0], [190.0, 250.0]])
    found = segmentation.probabilities_at(points)[:, SegmentClass.SKIN]
    np.testing.assert_allclose(found, [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(segmentation.frame.matrix, segment_frame(CAMERA, POSE).matrix)
    np.testing.assert_allclose(network.direction, camera_direction(POSE), atol=1e-7)


def test_the_camera_is_where_the_face_looks_from_in_front_and_beside_it_from_the_side():
    # The head's center straight ahead.
    ahead = HeadPose(FRONTAL, np.array([0.0, 0.0, 1.0]) - FRONTAL @ HEAD_CENTER)
    np.testing.assert_allclose(camera_direction(ahead), [0, -1, 0], atol=1e-6)
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # about the head's vertical axis
    turned = HeadPose(FRONTAL @ quarter, np.array([0.0, 0.0, 1.0]) - FRONTAL @ quarter @ HEAD_CENTER)
    assert abs(camera_direction(turned)[0]) == pytest.approx(1, abs=1e-6)


@pytest.fixture(scope="module")
def segmented(astronaut, reconstructed) -> dict[str, np.ndarray]:
    """The astronaut's probabilities by backend."""
    camera, pose = reconstructed
    return {
        backend: Segmenter.from_pretrained(MODELS, backend).segment(astronaut, camera, pose).probabilities
        for backend in ("onnx", "torch")
    }


@pytest.fixture(scope="module")
def reconstructed(astronaut, detector) -> tuple[Camera, HeadPose]:
    """The astronaut's camera and pose."""
    camera = Camera.from_focal_mm(50.0, 512, 512)
    (face,) = detector.detect(astronaut, max_faces=1)
    return camera, LandmarkLifter.from_pretrained(MODELS).lift(face, camera, astronaut).pose


def test_a_mirrored_picture_has_the_mirrored_segmentation(segmented, astronaut, reconstructed):
    camera, pose = reconstructed
    picture = cut_crop(astronaut, segment_frame(camera, pose), SEGMENT_SIZE, SEGMENT_SIZE)
    network = OnnxSegmentNetwork(MODELS / SEGMENTATION_ONNX_NAME)
    mirrored = segment_both_ways(network, picture[:, ::-1], camera_direction(pose) * MIRRORED)
    found = without_detached(Segmentation(mirrored[:, :, ::-1], segment_frame(camera, pose)))
    assert np.array_equal(found.probabilities, segmented["onnx"])


def test_both_backends_give_the_same_segmentation(segmented):
    np.testing.assert_allclose(segmented["onnx"], segmented["torch"], atol=1e-4)
    np.testing.assert_allclose(segmented["onnx"].sum(0), 1, atol=1e-5)


def test_the_astronaut_is_segmented(astronaut, segmented, reconstructed):
    """Her cheek and suit, and the wall."""
    segmentation = Segmentation(segmented["onnx"], segment_frame(*reconstructed))
    points = np.array([[208.0, 128.0], [150.0, 280.0], [340.0, 100.0]])
    found = segmentation.probabilities_at(points).argmax(-1)
    wanted = [SegmentClass.SKIN, SegmentClass.CLOTHES, SegmentClass.BACKGROUND]
    assert found.tolist() == wanted


def test_the_segmentation_does_not_depend_on_threads(segmented, astronaut, reconstructed):
    camera, pose = reconstructed
    frame = segment_frame(camera, pose)
    picture = cut_crop(astronaut, frame, SEGMENT_SIZE, SEGMENT_SIZE)
    network = OnnxSegmentNetwork(MODELS / SEGMENTATION_ONNX_NAME)
    again = segment_both_ways(network, picture, camera_direction(pose))
    assert np.array_equal(without_detached(Segmentation(again, frame)).probabilities, segmented["onnx"])
    options = network._session._session.get_session_options()
    assert options.intra_op_num_threads == 1
