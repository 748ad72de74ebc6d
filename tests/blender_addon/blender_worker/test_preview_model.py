"""The light models that the batch's page shows: what is in them, and that Blender makes them."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blender_addon.blender_worker.preview_glb import Part, Picture, write_glb
from blender_addon.blender_worker.preview_model import head_model, lash_window, surface_model, vertex_normals
from blender_addon.heads.head_npz import read_head
from blender_addon.heads.ply import SurfaceMesh
from blender_addon.mesh.decimation import decimated

SCRIPT = Path(__file__).with_name("inside_page_model.py")
#: Components of glTF as numpy's, and how many a type has.
COMPONENTS = {5120: np.int8, 5121: np.uint8, 5123: np.uint16, 5125: np.uint32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """The average head, with a smile."""
    from core.io.head_npz import head_npz_bytes
    from core.template.topology import HeadTopology
    from tests.core.head_samples import MODELS, plain_head

    path = tmp_path_factory.mktemp("head") / "head.npz"
    topology = HeadTopology.load(MODELS)
    path.write_bytes(head_npz_bytes(plain_head(topology), topology, {"photo": "a.jpg"}))
    return read_head(path)


class Glb:
    """A GLB, read as the standard says."""

    def __init__(self, data):
        magic, version, length, size = struct.unpack_from("<4sIII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data)) and size % 4 == 0
        self.document = json.loads(data[20 : 20 + size])
        (rest,) = struct.unpack_from("<I", data, 20 + size)
        self.binary = data[28 + size :]
        assert len(self.binary) == rest == self.document["buffers"][0]["byteLength"]
        (self.mesh,) = self.document["meshes"]

    def values(self, index):
        accessor = self.document["accessors"][index]
        view = self.document["bufferViews"][accessor["bufferView"]]
        kind, width = np.dtype(COMPONENTS[accessor["componentType"]]), WIDTHS[accessor["type"]]
        row = view.get("byteStride", kind.itemsize * width)
        assert view["byteOffset"] % 4 == 0 and row % kind.itemsize == 0
        assert "byteStride" not in view or row % 4 == 0
        found = np.ndarray(
            (accessor["count"], width), kind, self.binary, view["byteOffset"], (row, kind.itemsize)
        )
        return found / np.iinfo(kind).max if accessor.get("normalized") else found

    def positions(self, primitive):
        node = self.document["nodes"][0]
        stored = self.values(primitive["attributes"]["POSITION"])
        return stored * node["scale"][0] + node["translation"]

    def triangles(self, primitive):
        return self.values(primitive["indices"]).reshape(-1, 3)


def sphere(count=4000):
    """(N, 3) points of a sphere and its triangles: the convex hull of a spiral."""
    from scipy.spatial import ConvexHull

    k = np.arange(count) + 0.5
    polar, around = np.arccos(1 - 2 * k / count), np.pi * (1 + 5**0.5) * k
    points = np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], 1)
    hull = ConvexHull(points)
    a, b, c = (points[hull.simplices[:, i]] for i in range(3))
    outward = np.einsum("ij,ij->i", np.cross(b - a, c - a), a + b + c) > 0
    triangles = np.where(outward[:, None], hull.simplices, hull.simplices[:, ::-1])
    return points, triangles


@settings(max_examples=30)
@given(st.floats(1e-3, 10), st.floats(-5, 5), st.integers(0, 2**32 - 1))
def test_quantised_points_are_where_they_were(size, shift, seed):
    draw = np.random.default_rng(seed)
    points = draw.normal(size=(50, 3)) * size + shift
    triangles = draw.permutation(50)[:48].reshape(-1, 3)
    uv, colors = draw.random((50, 2)), draw.random((50, 3))
    normals = vertex_normals(points, triangles)
    glb = Glb(write_glb([Part(points, normals, triangles, uv, colors)]))
    (primitive,) = glb.mesh["primitives"]
    step = np.ptp(points, axis=0).max() / 65535
    assert np.abs(glb.positions(primitive) - points).max() <= 0.51 * step + 1e-12
    assert np.array_equal(glb.triangles(primitive), triangles)
    assert np.abs(glb.values(primitive["attributes"]["NORMAL"]) - normals).max() < 0.005
    assert np.abs(glb.values(primitive["attributes"]["TEXCOORD_0"]) - uv).max() < 1e-5
    assert np.abs(glb.values(primitive["attributes"]["COLOR_0"]) - colors).max() < 1e-5


def test_normals_of_a_sphere_point_outward():
    points, triangles = sphere()
    assert np.abs(vertex_normals(points, triangles) - points).max() < 0.05


def test_a_head_keeps_its_shape_as_photographed(head):
    texture, lashes = Picture(b"\xff\xd8 jpeg", "image/jpeg"), Picture(b"png!", "image/png")
    left, top, right, bottom = lash_window(head, 1024)
    data = head_model(head, texture, lashes, (left / 1024, top / 1024, right / 1024, bottom / 1024))
    glb = Glb(data)
    assert len(data) < 250_000
    wanted = head.photo[:, [0, 2, 1]] * (1, 1, -1)
    found = np.concatenate([glb.positions(primitive) for primitive in glb.mesh["primitives"]])
    used = np.unique(head.quads)
    nearest = np.array([np.abs(found - wanted[v]).max(1).min() for v in used[::25]])
    assert nearest.max() < 1e-5
    assert sum(len(glb.triangles(p)) for p in glb.mesh["primitives"]) == 2 * len(head.quads)
    assert [image["mimeType"] for image in glb.document["images"]] == ["image/jpeg", "image/png"]
    for primitive in glb.mesh["primitives"]:
        uv = glb.values(primitive["attributes"]["TEXCOORD_0"])
        assert uv.min() >= 0 and uv.max() <= 1
    lash = glb.document["materials"][head.material_names.index("lashes")]
    assert lash["alphaMode"] == "BLEND"
    assert lash["pbrMetallicRoughness"]["baseColorTexture"] == {"index": 1}
    # The face looks along +z: its front is where the nose is.
    skin = glb.positions(glb.mesh["primitives"][0])
    assert np.abs(skin[skin[:, 2].argmax(), 0]) < 0.01


def test_lashes_find_their_texels_in_their_window(head):
    side = 512
    left, top, right, bottom = lash_window(head, side)
    faces = head.face_material == head.material_names.index("lashes")
    texels = head.uv[head.quad_uv[faces]].reshape(-1, 2) * (side, -side) + (0, side)
    assert (texels >= (left, top)).all() and (texels <= (right, bottom)).all()
    assert (right - left) * (bottom - top) < 0.1 * side**2


def test_colours_of_a_surface_are_in_linear_light():
    points, triangles = sphere(200)
    colors = np.tile(np.array([[0, 128, 255]], np.uint8), (200, 1))
    glb = Glb(surface_model(SurfaceMesh(points.astype(np.float32), triangles.astype(np.int32), colors, None)))
    (primitive,) = glb.mesh["primitives"]
    linear = glb.values(primitive["attributes"]["COLOR_0"])
    assert np.allclose(linear, (0.0, 0.21586, 1.0), atol=1e-4)
    assert glb.document["extensionsRequired"] == ["KHR_mesh_quantization"]


@settings(max_examples=20)
@given(st.integers(300, 6000), st.booleans(), st.floats(0.01, 10))
def test_a_decimated_surface_is_where_it_was(triangles, uneven, radius):
    points, faces = sphere()
    colors = np.where(points[:, :1] > 0, [[200, 0, 0]], [[0, 0, 200]]).astype(np.uint8)
    confidence = (points[:, 1] < 0).astype(np.float32) if uneven else None
    surface = SurfaceMesh((points * radius).astype(np.float32), faces.astype(np.int32), colors, confidence)
    small = decimated(surface, triangles)
    assert 0.8 * triangles < len(small.faces) < 1.15 * triangles
    assert small.faces.min() >= 0 and small.faces.max() < len(small.vertices)
    a, b, c = (small.vertices[small.faces[:, k]].astype(float) for k in range(3))
    assert len(np.unique(np.sort(small.faces, 1), axis=0)) == len(small.faces)
    # Where it was, and facing outward, but for what is squeezed between cells.
    size = radius * np.sqrt(8 * np.pi / triangles) * (3 if uneven else 1)
    lengths = np.linalg.norm(small.vertices, axis=1)
    assert (lengths > np.sqrt(max(radius**2 - size**2, 0)) - 1e-4 * radius).all()
    across = np.cross(b - a, c - a)
    outward = np.einsum("ij,ij->i", across, a + b + c) > 0
    assert np.linalg.norm(across[~outward], axis=1).sum() < 0.03 * np.linalg.norm(across, axis=1).sum()
    sure = np.abs(small.vertices[:, 0]) > 2 * size
    assert np.array_equal(small.colors[sure, 0] == 200, small.vertices[sure, 0] > 0)
    if uneven:
        assert (small.confidence == 1).sum() > 3 * (small.confidence == 0).sum()


def test_a_surface_that_is_small_stays_as_it_is():
    points, faces = sphere(100)
    surface = SurfaceMesh(points.astype(np.float32), faces.astype(np.int32), None, None)
    assert decimated(surface, len(faces)) is surface


def check(run_in_blender, name, folder):
    done = run_in_blender(SCRIPT, "--check", name, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{name} passed" in done.stdout


@pytest.mark.slow
def test_blender_makes_a_head(run_in_blender, tmp_path):
    from core.io.head_files import texture_bytes
    from core.io.head_npz import head_npz_bytes
    from core.template.topology import HeadTopology
    from tests.core.head_samples import MODELS, plain_head

    topology = HeadTopology.load(MODELS)
    (tmp_path / "head.npz").write_bytes(head_npz_bytes(plain_head(topology), topology, {}))
    texture = np.full((256, 256, 4), 255, np.uint8)
    texture[..., :3] = (200, 120, 80)
    texture[::2, ::2, 3] = 0  # the colours there count all the same
    (tmp_path / "albedo.png").write_bytes(texture_bytes(texture))
    check(run_in_blender, "head", tmp_path)


@pytest.mark.slow
def test_blender_makes_a_surface(run_in_blender, tmp_path):
    points, triangles = sphere(20_000)
    vertices = (points * 0.1).astype("<f4")
    colors = np.where(points[:, :1] > 0, [[200, 0, 0]], [[0, 0, 200]]).astype(np.uint8)
    seen = np.clip(-points[:, 1], 0, 1).astype("<f4")  # from the front, where -y is
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\nproperty float confidence\n"
        f"element face {len(triangles)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = np.zeros(len(points), [("p", "<f4", 3), ("c", "u1", 3), ("s", "<f4")])
    rows["p"], rows["c"], rows["s"] = vertices, colors, seen
    faces = np.zeros(len(triangles), [("n", "u1"), ("v", "<i4", 3)])
    faces["n"], faces["v"] = 3, triangles
    (tmp_path / "surface.ply").write_bytes(header.encode() + rows.tobytes() + faces.tobytes())
    check(run_in_blender, "surface", tmp_path)


@pytest.mark.slow
def test_what_cannot_be_shown_is_refused(run_in_blender, tmp_path):
    check(run_in_blender, "refused", tmp_path)
