"""The solids that are voxelized are closed, whatever the shape; heads are of one size and in the head
frame.
"""

import numpy as np
import pytest
import trimesh

from core.geometry.frames import crop_frame_around
from core.training.face_models.heads import ICT, MAKEHUMAN
from core.training.face_models.ict_facekit import zip_loop
from core.training.face_models.mesh_topology import boundary_loops
from core.training.rasterize import ray_intersections
from core.training.synthesis.cameras import sample_scene


def test_zip_closes_a_slit():
    loop = np.arange(10)
    x = np.array([0, 1, 2, 3, 4, 5, 4, 3, 2, 1.0])
    triangles = zip_loop(loop, x)
    assert len(triangles) == 8
    assert len(boundary_loops(triangles)) == 1
    # Sewn against the loop's direction: its edges meet those of the mesh around it.
    edges = {tuple(e) for t in triangles for e in (t[[0, 1]], t[[1, 2]], t[[2, 0]])}
    assert all((b, a) in edges for a, b in zip(loop, np.roll(loop, -1), strict=True))


def test_solid_is_closed_and_outward(face_model):
    mesh = trimesh.Trimesh(face_model.mean, face_model.solid, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent
    parts = mesh.split()
    assert len(parts) == 5  # the skin; each eyeball of the model has an inner and an outer ball
    assert all(part.volume > 0 for part in parts)


def test_size_is_taken_out(face_model):
    rng = np.random.default_rng(0)
    for _ in range(5):
        identity = rng.normal(size=100) * 1.5
        head = face_model.head(identity, np.zeros(57)).vertices
        skin, mean = head[face_model.skin_range], face_model.mean[face_model.skin_range]
        a, b = skin - skin.mean(0), mean - mean.mean(0)
        assert (a * b).sum() / (a * a).sum() == pytest.approx(1, abs=1e-3)
        assert np.abs(head[face_model.corners].mean(0)).max() < 1e-4


def leaking_rays(number: np.ndarray, sign: np.ndarray) -> int:
    """How many rays do not leave what they enter: 0 for a closed mesh."""
    most = number.max()  # far fewer than there is room for
    intersected = np.arange(most) < number[..., None]
    return int(np.count_nonzero(np.where(intersected, sign[..., :most], 0).sum(2)))


def count_leaks(heads, count: int) -> int:
    rng = np.random.default_rng(count)
    leaks = 0
    for i in range(count):
        source = MAKEHUMAN if i % 4 == 0 else ICT
        vertices = heads.vertices(source, *heads.sample(rng, source))
        scene = sample_scene(rng)
        points, triangles = heads.solid(source, vertices)
        frame = crop_frame_around(scene.camera, scene.pose)
        volume_points = frame.camera_to_volume(scene.pose.head_to_camera(points.astype(np.float64)))
        number, _, sign = ray_intersections(volume_points.astype(np.float32), triangles, 2)
        leaks += leaking_rays(number, sign)
    return leaks


def test_no_ray_leaks(heads):
    """A ray through a gap would fill or empty a column: all 147,456 rays of each head leave what they
    enter.
    """
    assert count_leaks(heads, 25) == 0


@pytest.mark.long
@pytest.mark.slow
def test_no_ray_leaks_on_many_heads(heads):
    assert count_leaks(heads, 250) == 0


@pytest.mark.parametrize("source", [ICT, MAKEHUMAN])
def test_fast_template_is_the_carried_one(heads, source):
    rng = np.random.default_rng(3)
    identity, expression = heads.sample(rng, source)
    carried = heads.template_vertices(source, heads.vertices(source, identity, expression))
    np.testing.assert_allclose(heads.template_of(source, identity, expression), carried, atol=2e-6)
