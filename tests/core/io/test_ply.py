"""PLY files, as the add-on's reader and another one find them."""

import io

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.heads.ply import read_ply
from core.io.ply import ply_bytes


@given(count=st.integers(3, 40), faces=st.integers(1, 60), seed=st.integers(0, 1000))
def test_the_add_on_reads_what_the_engine_writes(tmp_path_factory, count, faces, seed):
    draw = np.random.default_rng(seed)
    vertices = draw.normal(size=(count, 3)).astype(np.float32)
    triangles = draw.permuted(np.tile(np.arange(count), (faces, 1)), axis=1)[:, :3]
    confidence = draw.random(count).astype(np.float32)
    colors = draw.integers(0, 256, (count, 3)).astype(np.uint8)
    path = tmp_path_factory.getbasetemp() / "a.ply"
    path.write_bytes(ply_bytes(vertices, triangles, confidence, colors))
    read = read_ply(path)
    np.testing.assert_array_equal(read.vertices, vertices)
    np.testing.assert_array_equal(read.faces, triangles)
    np.testing.assert_array_equal(read.colors, colors)
    np.testing.assert_array_equal(read.confidence, confidence)


@pytest.mark.parametrize("corners", [3, 4])
def test_another_reader_finds_triangles_and_quads(corners):
    box = trimesh.creation.box()
    faces = np.array([[0, 1, 3, 2], [4, 6, 7, 5]])[:, :corners]
    data = ply_bytes(box.vertices, faces, np.linspace(0, 1, 8))
    mesh = trimesh.load(io.BytesIO(data), file_type="ply", process=False)
    np.testing.assert_allclose(mesh.vertices, box.vertices)
    assert len(mesh.faces) == len(faces) * (corners - 2)
    confidence = mesh.metadata["_ply_raw"]["vertex"]["data"]["confidence"]
    np.testing.assert_allclose(np.ravel(confidence), np.linspace(0, 1, 8), atol=1e-6)
