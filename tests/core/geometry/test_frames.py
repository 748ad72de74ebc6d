"""The maps between photo, crop, volume, camera and head frame lead back to where they came from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.geometry.frames import (
    CROP_CENTER,
    FRONTAL,
    HEAD_CENTER,
    VOLUME_CENTER_Z,
    VOXELS_PER_METER,
    Camera,
    CropFrame,
    HeadPose,
    apply_affine,
    crop_frame_around,
    invert_affine,
)
from tests.core.scenes import head_pose, rotation

angles = st.tuples(st.floats(-100, 100), st.floats(-60, 60), st.floats(-180, 180))
sizes = st.tuples(st.integers(64, 6000), st.integers(64, 6000))
focals = st.floats(14, 300)


def points(low: float, high: float, dimensions: int = 3):
    numbers = st.tuples(*[st.floats(low, high)] * dimensions)
    return st.lists(numbers, min_size=1, max_size=6).map(np.array)


@st.composite
def cameras(draw) -> Camera:
    width, height = draw(sizes)
    return Camera.from_focal_mm(draw(focals), width, height)


@st.composite
def poses(draw) -> HeadPose:
    distance = draw(st.floats(0.35, 5))
    sideways = st.floats(-0.5, 0.5)
    return head_pose(
        rotation(*draw(angles)), np.array([draw(sideways) * distance, draw(sideways) * distance, distance])
    )


@st.composite
def frames(draw) -> tuple[CropFrame, HeadPose]:
    camera, pose = draw(cameras()), draw(poses())
    return crop_frame_around(camera, pose), pose


@given(frames(), points(-300, 500, 2))
def test_photo_and_crop(frame_and_pose, crop):
    frame, _ = frame_and_pose
    photo = frame.crop_to_photo(crop)
    tolerance = 1e-9 * (1 + np.abs(photo).max() * frame.scale)
    np.testing.assert_allclose(frame.photo_to_crop(photo), crop, atol=max(1e-7, tolerance))


@given(frames(), points(-50, 250))
def test_volume_and_camera(frame_and_pose, voxels):
    frame, _ = frame_and_pose
    camera = frame.volume_to_camera(voxels)
    if camera[:, 2].min() > 0.02:  # a selfie's volume may reach behind the lens
        np.testing.assert_allclose(frame.camera_to_volume(camera), voxels, atol=1e-5)


@given(frames(), points(-0.15, 0.15))
def test_head_and_camera_and_photo(frame_and_pose, head):
    """head -> camera -> volume -> camera -> head, and the crop of the volume is that of the photo."""
    frame, pose = frame_and_pose
    camera = pose.head_to_camera(head)
    np.testing.assert_allclose(pose.camera_to_head(camera), head, atol=1e-9)
    voxels = frame.camera_to_volume(camera)
    np.testing.assert_allclose(pose.camera_to_head(frame.volume_to_camera(voxels)), head, atol=1e-8)
    np.testing.assert_allclose(
        frame.crop_to_photo(voxels[:, :2]), frame.camera.project(camera), rtol=1e-9, atol=1e-6
    )


@given(frames())
def test_crop_is_centered_upright_and_to_scale(frame_and_pose):
    frame, pose = frame_and_pose
    center = frame.camera_to_volume(pose.head_to_camera(HEAD_CENTER))
    np.testing.assert_allclose(center, [CROP_CENTER, CROP_CENTER, VOLUME_CENTER_Z], atol=1e-6)
    # A centimeter across the ray at the head's center is 6.5 crop pixels, toward the camera 6.5 voxels.
    camera = pose.head_to_camera(HEAD_CENTER)
    steps = camera + 1e-4 * np.array([[1, 0, 0], [0, 1, 0]])
    moved = frame.camera_to_volume(steps) - center
    np.testing.assert_allclose(np.linalg.norm(moved[:, :2], axis=1), 1e-4 * VOXELS_PER_METER, rtol=1e-6)
    nearer = frame.camera_to_volume(camera - np.array([0, 0, 0.01])) - center
    np.testing.assert_allclose(nearer[2], 0.01 * VOXELS_PER_METER, rtol=1e-6)
    # A similarity without reflection.
    linear = frame.matrix[:, :2]
    np.testing.assert_allclose(linear @ linear.T, np.eye(2) * frame.scale**2, atol=1e-9 * frame.scale**2)
    assert np.linalg.det(linear) > 0
    # The head's up axis points up in the crop, unless it points along the ray.
    up = frame.camera_to_volume(pose.head_to_camera(HEAD_CENTER + np.array([0, 0, 0.01]))) - center
    if np.hypot(up[0], up[1]) > 0.01:
        assert up[1] < 0 and abs(up[0]) < 1e-3 * abs(up[1]) + 1e-6


@given(angles, points(-1, 1))
def test_rotations_are_rigid(turn, head):
    r = rotation(*turn)
    np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(r) == pytest.approx(1)
    pose = HeadPose(r, np.array([0.1, 0.2, 0.9]))
    np.testing.assert_allclose(
        np.linalg.norm(pose.head_to_camera(head) - pose.translation, axis=1),
        np.linalg.norm(head, axis=1),
        atol=1e-9,
    )


@given(st.floats(-89, 89), st.floats(-80, 80), st.floats(-175, 175))
def test_angles_of_a_pose(yaw, pitch, roll):
    """Turning the head by three angles in a row gives them back."""
    r = FRONTAL @ yaw_matrix(yaw) @ pitch_matrix(pitch) @ roll_matrix(roll)
    np.testing.assert_allclose(HeadPose(r, np.zeros(3)).angles, [yaw, pitch, roll], atol=1e-6)


def yaw_matrix(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def pitch_matrix(degrees):
    """Raises the face, which looks along -y."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]])


def roll_matrix(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def test_directions_of_a_frontal_head():
    """The subject's left is on the picture's right, up is up, the nose is nearer than the ears."""
    pose = head_pose(FRONTAL, np.array([0, 0, 0.8]))
    camera = Camera.from_focal_mm(50, 600, 400)
    left, up = camera.project(pose.head_to_camera(np.array([[0.05, 0, 0], [0, 0, 0.05]])))
    center = camera.project(pose.head_to_camera(np.zeros(3)))
    assert left[0] > center[0] and up[1] < center[1]
    nose, ear = pose.head_to_camera(np.array([[0, -0.03, -0.03], [0.07, 0.09, 0]]))
    assert nose[2] < ear[2]
    assert HeadPose(rotation(30), np.zeros(3)).angles[0] == pytest.approx(30)
    assert camera.project(np.array([0.0, 0.0, 1.0])).tolist() == [299.5, 199.5]


@given(focals, sizes)
def test_focal_length_by_the_diagonal(focal, size):
    camera = Camera.from_focal_mm(focal, *size, "exif")
    assert camera.focal_mm(*size) == pytest.approx(focal) and camera.source == "exif"
    # 43.27 mm is the diagonal: at that focal length the picture is as long as it is far.
    assert Camera.from_focal_mm(43.27, *size).focal_px == pytest.approx(np.hypot(*size))


@given(st.floats(0.01, 100), st.floats(-3.1, 3.1), points(-1e4, 1e4, 2))
def test_affine_inverse(scale, angle, places):
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[c, -s, 12.5], [s, c, -7]])
    np.testing.assert_allclose(
        apply_affine(invert_affine(matrix), apply_affine(matrix, places)), places, atol=1e-6
    )
