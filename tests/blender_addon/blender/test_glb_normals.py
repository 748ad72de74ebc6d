"""Normals of binary glTF files come out the same whatever the order was that threads added them up in."""

import json
import struct

import numpy as np
import pytest

from blender_addon.blender.glb_file import accessor_values, glb_chunks
from blender_addon.blender.glb_normals import with_stable_normals

SIDE = 12


def glb(positions, normals, triangles):
    """A file as Blender writes it, of one mesh of two materials."""
    halves = np.array_split(triangles.astype("<u2"), 2)
    arrays = [positions.astype("<f4"), normals.astype("<f4"), *halves]
    views, binary = [], b""
    for array in arrays:
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": array.nbytes})
        binary += array.tobytes() + b"\0" * (-array.nbytes % 4)
    kinds = [(5126, "VEC3"), (5126, "VEC3"), (5123, "SCALAR"), (5123, "SCALAR")]
    counts = [len(positions), len(normals), *(half.size for half in halves)]
    accessors = [
        {"bufferView": k, "componentType": kind, "type": shape, "count": count}
        for k, ((kind, shape), count) in enumerate(zip(kinds, counts, strict=True))
    ]
    primitives = [{"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": k} for k in (2, 3)]
    document = {"bufferViews": views, "accessors": accessors, "meshes": [{"primitives": primitives}]}
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    chunks += struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks


def normals_of(data):
    document, binary = glb_chunks(data)
    return accessor_values(document, binary, document["accessors"][1])


@pytest.fixture
def bumpy():
    """A grid of quads that are not flat, and all normals of its vertices as angle-weighted means."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    positions = np.stack([x, y, rng.normal(0, 0.3, x.shape)], -1).reshape(-1, 3).astype(np.float32)
    a = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    quads = np.stack([a, a + 1, a + SIDE + 1, a + SIDE], 1)
    triangles = quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3).copy()
    points = positions.astype(float)[quads]
    faces = np.cross(points[:, 2] - points[:, 0], points[:, 3] - points[:, 1])
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    normals = np.zeros((len(positions), 3))
    for k in range(4):
        ahead, back = points[:, (k + 1) % 4] - points[:, k], points[:, k - 1] - points[:, k]
        cosine = (ahead * back).sum(1) / np.linalg.norm(ahead, axis=1) / np.linalg.norm(back, axis=1)
        np.add.at(normals, quads[:, k], faces * np.arccos(cosine)[:, None])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    # Every third vertex stands twice, as where texture coordinates differ.
    twice = np.arange(0, len(positions), 3)
    other = np.arange(len(positions))
    other[twice] = len(positions) + np.arange(len(twice))
    of_quads = triangles.reshape(-1, 2, 3)
    of_quads[::5] = other[of_quads[::5]]
    used, triangles = np.unique(triangles, return_inverse=True)
    positions, normals = (np.concatenate([one, one[twice]])[used] for one in (positions, normals))
    return positions, normals, triangles.reshape(-1, 3)


def test_noise_of_threads_is_gone(bumpy):
    positions, normals, triangles = bumpy
    clean = with_stable_normals(glb(positions, normals, triangles))
    assert np.abs(normals_of(clean) - normals).max() < 2e-6
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(0, 1e-7, normals.shape)
        noisy = glb(positions, normals + noise, triangles)
        assert noisy != glb(positions, normals, triangles) and with_stable_normals(noisy) == clean


def test_normals_of_flat_faces_are_only_rounded(bumpy):
    positions, _, triangles = bumpy
    positions, triangles = positions[triangles.ravel()], np.arange(triangles.size).reshape(-1, 3)
    normals = np.repeat([[0.0, 0.6, 0.8]], len(positions), 0)
    assert np.abs(normals_of(with_stable_normals(glb(positions, normals, triangles))) - normals).max() < 1e-6


@pytest.mark.parametrize("data", [b"", b"glTF", bytes(64)])
def test_what_is_no_such_file_is_told(data):
    with pytest.raises(ValueError):
        with_stable_normals(data)


def test_a_damaged_file_is_told(bumpy):
    data = glb(*bumpy)
    with pytest.raises(ValueError, match="damaged"):
        with_stable_normals(data.replace(b'"POSITION": 0', b'"POSITION": 9'))
