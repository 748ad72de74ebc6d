"""FBX files cleaned of times, hashes and paths: on files put together here, without Blender."""

import struct

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


def test_damaged_files_are_refused():
    good = _serialized(7400, scene(5, 6, b"/x", 2000), FOOTER)
    for bad in (b"", b"; FBX 7.4.0 project file", MAGIC, good[:60], good[:27] + b"\xff" * 40):
        with pytest.raises(ValueError, match=r"no binary FBX|damaged"):
            cleaned(bad)
