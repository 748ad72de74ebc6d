import io
import json
import struct

import cv2
import numpy as np
import pytest
import trimesh

from core.geometry.mesh import shading_normals
from core.io.head_files import HeadPictures, lash_texture, texture_bytes
from core.io.head_glb import GlbMaps, head_glb_bytes
from core.io.head_npz import MATERIALS, head_npz_bytes
from core.io.image_bytes import jpeg_bytes, jpeg_files
from core.io.preview_glb import lash_window
from core.texture.surface_maps import SurfaceMaps
from core.wrapping.skeleton import BONES, RigModel
from core.wrapping.visemes import VISEME_NAMES
from tests.core.head_samples import MODELS, plain_head

TYPES = {5120: "i1", 5126: "<f4", 5125: "<u4", 5123: "<u2", 5121: "u1"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@pytest.fixture(scope="module")
def texture():
    rgba = np.zeros((32, 32, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 200, 255
    rgba[:4, :4, 3] = 0
    return rgba


@pytest.fixture(scope="module")
def glb(topology, texture):
    return head_glb_bytes(plain_head(topology), texture_bytes(texture), "test")


def parts_of(glb):
    """The document and the binary chunk; checks what glTF asks of the container."""
    magic, version, size = struct.unpack_from("<4sII", glb)
    assert (magic, version, size) == (b"glTF", 2, len(glb))
    length, kind = struct.unpack_from("<I4s", glb, 12)
    assert kind == b"JSON" and length % 4 == 0
    document = json.loads(glb[20 : 20 + length])
    binary, kind = struct.unpack_from("<I4s", glb, 20 + length)
    assert kind == b"BIN\0" and binary == document["buffers"][0]["byteLength"]
    return document, glb[28 + length :]


def values(document, data, index):
    """An accessor's array; integers that stand for -1 to 1 are turned back."""
    accessor = document["accessors"][index]
    array = accessor_values(document, data, accessor)
    if accessor.get("normalized"):
        assert array.dtype == np.int8
        return np.maximum(array.astype(np.float32) / 127, -1)
    return array


def accessor_values(document, data, accessor):
    if "bufferView" not in accessor:
        return sparse_values(document, data, accessor)
    view = document["bufferViews"][accessor["bufferView"]]
    assert view["byteOffset"] % 4 == 0
    kind, width = np.dtype(TYPES[accessor["componentType"]]), WIDTHS[accessor["type"]]
    row = view.get("byteStride", kind.itemsize * width)  # padded to four bytes
    assert row * accessor["count"] == view["byteLength"] and row - kind.itemsize * width in range(4)
    array = np.frombuffer(data, kind, view["byteLength"] // kind.itemsize, view["byteOffset"])
    array = array.reshape(accessor["count"], -1)[:, :width]
    if "min" in accessor:
        assert np.array_equal(array.min(0), np.float32(accessor["min"]))
        assert np.array_equal(array.max(0), np.float32(accessor["max"]))
    return array


def sparse_values(document, data, accessor):
    array = np.zeros((accessor["count"], WIDTHS[accessor["type"]]), TYPES[accessor["componentType"]])
    if "sparse" not in accessor:
        return array
    sparse, views = accessor["sparse"], document["bufferViews"]

    def read(part, kind):
        view = views[sparse[part]["bufferView"]]
        return np.frombuffer(data, kind, view["byteLength"] // np.dtype(kind).itemsize, view["byteOffset"])

    index = read("indices", TYPES[sparse["indices"]["componentType"]])
    assert len(index) == sparse["count"] > 0 and (np.diff(index.astype(int)) > 0).all()
    assert index[-1] < accessor["count"] and views[sparse["indices"]["bufferView"]].keys() == {
        "buffer", "byteOffset", "byteLength",
    }  # fmt: skip
    array[index] = read("values", array.dtype).reshape(len(index), -1)
    return array


def test_what_the_file_says_is_true(glb, topology):
    document, data = parts_of(glb)
    mesh = document["meshes"][0]
    names = mesh["extras"]["targetNames"]
    assert names == [*topology.blendshape_names, *VISEME_NAMES, "Photo"] and len(names) == 52 + 15 + 1
    assert [material["name"] for material in document["materials"]] == list(MATERIALS)
    triangles = 0
    for primitive in mesh["primitives"]:
        attributes = {k: values(document, data, v) for k, v in primitive["attributes"].items()}
        count = len(attributes["POSITION"])
        assert all(len(v) == count for v in attributes.values())
        assert np.allclose(np.linalg.norm(attributes["NORMAL"], axis=1), 1, atol=1e-4)
        assert (attributes["TEXCOORD_0"] >= 0).all() and (attributes["TEXCOORD_0"] <= 1).all()
        indices = values(document, data, primitive["indices"])
        assert set(np.unique(indices)) == set(range(count))
        triangles += len(indices) // 3
        assert len(primitive["targets"]) == len(names) == len(mesh["weights"])
        for target in primitive["targets"]:
            assert len(values(document, data, target["POSITION"])) == count
            assert len(values(document, data, target["NORMAL"])) == count
    assert triangles == 2 * len(topology.quads)
    for view in document["bufferViews"]:
        assert view["byteOffset"] + view["byteLength"] <= len(data)


def test_a_head_with_a_rig_is_skinned(topology):
    """The bones as glTF poses them: their matrices times the inverse bind matrices move no vertex at rest."""
    head = plain_head(topology).rigged(RigModel.load(MODELS))
    document, data = parts_of(head_glb_bytes(head, None, "test"))
    (skin,) = document["skins"]
    nodes = document["nodes"]
    assert [nodes[joint]["name"] for joint in skin["joints"]] == list(BONES)
    assert nodes[0]["skin"] == 0 and document["scenes"][0]["nodes"] == [0, skin["skeleton"]]
    inverse = values(document, data, skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)

    def world(node, above):
        matrix = np.eye(4)
        matrix[:3, 3] = nodes[node]["translation"]
        matrix = above @ matrix
        yield node, matrix
        for child in nodes[node].get("children", []):
            yield from world(child, matrix)

    places = dict(world(skin["skeleton"], np.eye(4)))
    assert sorted(places) == skin["joints"]
    for index, joint in enumerate(skin["joints"]):
        assert np.allclose(places[joint] @ inverse[index], np.eye(4), atol=1e-6)
        assert np.allclose(places[joint][:3, 3], head.rig.heads[index] @ TO_GLTF, atol=1e-6)
    for primitive in document["meshes"][0]["primitives"]:
        joints = values(document, data, primitive["attributes"]["JOINTS_0"])
        weights = values(document, data, primitive["attributes"]["WEIGHTS_0"])
        assert joints.max() < len(BONES) and np.allclose(weights.sum(1), 1, atol=1e-6)
        assert (joints[weights == 0] == 0).all()


def test_a_head_without_a_rig_has_no_skin(glb):
    document, _ = parts_of(glb)
    assert "skins" not in document and len(document["nodes"]) == 1
    assert not any("JOINTS_0" in primitive["attributes"] for primitive in document["meshes"][0]["primitives"])


def test_targets_are_the_blendshapes(glb, topology):
    """The skin's highest and lowest moves by jawOpen and the photo's smile are there, in glTF's axes."""
    document, data = parts_of(glb)
    primitive = document["meshes"][0]["primitives"][0]
    skin = np.unique(topology.quads[topology.faces_of(*MATERIALS["skin"])])
    for name, offsets in (
        ("jawOpen", topology.blendshapes[topology.blendshape_index("jawOpen")]),
        ("Photo", plain_head(topology).vertices - topology.vertices),
    ):
        index = document["meshes"][0]["extras"]["targetNames"].index(name)
        moved = values(document, data, primitive["targets"][index]["POSITION"])
        assert np.allclose(moved.min(0), (offsets[skin] @ TO_GLTF).min(0), atol=1e-6)
        assert np.allclose(moved.max(0), (offsets[skin] @ TO_GLTF).max(0), atol=1e-6)


@pytest.mark.parametrize("name", ["jawOpen", "eyeBlinkLeft", "mouthSmileRight", "Photo"])
def test_targets_bring_their_normals(glb, name):
    """At weight 1 the normals are those of the moved mesh, which the neutral's are up to 90 degrees off."""
    document, data = parts_of(glb)
    k = document["meshes"][0]["extras"]["targetNames"].index(name)
    # The skin, and the inside of the mouth and the eye sockets, which it goes on as.
    both = [document["meshes"][0]["primitives"][index] for index in (0, 2)]

    def joined(accessors):
        return np.concatenate([values(document, data, accessor) for accessor in accessors])

    points = joined([primitive["attributes"]["POSITION"] for primitive in both])
    offset = joined([primitive["targets"][k]["POSITION"] for primitive in both])
    before = joined([primitive["attributes"]["NORMAL"] for primitive in both])
    normals = before + joined([primitive["targets"][k]["NORMAL"] for primitive in both])
    count = document["accessors"][both[0]["attributes"]["POSITION"]]["count"]
    corners = [values(document, data, primitive["indices"]).astype(int) for primitive in both]
    corners = np.concatenate([corners[0], corners[1] + count])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    # Corners of one vertex, which a texture's seam has parted, are one vertex again.
    _, vertex = np.unique(points, axis=0, return_inverse=True)
    triangles = vertex.ravel()[corners.reshape(-1, 3)]
    first = np.unique(vertex, return_index=True)[1]
    wanted = shading_normals((points + offset)[first], triangles)[vertex.ravel()]
    angles = np.degrees(np.arccos(np.clip((normals * wanted).sum(1), -1, 1)))
    moved = np.linalg.norm(offset, axis=1) > 2e-4
    stale = np.degrees(np.arccos(np.clip((before * wanted).sum(1), -1, 1)))
    assert np.quantile(angles[moved], 0.9) < 0.5 and np.quantile(stale[moved], 0.9) > 5


#: Head frame to glTF's: y up, the face looks along +z.
TO_GLTF = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)


def test_an_independent_reader_finds_the_head(glb, topology, texture):
    scene = trimesh.load(io.BytesIO(glb), file_type="glb")
    assert len(scene.geometry) == len(MATERIALS)
    assert sum(len(mesh.faces) for mesh in scene.geometry.values()) == 2 * len(topology.quads)
    low, high = scene.bounds
    expected = topology.vertices @ TO_GLTF
    assert np.allclose([low, high], [expected.min(0), expected.max(0)], atol=1e-5)
    mesh = max(scene.geometry.values(), key=lambda m: len(m.faces))
    assert np.array_equal(np.asarray(mesh.visual.material.baseColorTexture.convert("RGBA")), texture)
    # The nose is at the front, and the faces look outward.
    nose = mesh.vertices[mesh.vertices[:, 2].argmax()]
    assert abs(nose[0]) < 0.005 and -0.06 < nose[1] < 0
    ahead = mesh.triangles_center[:, 2] > 0.0
    assert (mesh.face_normals[ahead][:, 2] > 0).mean() > 0.7


def test_without_texture_too(topology):
    document, _ = parts_of(head_glb_bytes(plain_head(topology), None, "test"))
    assert "images" not in document and "textures" not in document


def test_textures_keep_their_alpha(texture):
    read = cv2.imdecode(np.frombuffer(texture_bytes(texture), np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(cv2.cvtColor(read, cv2.COLOR_BGRA2RGBA), texture)


def test_head_npz_keeps_the_head(topology):
    head = plain_head(topology)
    with np.load(io.BytesIO(head_npz_bytes(head, {"photo": "a.jpg"}))) as data:
        assert np.array_equal(data["neutral"], head.neutral)
        assert np.array_equal(data["photo"], head.vertices)
        assert np.abs(data["units"].astype(np.float32) - head.blendshapes).max() < 2e-5
        assert json.loads(str(data["provenance"])) == {"photo": "a.jpg"}
        materials = [str(name) for name in data["material_names"]]
        assert materials == list(MATERIALS)
        lashes = data["face_part"] == list(data["part_names"]).index("lashes")
        assert (data["face_material"][lashes] == materials.index("lashes")).all()


def test_a_textured_glb_is_small_and_its_lashes_have_holes(topology):
    """The texture is a JPEG, the lashes' alpha a PNG beside it: four megabytes in all at 2048 texels."""
    side = 2048
    rgba = np.full((side, side, 4), 255, np.uint8)
    noise = np.random.default_rng(0).normal(128, 6, (side, side, 3))
    rgba[..., :3] = cv2.GaussianBlur(noise, (0, 0), 1.5)
    left, top, right, bottom = lash_window(topology, side)
    rgba[top:bottom:2, left:right, 3] = 0
    glb = head_glb_bytes(
        plain_head(topology).rigged(RigModel.load(MODELS)),
        jpeg_bytes(rgba[..., :3]),
        "test",
        lash_texture=lash_texture(rgba, topology),
    )
    assert len(glb) < 4_000_000
    document, data = parts_of(glb)
    assert [image["mimeType"] for image in document["images"]] == ["image/jpeg", "image/png"]
    shown = {
        material["name"]: material["pbrMetallicRoughness"]["baseColorTexture"]["index"]
        for material in document["materials"]
        if "baseColorTexture" in material["pbrMetallicRoughness"]
    }
    assert shown == {"skin": 0, "eyes": 0, "mouth": 0, "lashes": 1}
    # Corneas and tears are clear, and reflect as much as their refraction has it, in spite of that.
    for name, index in (("cornea", 1.376), ("tears", 1.336)):
        clear = next(material for material in document["materials"] if material["name"] == name)
        alpha = clear["pbrMetallicRoughness"]["baseColorFactor"][3]
        specular = clear["extensions"]["KHR_materials_specular"]["specularColorFactor"]
        assert clear["alphaMode"] == "BLEND" and alpha < 0.1
        assert specular == pytest.approx([1 / alpha] * 3, rel=1e-3)
        assert clear["extensions"]["KHR_materials_ior"]["ior"] == index
    # Behind the corneas nothing reflects light a second time.
    eyes = next(material for material in document["materials"] if material["name"] == "eyes")
    assert eyes["extensions"] == {"KHR_materials_specular": {"specularFactor": 0.0}}
    assert set(document["extensionsUsed"]) == {
        "KHR_mesh_quantization",
        "KHR_materials_ior",
        "KHR_materials_specular",
    }
    pictures = []
    for image in document["images"]:
        view = document["bufferViews"][image["bufferView"]]
        file = np.frombuffer(data, np.uint8, view["byteLength"], view["byteOffset"])
        pictures.append(cv2.imdecode(file, cv2.IMREAD_UNCHANGED))
    skin, lashes = pictures
    assert np.abs(skin[..., ::-1].astype(int) - rgba[..., :3]).mean() < 1
    window = (slice(top, bottom), slice(left, right))
    assert np.array_equal(cv2.cvtColor(lashes, cv2.COLOR_BGRA2RGBA)[window], rgba[window])


def noisy_maps(side, spread):
    """A texture and maps of skin so noisy that they take much space."""
    noise = np.random.default_rng(1).normal(128, spread, (side, side, 4)).clip(0, 255).astype(np.uint8)
    plain = np.full((side, side), 128, np.uint8)
    return noise, SurfaceMaps(noise[..., :3], noise[..., 3], plain, plain)


def test_a_head_of_noisy_skin_is_no_larger_than_four_megabytes(topology):
    pictures = HeadPictures(*noisy_maps(2048, 5))
    head = plain_head(topology).rigged(RigModel.load(MODELS))
    glb = head_glb_bytes(head, pictures, "test")
    assert 3_800_000 < len(glb) < 4_000_000
    assert glb == head_glb_bytes(head, pictures, "test")
    document, data = parts_of(glb)
    assert "TANGENT" in document["meshes"][0]["primitives"][0]["attributes"]
    sizes = []
    for image in document["images"]:
        view = document["bufferViews"][image["bufferView"]]
        file = np.frombuffer(data, np.uint8, view["byteLength"], view["byteOffset"])
        sizes.append(len(cv2.imdecode(file, cv2.IMREAD_COLOR)))
    assert sizes == [2048, 1024, 1024]


@pytest.mark.parametrize("spread", [20, 60])
def test_pictures_keep_to_the_space_that_is_there(spread):
    image, _ = noisy_maps(512, spread)
    pictures = [(image[..., :3], 92), (image[:256, :256, :3], 82)]
    full = [jpeg_bytes(*picture) for picture in pictures]
    assert jpeg_files(pictures, 10**9) == full
    wanted = int(0.7 * sum(map(len, full)))
    files = jpeg_files(pictures, wanted)
    assert 0.9 * wanted < sum(map(len, files)) <= wanted
    # However little space there is, there is a picture.
    assert jpeg_files(pictures, -5) == [jpeg_bytes(image, quality - 24) for image, quality in pictures]


def test_maps_belong_to_the_skin_and_have_tangents(topology):
    picture = np.full((64, 64, 3), 128, np.uint8)
    jpeg = jpeg_bytes(picture)
    glb = head_glb_bytes(plain_head(topology), jpeg, "test", maps=GlbMaps(jpeg, jpeg))
    document, data = parts_of(glb)
    skin, *others = document["materials"]
    assert skin["occlusionTexture"] == skin["pbrMetallicRoughness"]["metallicRoughnessTexture"]
    assert skin["pbrMetallicRoughness"]["roughnessFactor"] == 1
    names = [document["images"][document["textures"][k]["source"]]["name"] for k in range(3)]
    assert names[skin["normalTexture"]["index"]] == "normal"
    assert not any("normalTexture" in material for material in others)
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    tangents = values(document, data, attributes["TANGENT"])
    normals = values(document, data, attributes["NORMAL"])
    np.testing.assert_allclose(np.linalg.norm(tangents[:, :3], axis=1), 1, atol=1e-5)
    assert np.abs((tangents[:, :3] * normals).sum(1)).max() < 1e-3
    # In the middle of the face u grows to the subject's left, which is +x, and v upward.
    points = values(document, data, attributes["POSITION"])
    middle = (
        (np.abs(points[:, 0]) < 0.02) & (points[:, 1] > 0.02) & (points[:, 1] < 0.06) & (points[:, 2] > 0)
    )
    assert (tangents[middle, 0] > 0.9).all() and (tangents[:, 3] == 1).all()
