import numpy as np
import pytest

from core.geometry.frames import FRONTAL, HEAD_CENTER, Camera, HeadPose
from core.segmentation.segmenter import Segmenter, camera_direction
from core.segmentation.segments import SEGMENT_SIZE, SegmentClass, segment_frame

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
    np.testing.assert_allclose(network.direction, camera_direction(POSE))


def test_the_camera_is_where_the_face_looks_from_in_front_and_beside_it_from_the_side():
    # The head's center straight ahead.
    ahead = HeadPose(FRONTAL, np.array([0.0, 0.0, 1.0]) - FRONTAL @ HEAD_CENTER)
    np.testing.assert_allclose(camera_direction(ahead), [0, -1, 0], atol=1e-6)
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # about the head's vertical axis
    turned = HeadPose(FRONTAL @ quarter, np.array([0.0, 0.0, 1.0]) - FRONTAL @ quarter @ HEAD_CENTER)
    assert abs(camera_direction(turned)[0]) == pytest.approx(1, abs=1e-6)
