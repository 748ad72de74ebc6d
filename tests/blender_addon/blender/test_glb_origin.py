"""A file with another origin shows the same, moved: skins, what hangs on bones, and what has none."""

import json
import struct

import numpy as np
import pytest

from blender_addon.blender.glb_document import document_of
from blender_addon.blender.glb_origin import moved

POINTS = np.array([[0, 0, 0], [1, 2, 3], [-1, 0.5, 0]], "<f4")
#: A bone that is turned and stands elsewhere, column after column.
BONE = np.array([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0.1, -0.2, 0.3, 1]])
OFFSET = (0.02, 0.17, -0.05)


def glb(nodes, roots, skins=(), kind=5126):
    matrix = np.linalg.inv(BONE).astype("<f4")
    binary = POINTS.tobytes() + matrix.tobytes()
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": roots}],
        "nodes": nodes,
        "skins": list(skins),
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}, {"attributes": {"POSITION": 0}}]}],
        "accessors": [
            {"bufferView": 0, "componentType": kind, "count": 3, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5126, "count": 1, "type": "MAT4"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": POINTS.nbytes},
            {"buffer": 0, "byteOffset": POINTS.nbytes, "byteLength": matrix.nbytes},
        ],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body) + len(binary)) + body + binary


def arrays(data):
    binary = data[-(POINTS.nbytes + 64) :]
    points = np.frombuffer(binary, "<f4", 9).reshape(3, 3)
    return points, np.frombuffer(binary, "<f4", 16, POINTS.nbytes).reshape(4, 4).astype(float)


def test_skin_bones_and_what_hangs_on_them_move():
    bone = {"name": "root", "matrix": None, "translation": [0.1, -0.2, 0.3], "children": [2]}
    nodes = [{"mesh": 0, "skin": 0}, bone, {"mesh": 0, "skin": 0, "translation": [1.0, 0.0, 0.0]}]
    data = moved(glb(nodes, [0, 1], [{"joints": [1], "inverseBindMatrices": 1}]), OFFSET)
    document = document_of(data)
    points, inverse = arrays(data)
    assert np.allclose(points, POINTS + OFFSET), "once, though four parts have them"
    assert document["accessors"][0]["min"] == points.min(0).tolist()
    after = BONE.copy()
    after[3, :3] += OFFSET
    assert np.allclose(inverse @ after, np.eye(4), atol=1e-6)
    assert np.allclose(document["nodes"][1]["translation"], np.array([0.1, -0.2, 0.3]) + OFFSET)
    assert document["nodes"][2]["translation"] == [1.0, 0.0, 0.0]


def test_without_bones_vertices_move_and_what_stands_elsewhere_is_put_elsewhere():
    nodes = [{"mesh": 0}, {"mesh": 0, "translation": [0.0, 1.0, 0.0]}]
    only = moved(glb(nodes[:1], [0]), OFFSET)
    assert (
        np.allclose(arrays(only)[0], POINTS + OFFSET) and "translation" not in document_of(only)["nodes"][0]
    )
    put = moved(glb(nodes[1:], [0]), OFFSET)
    assert np.array_equal(arrays(put)[0], POINTS)
    assert np.allclose(document_of(put)["nodes"][0]["translation"], np.array([0, 1, 0]) + OFFSET)


def test_arrays_of_other_kinds_are_refused():
    with pytest.raises(ValueError, match="engine"):
        moved(glb([{"mesh": 0}], [0], kind=5123), OFFSET)
