"""Vertices of coarse levels go where their surface is closest to the fine one."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.geometry.closest_point import ClosestPointQuery
from core.training.face_models.template.lod_stencils import Samples, fit_stencils, surface_samples

SIDE = 17
#: Every so manyth vertex stays.
STEP = 4
RADIUS = 0.1


@pytest.fixture(scope="module")
def dome():
    """A grid of quads on a sphere: 16 x 16, of which a level keeps 4 x 4."""
    angle = np.linspace(-0.8, 0.8, SIDE)
    x, y = np.meshgrid(np.tan(angle), np.tan(angle), indexing="ij")
    points = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)
    vertices = RADIUS * points / np.linalg.norm(points, axis=1, keepdims=True)
    index = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 4)
    triangles = quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    return SimpleNamespace(
        vertices=vertices,
        quads=quads,
        triangles=triangles,
        face_part=np.zeros(len(quads), int),
        part_names=("skin",),
    )


@pytest.fixture(scope="module")
def level(dome):
    """Corners of the level's triangles, as corners of the dome's quads."""
    kept = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)[::STEP, ::STEP]
    a, b, c, d = (one.ravel() for one in (kept[:-1, :-1], kept[1:, :-1], kept[1:, 1:], kept[:-1, 1:]))
    triangles = np.stack([a, b, c, a, c, d], 1).reshape(-1, 3)
    first = {vertex: corner for corner, vertex in reversed(list(enumerate(dome.quads.ravel().tolist())))}
    return np.vectorize(first.get)(triangles)


def distance(dome, corners, move, shape):
    """Mean distance, meters, of a shape's vertices from the level's surface."""
    kept, triangles = np.unique(dome.quads.ravel()[corners], return_inverse=True)
    vertices = shape[kept] + move(shape, kept)
    query = ClosestPointQuery(vertices, triangles.reshape(-1, 3), np.ones(len(vertices)))
    return query.distance(shape).mean()


def test_chords_go_to_both_sides_of_an_arc(dome, level):
    ends, part = surface_samples(dome)
    shapes = [dome.vertices, dome.vertices * [1.1, 1, 1], dome.vertices * [1, 0.9, 1.1]]
    samples = Samples(ends, part, np.ones((len(shapes), len(ends))))
    stencil, weights = fit_stencils(dome, level, np.zeros(len(level), int), shapes, samples)

    def move(shape, kept):
        return np.einsum("kn,knc->kc", weights, shape[stencil] - shape[kept, None])

    others = [*shapes, dome.vertices * [1.05, 0.95, 1.0]]  # a shape that it was not fitted to
    for shape in others:
        before = distance(dome, level, lambda shape, kept: 0.0, shape)
        assert distance(dome, level, move, shape) < 0.6 * before
    # Vertices of the rim are moved by others of the rim alone.
    kept = np.unique(dome.quads.ravel()[level])
    rim = np.isin(kept, np.concatenate([np.arange(SIDE), SIDE * (SIDE - 1) + np.arange(SIDE)]))
    of_rim = stencil[rim][np.abs(weights[rim]) > 0]
    grid = np.stack(np.unravel_index(of_rim, (SIDE, SIDE)))
    assert ((grid == 0) | (grid == SIDE - 1)).any(0).all()
