"""FBX files cleaned of times, hashes, paths and noise: on files put together here, without Blender."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.blender.fbx_file import MAGIC, FbxNode, _serialized, cleaned, parse

FOOTER = b"\xfa" * 16 + bytes(4) + bytes(7) + b"VVVV" + bytes(120) + b"\xf8" * 16


def text(value):
    return ("S", struct.pack("<I", len(value)) + value)


def number(value):
    return ("L", struct.pack("<q", value))


def scene(mesh_id, texture_id, folder, year):
    """A file with a mesh and a texture."""
    stamp = FbxNode(b"CreationTimeStamp", [], [FbxNode(b"Year", [("I", struct.pack("<i", year))])], True)
    saved = FbxNode(b"P", [text(b"LastSaved|DateTime_GMT"), text(b"DateTime"), text(b"%d" % year)])
    objects = [
        FbxNode(b"Geometry", [number(mesh_id), text(b"head\x00\x01Geometry"), text(b"Mesh")]),
        FbxNode(
            b"Texture",
            [number(texture_id)],
            [
                FbxNode(b"FileName", [text(folder + b"/albedo.png")]),
                FbxNode(b"RelativeFilename", [text(b"..\\x\\albedo.png")]),
                FbxNode(b"P", [text(b"Path"), text(b"KString"), text(folder + b"/albedo.png")]),
            ],
            True,
        ),
    ]
    links = [FbxNode(b"C", [text(b"OP"), number(texture_id), number(mesh_id), text(b"DiffuseColor")])]
    links.append(FbxNode(b"C", [text(b"OO"), number(mesh_id), number(0)]))
    return [
        FbxNode(b"FBXHeaderExtension", [], [stamp, saved], True),
        FbxNode(b"Objects", [], objects, True),
        FbxNode(b"Connections", [], links, True),
    ]


@pytest.mark.parametrize("version", [7400, 7700])
@given(ids=st.lists(st.integers(1, 2**63 - 1), min_size=2, max_size=2, unique=True))
def test_only_what_is_in_the_scene_counts(version, ids):
    first = cleaned(_serialized(version, scene(11, 12, b"/home/ann", 2024), FOOTER))
    other = cleaned(_serialized(version, scene(*ids, b"C:\\Users\\Bob", 2031), FOOTER))
    assert first == other and b"ann" not in first and b"Bob" not in other
    _, nodes, footer = parse(first)
    assert footer.endswith(b"\xf8" * 16) and len(first) % 16 == (4 + 120 + 16) % 16
    mesh, texture = nodes[1].children
    assert [node.values[0][1] for node in nodes[1].children] == [mesh.values[0][1], texture.values[0][1]]
    link, root = nodes[2].children
    assert link.values[1:3] == [texture.values[0], mesh.values[0]] and root.values[2] == number(0)
    assert [node.values[-1] for node in texture.children] == [text(b"albedo.png")] * 3


def test_what_is_cleaned_stays_as_it_is():
    once = cleaned(_serialized(7400, scene(5, 6, b"/x", 2000), FOOTER))
    assert cleaned(once) == once


def array(code, values, dtype):
    data = zlib.compress(np.asarray(values).astype(dtype).tobytes())
    return [(code, struct.pack("<III", np.size(values), 1, len(data)) + data)]


def mesh_file(vertices, quads, normals):
    """A file with one mesh; `normals` are those of the corners."""
    corners = quads.copy()
    corners[:, -1] = -1 - corners[:, -1]
    children = [
        FbxNode(b"Vertices", array("d", vertices, "<f8")),
        FbxNode(b"PolygonVertexIndex", array("i", corners, "<i4")),
        FbxNode(b"LayerElementNormal", [], [FbxNode(b"Normals", array("d", normals, "<f8"))], True),
    ]
    geometry = FbxNode(b"Geometry", [number(7), text(b"head\x00\x01Geometry"), text(b"Mesh")], children, True)
    return _serialized(7400, [FbxNode(b"Objects", [], [geometry], True)], FOOTER)


def normals_of(data):
    _, nodes, _ = parse(data)
    (node,) = [node for node in nodes[0].walk() if node.name == b"Normals"]
    return np.frombuffer(zlib.decompress(node.values[0][1][12:])).reshape(-1, 3)


def ball(rows=12, columns=16):
    """Vertices of a band around a sphere, and its quads, whose normals point outward."""
    height, turn = np.meshgrid(
        np.linspace(-1, 1, rows), np.arange(columns) * 2 * np.pi / columns, indexing="ij"
    )
    points = np.stack([np.cos(height) * np.cos(turn), np.cos(height) * np.sin(turn), np.sin(height)], -1)
    row, column = (
        part.ravel() for part in np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    )
    right = (column + 1) % columns
    quads = np.stack([row * columns + column, row * columns + right, (row + 1) * columns + right], 1)
    return points.reshape(-1, 3), np.column_stack([quads, (row + 1) * columns + column]).astype(np.int32)


def vertex_normals(vertices, quads):
    """The faces' normals weighted by their angles, one corner after the other."""
    sums = np.zeros_like(vertices)
    for quad in quads:
        a, b, c, d = vertices[quad]
        face = np.cross(c - a, d - b)
        for here, after, before in zip(quad, np.roll(quad, -1), np.roll(quad, 1), strict=True):
            one, two = vertices[after] - vertices[here], vertices[before] - vertices[here]
            angle = np.arccos(one @ two / np.linalg.norm(one) / np.linalg.norm(two))
            sums[here] += face / np.linalg.norm(face) * angle
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def test_the_noise_of_threads_in_normals_is_gone():
    """What Blender 3.4 writes differs in the last digits of floats from run to run."""
    vertices, quads = ball()
    summed = vertex_normals(vertices, quads)[quads.ravel()]
    once = cleaned(mesh_file(vertices, quads, summed))
    assert np.abs(normals_of(once) - summed).max() < 1e-6
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 2e-7, summed.shape)
        assert cleaned(mesh_file(vertices, quads, (summed + noise).astype(np.float32))) == once


def test_normals_of_sharp_edges_stay():
    vertices, quads = ball()
    flat = np.repeat(np.eye(3)[np.arange(len(quads)) % 3], 4, axis=0)
    assert (normals_of(cleaned(mesh_file(vertices, quads, flat))) == flat).all()


def test_damaged_files_are_refused():
    good = _serialized(7400, scene(5, 6, b"/x", 2000), FOOTER)
    for bad in (b"", b"; FBX 7.4.0 project file", MAGIC, good[:60], good[:27] + b"\xff" * 40):
        with pytest.raises(ValueError, match=r"no binary FBX|damaged"):
            cleaned(bad)
