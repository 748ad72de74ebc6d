"""Cheeks are seen within the face's outline, ears beyond it."""

import numpy as np
import pytest

from core.detection.mediapipe_topology import FACE_OUTLINE, LANDMARK_COUNT
from core.geometry.frames import CROP_PX_PER_CM, Camera, HeadPose, crop_frame_around
from core.template.regions import Regions
from core.template.topology import SKIN
from core.texture.face_outline import beyond_outline, side_weights
from core.texture.skin_sampler import side_weight

RADIUS_PX = 40.0


@pytest.fixture(scope="module")
def frame():
    upright = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    return crop_frame_around(
        Camera.from_focal_mm(50.0, 600, 600, "exif"), HeadPose(upright, np.array([0.0, 0, 0.8]))
    )


@pytest.fixture(scope="module")
def round_face(frame):
    """Landmarks whose outline is a circle in the crop, and its center there."""
    angle = np.linspace(0, 2 * np.pi, len(FACE_OUTLINE), endpoint=False)
    center = np.array([96.0, 100.0])
    landmarks = np.zeros((LANDMARK_COUNT, 3))
    crop = center + RADIUS_PX * np.stack([np.sin(angle), -np.cos(angle)], 1)
    landmarks[list(FACE_OUTLINE), :2] = frame.crop_to_photo(crop)
    return landmarks, center


@pytest.mark.parametrize("beyond_px", [-20.0, -3.0, 3.0, 20.0])
def test_distances_from_the_outline_are_meters(frame, round_face, beyond_px):
    landmarks, center = round_face
    angle = np.linspace(0, 2 * np.pi, 24)
    crop = center + (RADIUS_PX + beyond_px) * np.stack([np.cos(angle), np.sin(angle)], 1)
    found = beyond_outline(landmarks, frame, frame.crop_to_photo(crop))
    assert np.allclose(found, beyond_px / CROP_PX_PER_CM / 100, atol=0.0012)


def test_cheeks_are_seen_within_the_outline_and_ears_beyond_it():
    beyond = np.array([-0.03, -0.03, 0.01, 0.01, 0.01], np.float32)
    ear, beside = np.array([[0, 1, 0, 1, 0], [1, 0, 1, 0, 0]], np.float32)
    assert side_weights(beyond, ear, beside).tolist() == [1, 0, 0, 1, 1]


def test_the_sides_are_ears_and_what_lies_before_them(topology):
    regions = Regions.of(topology)
    skin = topology.vertices_of(SKIN)
    side = side_weight(topology, regions.ear)[skin]
    x, y, z = topology.vertices[skin].T
    assert side[regions.ear[skin] > 0.9].min() > 0.9
    assert side[(np.abs(x) < 0.03) & (y < 0.05)].max() == 0  # nose, mouth, chin, the middle of the forehead
    assert side[(z < -0.13) | (z > 0.12)].max() == 0
