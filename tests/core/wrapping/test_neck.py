import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.geometry.mesh import triangle_normals
from core.template.topology import SKIN
from core.wrapping.neck import NeckRing

#: How far rings go up and down in the samples, meters.
HEIGHT = 0.012


@pytest.fixture(scope="module")
def neck(topology):
    return NeckRing(topology)


def tilted(topology, seed):
    """A head whose neck ends in waves, as shoulders and collars make it."""
    rng = np.random.default_rng(seed)
    vertices = topology.vertices.astype(np.float64)
    turn = np.arctan2(vertices[:, 1] - 0.11, vertices[:, 0])
    wave = sum(rng.uniform(-1, 1) * np.cos(k * turn + rng.uniform(0, 6)) for k in (1, 2, 3)) / 3
    low = np.clip((-0.12 - vertices[:, 2]) / 0.05, 0, 1) * (vertices[:, 1] > -0.02)
    vertices[:, 2] += HEIGHT * wave * low
    return vertices


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_neck_ends_in_a_level_ring_evenly_spaced_without_folds(topology, neck, seed):
    before = tilted(topology, seed)
    after = neck.level(before, np.zeros(len(before)))
    ring = after[topology.neck]
    assert np.ptp(ring[:, 2]) < 1e-9 < np.ptp(before[topology.neck, 2])
    edges = np.linalg.norm(np.roll(ring, -1, 0) - ring, axis=1)
    assert edges.max() < 1.02 * edges.min()
    # It is one closed curve: it turns once around, always the same way.
    side = ring[:, :2] - ring[:, :2].mean(0)
    ahead = np.roll(side, -1, 0)
    turns = side[:, 0] * ahead[:, 1] - side[:, 1] * ahead[:, 0]
    assert (turns > 0).all() or (turns < 0).all()
    faces = topology.faces_of(SKIN)
    skin = topology.triangles[np.concatenate([2 * faces, 2 * faces + 1])]
    facing = (triangle_normals(after, skin) * triangle_normals(before, skin)).sum(1)
    assert (facing > 0).all()
    moved = np.linalg.norm(after - before, axis=1) > 0
    assert after[moved, 2].max() < -0.08, "the head stays as it is"


def test_what_the_photo_shows_of_the_neck_stays(topology, neck):
    before = tilted(topology, 1)
    throat = (before[:, 1] < 0.09) & (before[:, 2] > -0.155)
    held = neck.level(before, throat.astype(float))
    free = neck.level(before, np.zeros(len(before)))
    moved = np.linalg.norm(free - before, axis=1)[throat].max()
    assert np.linalg.norm(held - before, axis=1)[throat].max() < 0.3 * moved
    assert np.ptp(held[topology.neck, 2]) < 1e-9
