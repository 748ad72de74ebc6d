"""The numpy rasterizer against the compiled one and against what must be true of any closed mesh."""

import numpy as np
import pytest
import trimesh

from core.geometry.frames import CROP_SIZE
from core.geometry.rasterize import fragments, interpolate, ray_distance_volume, ray_intersections, z_buffer
from core.volume.guidance import TEMPLATE_REACH

EVERYWHERE = np.array([0.0, 0.0, 0.0, 1.0])


@pytest.fixture(scope="module")
def solid() -> tuple[np.ndarray, np.ndarray]:
    """An ellipsoid and, overlapping it, a smaller ball: (vertices in the volume frame, triangles), outward.

    The volume's axes (x right, y down, z to the viewer) are left-handed, hence the flip.
    """
    one = trimesh.creation.icosphere(4, 1.0)
    one.apply_scale([50, 62, 55])
    two = trimesh.creation.icosphere(3, 20.0)
    two.apply_translation([10, 5, 48])
    both = trimesh.util.concatenate([one, two])
    vertices = np.asarray(both.vertices) * [1, -1, 1] + [95.2, 96.1, 99.4]
    return vertices, np.asarray(both.faces, np.int32)


def test_distance_along_the_rays(solid: tuple[np.ndarray, np.ndarray]) -> None:
    distance = ray_distance_volume(ray_intersections(solid[0], solid[1]), EVERYWHERE, TEMPLATE_REACH)
    y, x, z = np.mgrid[:192, :192, :200]
    inside = ((x - 95.2) / 50) ** 2 + ((y - 96.1) / 62) ** 2 + ((z - 99.4) / 55) ** 2 < 1
    inside |= (x - 105.2) ** 2 + (y - 91.1) ** 2 + (z - 147.4) ** 2 < 20**2
    assert (distance > 0).sum() == pytest.approx(inside.sum(), rel=0.01)
    assert (distance.min(), distance.max()) == pytest.approx((-TEMPLATE_REACH, TEMPLATE_REACH), abs=1e-3)
    # Through the middle of the ellipsoid's back there is nothing but one edge: a straight ramp.
    back = 99.4 - 55 * np.sqrt(1 - (0.8 / 50) ** 2 - (0.1 / 62) ** 2)
    column = distance[:, 96, 96][40:50]
    assert column == pytest.approx(
        np.clip(np.arange(40, 50) - back, -TEMPLATE_REACH, TEMPLATE_REACH), abs=0.1
    )


def test_plane_cuts_the_solid(solid: tuple[np.ndarray, np.ndarray]) -> None:
    for plane in (
        np.array([0, -1, 0, 120.0]),
        np.array([0.1, -0.9, 0.3, 100.0]),
        np.array([0.0, 0.2, -1.0, 90.0]),
    ):
        z, y, x = np.nonzero(
            ray_distance_volume(ray_intersections(solid[0], solid[1]), plane, TEMPLATE_REACH) > 0.5
        )
        assert len(z) > 1000
        assert (plane[0] * x + plane[1] * y + plane[2] * z + plane[3]).min() > -1.5


def test_same_as_compiled(solid: tuple[np.ndarray, np.ndarray]) -> None:
    rasterize = pytest.importorskip("core.training.rasterize", reason="the compiled rasterizer needs numba")
    vertices, triangles = solid
    plane = np.array([0.05, -1, 0.2, 110.0])
    compiled = rasterize.ray_distance_columns(vertices, triangles, plane, TEMPLATE_REACH).transpose(2, 0, 1)
    plain = ray_distance_volume(ray_intersections(vertices, triangles), plane, TEMPLATE_REACH)
    step = 2 * TEMPLATE_REACH / 255
    assert np.abs(compiled * step - TEMPLATE_REACH - plain).max() < step

    triangle, pixel, bary, _ = fragments(vertices, triangles)
    z = interpolate(vertices[:, 2], triangles, triangle, bary)
    index, front = z_buffer(pixel, z, z)
    _, back = z_buffer(pixel, -z, z)
    filled, _, near, far = rasterize.front_and_back(vertices.astype(np.float32), triangles, CROP_SIZE)
    assert ((index.reshape(CROP_SIZE, CROP_SIZE) >= 0) == (filled >= 0)).mean() > 0.9999
    assert np.abs(front.reshape(near.shape) - near)[filled >= 0].max() < 0.02
    assert np.abs(back.reshape(far.shape) - far)[filled >= 0].max() < 0.02
