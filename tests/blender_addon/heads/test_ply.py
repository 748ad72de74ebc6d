import struct

import numpy as np
import pytest

from blender_addon.errors import SurfaceFileError
from blender_addon.heads.ply import read_ply

HEADER = (
    "ply\nformat binary_little_endian 1.0\ncomment made for a test\nelement vertex {n}\n"
    "property float x\nproperty float y\nproperty float z\n{more}element face {m}\n"
    "property list uchar {corner} vertex_indices\nend_header\n"
)
COLORS = "property uchar red\nproperty uchar green\nproperty uchar blue\n"
POINTS = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1.5)]
FACES = [(0, 2, 1), (0, 1, 3)]


def ply(tmp_path, more="", extra=lambda k: b"", corner="int", faces=FACES, header=HEADER):
    data = header.format(n=len(POINTS), m=len(faces), more=more, corner=corner).encode()
    data += b"".join(struct.pack("<3f", *p) + extra(k) for k, p in enumerate(POINTS))
    code = {"int": "i", "uint": "I", "ushort": "H"}[corner]
    data += b"".join(struct.pack(f"<B{len(f)}{code}", len(f), *f) for f in faces)
    path = tmp_path / "surface.ply"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("corner", ["int", "uint", "ushort"])
def test_geometry(tmp_path, corner):
    mesh = read_ply(ply(tmp_path, corner=corner))
    assert mesh.vertices.dtype == np.float32
    assert mesh.vertices.tolist() == [list(p) for p in POINTS]
    assert mesh.faces.dtype == np.int32
    assert mesh.faces.tolist() == [list(f) for f in FACES]
    assert mesh.colors is None
    assert mesh.confidence is None


def test_colors_and_confidence_in_any_order_among_other_properties(tmp_path):
    more = "property double quality\nproperty float confidence\n" + COLORS + "property uchar alpha\n"
    path = ply(tmp_path, more, lambda k: struct.pack("<df4B", 9.0, k / 4, k, 100 + k, 200 + k, 255))
    mesh = read_ply(path)
    assert mesh.colors.tolist() == [[k, 100 + k, 200 + k] for k in range(4)]
    assert mesh.confidence.tolist() == [0, 0.25, 0.5, 0.75]
    assert mesh.vertices.tolist() == [list(p) for p in POINTS]


def test_reads_what_trimesh_writes(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    ball = trimesh.creation.icosphere(2, 0.1)
    ball.visual.vertex_colors = np.arange(len(ball.vertices) * 4).reshape(-1, 4) % 256
    path = tmp_path / "ball.ply"
    path.write_bytes(trimesh.exchange.ply.export_ply(ball))
    mesh = read_ply(path)
    np.testing.assert_allclose(mesh.vertices, ball.vertices, atol=1e-7)
    assert (mesh.faces == ball.faces).all()
    assert (mesh.colors == np.asarray(ball.visual.vertex_colors)[:, :3]).all()


def test_every_way_to_cut_a_file_short_is_told(tmp_path):
    whole = ply(tmp_path).read_bytes()
    path = tmp_path / "cut.ply"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(SurfaceFileError, match=r"cut\.ply.*Reconstruct the photo again"):
            read_ply(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"faces": [(0, 1, 4)]}, "corners that do not exist"),
        ({"faces": [(0, 1, -1)]}, "corners that do not exist"),
        ({"faces": [(0, 1, 2, 3)]}, "not made of triangles"),
        ({"header": HEADER.replace("binary_little_endian", "ascii")}, "not binary little-endian"),
        ({"header": HEADER.replace("float z", "half z")}, "half"),
        ({"header": HEADER.replace("element face", "element edge")}, "other elements"),
    ],
)
def test_other_kinds_of_files_are_told(tmp_path, change, words):
    with pytest.raises(SurfaceFileError, match=words):
        read_ply(ply(tmp_path, **change))


def test_missing_file_is_told(tmp_path):
    with pytest.raises(SurfaceFileError, match="cannot be read: No such file"):
        read_ply(tmp_path / "none.ply")
