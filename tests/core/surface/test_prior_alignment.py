"""A volume keeps its details and loses where it moves whole regions of the prior."""

import numpy as np

from core.surface.prior_alignment import aligned_to_prior
from core.surface.prior_mesh import PriorMesh


def ball(radius, bumps=0.0):
    """(200, 192, 192) occupancy of a ball in the middle, with waves of 7 voxels on its front."""
    z, y, x = np.indices((200, 192, 192), np.float32)
    distance = np.sqrt((x - 95.5) ** 2 + (y - 95.5) ** 2 + (z - 99.5) ** 2)
    waves = bumps * np.sin(x * 2 * np.pi / 7) * (z > 100)
    return 1 / (1 + np.exp(np.clip(distance - radius - waves, -30, 30)))


def front(volume):
    """(40, 40) z at which the middle columns meet the surface."""
    columns = volume[100:, 76:116, 76:116]
    return 100 + (columns > 0.5).sum(0) + _fraction(columns)


def _fraction(columns):
    last = (columns > 0.5).sum(0) - 1
    rows, cols = np.indices(last.shape)
    inner, outer = columns[last, rows, cols], columns[last + 1, rows, cols]
    return (inner - 0.5) / (inner - outer) - 1


def test_a_larger_ball_becomes_as_large_as_the_prior_with_its_waves():
    import trimesh

    sphere = trimesh.creation.icosphere(4, 50.0)
    points = np.asarray(sphere.vertices) + np.array([95.5, 95.5, 99.5])
    triangles = np.asarray(sphere.faces, np.int32)[:, ::-1]
    prior = PriorMesh(points, np.ascontiguousarray(triangles), np.array([0.0, 0, 0, 1]))
    wanted = front(ball(50.0))
    larger = ball(53.0, bumps=0.5)
    assert np.abs(front(larger) - wanted).mean() > 2.5
    aligned = front(aligned_to_prior(larger.astype(np.float32), prior))
    rest = aligned - wanted
    assert abs(rest.mean()) < 0.4, "the prior's size"
    assert rest.std() > 0.15, "the volume's waves"
