"""The voxelizer and the renderer on shapes whose answer is known."""

import numpy as np
import pytest
import trimesh
from skimage.measure import marching_cubes

from core.geometry.frames import Camera
from core.training.rasterize import occupancy_columns
from core.training.synthesis.render import draw

EVERYWHERE = np.array([0.0, 0.0, 0.0, 1.0])
CENTER = np.array([95.3, 96.2, 99.1])


def ball(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices in the volume frame and triangles, outward. The volume's axes are left-handed, hence the
    flip.
    """
    mesh = trimesh.creation.icosphere(5, radius)
    return np.asarray(mesh.vertices) * [1, -1, 1] + CENTER, np.asarray(mesh.faces, np.int32)


@pytest.mark.parametrize("radius", [8.0, 40.0])
def test_isosurface_of_a_ball_is_below_a_tenth_of_a_voxel(radius):
    """Soft targets: the surface lies between the voxels, at any slope, and shrinks with the blur only where
    it is curved.
    """
    volume = occupancy_columns(*ball(radius), EVERYWHERE).transpose(2, 0, 1) / np.float32(255)
    points, _, _, _ = marching_cubes(volume, 0.5)
    distance = np.linalg.norm(points[:, ::-1] - CENTER, axis=1) - radius
    # Blurring a ball by a variance of v moves its surface inward by v / radius.
    assert distance.mean() == pytest.approx(-0.7 / radius, abs=0.08)
    assert distance.std() < 0.1


def test_neck_plane_cuts():
    vertices, triangles = ball(40)
    plane = np.array([0, -1, 0, CENTER[1] + 10.0])  # y below 106.2 remains
    volume = occupancy_columns(vertices, triangles, plane)
    solid = np.flatnonzero((volume > 127).any((1, 2)))
    assert solid.min() == pytest.approx(CENTER[1] - 40, abs=1.5)
    assert solid.max() == pytest.approx(CENTER[1] + 10, abs=1.5)


def test_two_overlapping_balls_are_one_solid():
    one, faces = ball(30)
    both = np.vstack([one, one + np.array([15, 0, 0])]), np.vstack([faces, faces + len(one)])
    volume = occupancy_columns(*both, EVERYWHERE) / np.float32(255)
    assert volume.max() <= 1
    lens = 1 - (15 / 60) * 1.5 + 0.5 * (15 / 60) ** 3  # fraction of one ball that lies in the other
    assert volume.sum() == pytest.approx(4 / 3 * np.pi * 30**3 * (2 - lens), rel=0.01)


def test_drawing_a_ball():
    mesh = trimesh.creation.icosphere(5, 0.1)
    camera = Camera(500.0, 160.0, 150.0)
    vertices = np.asarray(mesh.vertices) + np.array([0, 0, 1.0])
    triangles = np.asarray(mesh.faces, np.int32)
    part = np.full(len(triangles), 3, np.int8)
    buffers = draw(vertices, triangles, np.zeros((len(triangles), 3, 2), np.float32), part, camera, 320)
    assert buffers.depth[150, 160] == pytest.approx(0.9, abs=1e-3)
    assert buffers.normals[150, 160] == pytest.approx([0, 0, -1], abs=0.03)
    assert buffers.mask.sum() == pytest.approx(np.pi * (500 * 0.1 / np.sqrt(1 - 0.01)) ** 2, rel=0.01)
    assert set(np.unique(buffers.part)) == {-1, 3}
    np.testing.assert_allclose(np.linalg.norm(buffers.position[150, 160] - [0, 0, 1]), 0.1, atol=1e-3)
