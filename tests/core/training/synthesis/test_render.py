"""The compiled normals of the renderer are those of the mesh module."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.geometry.mesh import vertex_normals
from core.training.synthesis import render

SIDE = 6


@given(st.integers(0, 2**32 - 1))
def test_compiled_normals_equal_those_of_the_mesh_module(seed):
    """On the graph of a random function over a grid."""
    x, y = np.meshgrid(np.arange(SIDE) * 0.01, np.arange(SIDE) * 0.01)
    z = np.random.default_rng(seed).uniform(-0.02, 0.02, x.size)
    vertices = np.stack([x.ravel(), y.ravel(), z], 1).astype(np.float32)
    corner = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    near, far = (corner, corner + 1, corner + SIDE), (corner + 1, corner + SIDE + 1, corner + SIDE)
    triangles = np.concatenate([np.stack(near, 1), np.stack(far, 1)]).astype(np.int32)
    compiled = render.compiled_vertex_normals(vertices, triangles)
    np.testing.assert_allclose(compiled, vertex_normals(vertices, triangles), atol=1e-4)
