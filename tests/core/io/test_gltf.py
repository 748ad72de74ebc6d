"""Arrays in GLB files, read as the standard says."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.hair.groom import FacialHair, HairCards, HairGroom, HairStrands
from core.io.gltf import (
    COMPONENTS,
    ELEMENT_ARRAY_BUFFER,
    GlbWriter,
    signed_bytes,
    to_gltf_frame,
    unsigned_shorts,
)
from core.io.hair_glb import hair_glb_bytes

WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
TYPES = {number: np.dtype(name) for name, number in COMPONENTS.items()}


def read(glb):
    """All arrays of a file."""
    magic, version, size, length, kind = struct.unpack_from("<4sIII4s", glb)
    assert (magic, version, size, kind) == (b"glTF", 2, len(glb), b"JSON")
    document = json.loads(glb[20 : 20 + length])
    binary = glb[28 + length :]
    assert len(binary) == document["buffers"][0]["byteLength"] and len(binary) % 4 == 0

    def rows(view, dtype, width, count):
        view = document["bufferViews"][view]
        row = view.get("byteStride", dtype.itemsize * width)
        assert (
            view["byteOffset"] % 4 == 0 and view["byteLength"] >= row * (count - 1) + dtype.itemsize * width
        )
        return np.ndarray((count, width), dtype, binary, view["byteOffset"], (row, dtype.itemsize))

    for accessor in document["accessors"]:
        dtype, width = TYPES[accessor["componentType"]], WIDTHS[accessor["type"]]
        found = np.zeros((accessor["count"], width), dtype)
        if "bufferView" in accessor:
            found = rows(accessor["bufferView"], dtype, width, accessor["count"])
        if sparse := accessor.get("sparse"):
            kind = TYPES[sparse["indices"]["componentType"]]
            index = rows(sparse["indices"]["bufferView"], kind, 1, sparse["count"])[:, 0]
            found[index] = rows(sparse["values"]["bufferView"], dtype, width, sparse["count"])
        yield found


@given(
    count=st.integers(1, 30),
    width=st.sampled_from([1, 2, 3, 4]),
    name=st.sampled_from(sorted(COMPONENTS)),
    zero=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_arrays_are_found_again(count, width, name, zero, seed):
    draw = np.random.default_rng(seed)
    values = (draw.normal(size=(count, width)) * 50).astype(np.float32)
    values = values if name == "float32" else np.abs(values).astype(name)
    values[draw.random(count) < zero] = 0
    indices = draw.integers(0, count, 7).astype(np.uint16)
    writer = GlbWriter()
    shaped = values[:, 0] if width == 1 else values
    assert writer.add_array(shaped) == 0
    assert writer.add_sparse_array(shaped) == 1
    assert writer.add_array(indices, ELEMENT_ARRAY_BUFFER) == 2
    dense, sparse, found = read(writer.finish({}, "test"))
    np.testing.assert_array_equal(dense, values)
    np.testing.assert_array_equal(sparse, values)
    np.testing.assert_array_equal(found[:, 0], indices)


@pytest.mark.parametrize(("vertices", "kind"), [(65_535, "uint16"), (65_536, "uint32")])
def test_indices_are_no_wider_than_they_have_to_be(vertices, kind):
    triangles = np.array([[0, 1, vertices - 1]])
    writer = GlbWriter()
    writer.add_triangles(triangles, vertices)
    (found,) = read(writer.finish({}, "test"))
    assert found.dtype == kind
    np.testing.assert_array_equal(found[:, 0], triangles[0])


def test_cards_of_many_vertices_keep_their_triangles():
    """`HairSettings` may ask for more cards than indices of two bytes reach."""
    rows = 35_000
    count = 2 * rows
    along = np.linspace(0, 1, rows, dtype=np.float32).repeat(2)
    edge = np.tile([0.0, 1.0], rows).astype(np.float32)
    vertices = np.column_stack([edge, 0 * along, 1 - along])
    triangles = (2 * np.arange(rows - 1)[:, None] + [0, 1, 2]).astype(np.int32)
    normals = np.tile(np.float32([0, -1, 0]), (count, 1))
    colors, none = np.zeros((count, 3), np.uint8), np.zeros(1, np.uint8)
    uv, card = np.column_stack([edge, 1 - along]), np.zeros(count, np.int32)
    cards = HairCards(vertices, triangles, normals, uv, colors, card, along, none, none)
    nowhere = np.zeros((1, 2, 3), np.float32)
    strands = HairStrands(nowhere, card[:3][None], nowhere[:, 0], uv[:1], colors[None, :2])
    brows = FacialHair("brows", cards, strands, triangles, normals, 0.01)
    glb = hair_glb_bytes(HairGroom(None, None, None, None, None, 0.0, facial=(brows,)), "test")
    indices = next(found for found in read(glb) if found.dtype == np.uint32)
    np.testing.assert_array_equal(indices[:, 0], triangles.ravel())


def test_integers_stand_for_fractions():
    np.testing.assert_array_equal(
        unsigned_shorts(np.array([-0.1, 0, 0.5, 1, 2])), [0, 0, 32768, 65535, 65535]
    )
    np.testing.assert_array_equal(signed_bytes(np.array([-2, -1, 0, 0.5, 1])), [-127, -127, 0, 64, 127])


@pytest.mark.parametrize(
    ("head", "gltf"), [((0, -1, 0), (0, 0, 1)), ((0, 0, 1), (0, 1, 0)), ((1, 0, 0), (1, 0, 0))]
)
def test_axes(head, gltf):
    """Forward, up and the subject's left."""
    np.testing.assert_array_equal(to_gltf_frame(np.array(head, np.float32)), gltf)


def test_sparse_arrays_that_are_alike_are_written_once():
    values = np.zeros((9, 3), np.float32)
    values[4] = 1.25
    writer = GlbWriter()
    assert writer.add_sparse_array(values) == writer.add_sparse_array(values) == 0
    size = writer.size()
    # The same rows with other values: the indices are there already.
    assert writer.add_sparse_array(2 * values) == 1
    assert writer.add_array(values[4:5]) == 2 and writer.add_array(values[4:5]) == 3
    assert len(writer.finish({}, "test")) > writer.size() > size
    first, second, *dense = read(writer.finish({}, "test"))
    np.testing.assert_array_equal(first, values)
    np.testing.assert_array_equal(second, 2 * values)
    np.testing.assert_array_equal(dense, [values[4:5]] * 2)
    assert len(writer._views) == 5


@given(st.floats(-1000, 1000, width=32, allow_nan=False))
def test_extents_are_short_and_exact(number):
    writer = GlbWriter()
    writer.add_array(np.array([number], np.float32), bounds=True)
    (low,) = writer._accessors[0]["min"]
    assert np.float32(low) == np.float32(number) and low == float(str(np.float32(number)))
