"""The small models that the batch's page shows."""

import base64
import io
import json
import re
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.geometry.mesh import shading_normals
from core.io.head_npz import MATERIALS
from core.io.preview_glb import (
    EncodedImage,
    PreviewPrimitive,
    block_means,
    decimated_surface,
    head_preview,
    head_preview_glb,
    lash_window,
    preview_glb,
    surface_preview,
    surface_preview_glb,
)
from core.surface.isosurface import Surface
from core.template.topology import CLEAR
from core.texture.eyes import EyeColors
from core.texture.painter import Albedo
from tests.core.head_samples import plain_head

#: Components of glTF as numpy's, and how many a type has.
COMPONENTS = {5120: np.int8, 5121: np.uint8, 5123: np.uint16, 5125: np.uint32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}


@pytest.fixture(scope="module")
def head(topology):
    """The average head, with a smile."""
    return plain_head(topology)


def glb_of(script):
    """view.js -> what is in its GLB."""
    data = json.loads(re.fullmatch(r"photobustView\((.*)\);\n", script.decode("ascii")).group(1))
    assert data["version"] == 1
    return Glb(base64.b64decode(data["model"]))


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

    def images(self):
        """MIME type -> picture."""
        for image in self.document.get("images", []):
            view = self.document["bufferViews"][image["bufferView"]]
            data = self.binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
            yield image["mimeType"], Image.open(io.BytesIO(data))


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
def test_quantized_points_are_where_they_were(size, shift, seed):
    draw = np.random.default_rng(seed)
    points = draw.normal(size=(50, 3)) * size + shift
    triangles = draw.permutation(50)[:48].reshape(-1, 3)
    uv, colors = draw.random((50, 2)), draw.random((50, 3))
    normals = shading_normals(points, triangles)
    glb = Glb(preview_glb([PreviewPrimitive(points, normals, triangles, uv, colors)], (), "test"))
    (primitive,) = glb.mesh["primitives"]
    step = np.ptp(points, axis=0).max() / 65535
    assert np.abs(glb.positions(primitive) - points).max() <= 0.51 * step + 1e-12
    assert np.array_equal(glb.triangles(primitive), triangles)
    assert np.abs(glb.values(primitive["attributes"]["NORMAL"]) - normals).max() < 0.005
    assert np.abs(glb.values(primitive["attributes"]["TEXCOORD_0"]) - uv).max() < 1e-5
    assert np.abs(glb.values(primitive["attributes"]["COLOR_0"]) - colors).max() < 1e-5


def test_a_head_keeps_its_shape_as_photographed(head, topology):
    texture, lashes = EncodedImage(b"\xff\xd8 jpeg", "image/jpeg"), EncodedImage(b"png!", "image/png")
    window = np.array(lash_window(topology, 1024)) / 1024
    data = head_preview_glb(head.vertices, topology, "test", texture, lashes, window)
    glb = Glb(data)
    assert len(data) < 250_000
    wanted = head.vertices[:, [0, 2, 1]] * (1, 1, -1)
    found = np.concatenate([glb.positions(primitive) for primitive in glb.mesh["primitives"]])
    shown = ~np.isin(topology.face_part, [topology.part_names.index(name) for name in CLEAR])
    used = np.unique(topology.quads[shown])
    nearest = np.array([np.abs(found - wanted[v]).max(1).min() for v in used[::25]])
    assert nearest.max() < 1e-5
    assert sum(len(glb.triangles(p)) for p in glb.mesh["primitives"]) == 2 * shown.sum()
    assert [image["mimeType"] for image in glb.document["images"]] == ["image/jpeg", "image/png"]
    for primitive in glb.mesh["primitives"]:
        uv = glb.values(primitive["attributes"]["TEXCOORD_0"])
        assert uv.min() >= 0 and uv.max() <= 1
    lash = glb.document["materials"][list(MATERIALS).index("lashes")]
    assert lash["alphaMode"] == "BLEND"
    assert lash["pbrMetallicRoughness"]["baseColorTexture"] == {"index": 1}
    # The face looks along +z: its front is where the nose is.
    skin = glb.positions(glb.mesh["primitives"][0])
    assert np.abs(skin[skin[:, 2].argmax(), 0]) < 0.01


def test_a_head_with_its_texture_and_without(head, topology):
    texture = np.full((256, 256, 4), 255, np.uint8)
    texture[..., :3] = (200, 120, 80)
    texture[::2, ::2, 3] = 0  # the colors there count all the same
    none = np.zeros(3)
    albedo = Albedo(texture, texture[..., 0], {}, EyeColors(none, none, False))
    script = head_preview(head, albedo, "test")
    assert len(script) < 400_000
    glb = glb_of(script)
    assert len(glb.mesh["primitives"]) == 4
    images = dict(glb.images())
    assert sorted(images) == ["image/jpeg", "image/png"]
    assert images["image/jpeg"].size == (256, 256)
    assert np.abs(np.asarray(images["image/jpeg"], int) - (200, 120, 80)).max() < 6
    left, top, right, bottom = lash_window(topology, 256)
    assert np.array_equal(np.asarray(images["image/png"]), texture[top:bottom, left:right])
    bare = glb_of(head_preview(head, None, "test"))
    # The lashes need alpha.
    assert "images" not in bare.document and len(bare.mesh["primitives"]) == 3


@given(st.integers(1, 90), st.integers(1, 90))
def test_a_texture_is_reduced_by_means_of_blocks(size, side):
    image = np.random.default_rng(size).integers(0, 256, (size, size, 3)).astype(np.uint8)
    small = block_means(image, side)
    step = max(size // side, 1)
    count = size // step
    blocks = image[: count * step, : count * step].reshape(count, step, count, step, 3)
    assert small.shape == (count, count, 3)
    assert np.abs(small - blocks.mean((1, 3))).max() <= 0.51


def test_lashes_find_their_texels_in_their_window(topology):
    side = 512
    left, top, right, bottom = lash_window(topology, side)
    faces = topology.faces_of(*MATERIALS["lashes"])
    texels = topology.uv[topology.quad_uv[faces]].reshape(-1, 2) * (side, -side) + (0, side)
    assert (texels >= (left, top)).all() and (texels <= (right, bottom)).all()
    assert (right - left) * (bottom - top) < 0.1 * side**2


def surface_of(points, triangles, colors=None, confidence=None):
    ones = np.ones(len(points), np.float32)
    gray = np.full((len(points), 3), 128, np.uint8)
    return Surface(
        points.astype(np.float32),
        triangles.astype(np.int32),
        gray if colors is None else colors,
        ones if confidence is None else confidence.astype(np.float32),
    )


def test_colors_of_a_surface_are_in_linear_light():
    points, triangles = sphere(200)
    colors = np.tile(np.array([[0, 128, 255]], np.uint8), (200, 1))
    glb = Glb(surface_preview_glb(surface_of(points, triangles, colors), "test"))
    (primitive,) = glb.mesh["primitives"]
    linear = glb.values(primitive["attributes"]["COLOR_0"])
    assert np.allclose(linear, (0.0, 0.21586, 1.0), atol=1e-4)
    assert glb.document["extensionsRequired"] == ["KHR_mesh_quantization"]


def test_a_surface_is_reduced_most_where_the_photo_saw_nothing():
    points, triangles = sphere(20_000)
    colors = np.where(points[:, :1] > 0, [[200, 0, 0]], [[0, 0, 200]]).astype(np.uint8)
    seen = np.clip(-points[:, 1], 0, 1)  # from the front, where -y is
    glb = glb_of(surface_preview(surface_of(points * 0.1, triangles, colors, seen), "test", 4000))
    (primitive,) = glb.mesh["primitives"]
    assert 3600 < len(glb.triangles(primitive)) < 4400
    found = glb.positions(primitive)
    assert np.allclose(found.min(0), -0.1, atol=0.005) and np.allclose(found.max(0), 0.1, atol=0.005)
    # The sphere is red on one side and blue on the other, and stays so.
    red = glb.values(primitive["attributes"]["COLOR_0"])[:, 0] > 0.3
    clear = np.abs(found[:, 0]) > 0.02
    assert np.array_equal(red[clear], found[clear, 0] > 0)
    assert (found[:, 2] > 0).sum() > 1.5 * (found[:, 2] < 0).sum()


@settings(max_examples=20)
@example(318, False, 1.0)
@given(st.integers(300, 6000), st.booleans(), st.floats(0.01, 10))
def test_a_decimated_surface_is_where_it_was(triangles, uneven, radius):
    points, faces = sphere()
    colors = np.where(points[:, :1] > 0, [[200, 0, 0]], [[0, 0, 200]]).astype(np.uint8)
    confidence = (points[:, 1] < 0).astype(np.float32) if uneven else None
    small = decimated_surface(surface_of(points * radius, faces, colors, confidence), triangles)
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
    unmixed = np.abs(small.vertices[:, 0]) > 2 * size
    assert np.array_equal(small.colors[unmixed, 0] == 200, small.vertices[unmixed, 0] > 0)
    if uneven:
        assert (small.confidence == 1).sum() > 3 * (small.confidence == 0).sum()


def test_a_surface_that_is_small_stays_as_it_is():
    points, faces = sphere(100)
    surface = surface_of(points, faces)
    assert decimated_surface(surface, len(faces)) is surface
