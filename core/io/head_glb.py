"""Writes the animation-ready head as binary glTF 2.0: texture, materials by part, named morph targets."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..geometry.mesh import (
    DEGENERATE,
    corner_sum,
    lengths,
    perpendicular_part,
    shading_normals,
    triangle_normals,
)
from ..template.topology import SKIN, HeadTopology, triangle_corners
from ..wrapping.skeleton import BONES, Rig
from ..wrapping.visemes import VISEME_NAMES, compose_visemes
from .gltf import (
    CLAMPED_SAMPLER,
    NO_TARGET,
    QUANTIZATION,
    SPECULAR,
    GlbWriter,
    signed_bytes,
    to_gltf_frame,
)
from .hair_glb import add_hair, cards_primitive
from .head_npz import MATERIALS, PHOTO

if TYPE_CHECKING:
    from ..hair.groom import FacialHair, HairGroom
    from ..wrapping.head import Head

#: Roughness of the materials, the same as in Blender; the lashes' texture has holes.
ROUGHNESS = {"skin": 0.5, "eyes": 0.35, "mouth": 0.3, "lashes": 0.8, "cornea": 0.02, "tears": 0.05}
#: Materials that reflect nothing: the corneas before them do, and twice would make the pupils gray.
DULL = ("eyes",)
#: Clear materials and their indices of refraction. They are all but transparent, black where they are not,
#: and as readers multiply reflections by alpha, too, these are divided by it.
INDEX_OF_REFRACTION = {"cornea": 1.376, "tears": 1.336}
CLEAR_ALPHA = 0.06
REFRACTION = "KHR_materials_ior"
TRANSPARENT = "lashes"
#: The bone of BONES that the hair moves with.
HEAD_BONE = "head"
#: Offset of a morph target, meters, that is none: a hundredth of a pixel of a head that fills a screen.
MIN_OFFSET = 2e-5
#: Change of a normal, of its length, that is none: a quarter of a degree. Those that are some take a byte an
#: axis: less than half a degree is lost.
MIN_NORMAL_CHANGE = 0.0045
#: Length of a sum of tangents, square meters, that has no direction.
MIN_TANGENT = 1e-12
#: What a file says of materials, textures and pictures, bytes at most.
MATERIAL_BYTES = 4000
JPEG_MAGIC = b"\xff\xd8\xff"


@dataclass(frozen=True)
class GlbMaps:
    """The skin's other maps, as PNG or JPEG files.

    Attributes:
        normal: Of the relief, tangent space.
        packed: Occlusion in red, roughness in green, metal in blue.
    """

    normal: bytes
    packed: bytes


class GlbPictures(Protocol):
    """A texture and maps that are encoded when it is known how large the rest of the file is."""

    @property
    def with_maps(self) -> bool:
        """Whether there are maps."""

    def encode(self, others: int) -> tuple[bytes, GlbMaps | None]:
        """Encode texture and maps for a file that has so many other bytes, hair left out."""


@dataclass(frozen=True)
class MorphTargets:
    """A head's shapes as glTF has them: what each changes of the neutral head.

    Attributes:
        names: Of the K shapes: Apple's, Oculus' and, last, the photo's.
        normals: (V, 3) unit normals of the neutral head, head frame.
        offsets: (K, V, 3) float32, glTF frame, meters, 0 where a shape moves nothing that shows.
        turns: (K, V, 3) int8, the same of the normals, 127 for a change of 1.
        moving: (K, V) bool, where offsets are not 0.
        turning: (K, V) bool, where turns are not 0.
    """

    names: list[str]
    normals: np.ndarray
    offsets: np.ndarray
    turns: np.ndarray
    moving: np.ndarray
    turning: np.ndarray

    @classmethod
    def of(cls, head: "Head") -> "MorphTargets":
        """The 52 blendshapes, the 15 visemes and the expression as photographed."""
        topology = head.topology
        visemes = compose_visemes(head.blendshapes, topology.blendshape_names)
        photo = (head.vertices - head.neutral)[None]
        offsets = np.concatenate([head.blendshapes, visemes, photo]).astype(np.float32)
        offsets[lengths(offsets) < MIN_OFFSET] = 0
        normals = shading_normals(head.neutral, topology.triangles)
        moving = _nonzero(offsets)
        turns = _turned_normals(head.neutral, offsets, moving, normals, topology.triangles)
        names = [*topology.blendshape_names, *VISEME_NAMES, PHOTO]
        return cls(names, normals, to_gltf_frame(offsets), turns, moving, _nonzero(turns))


def _nonzero(vectors: np.ndarray) -> np.ndarray:
    """(K, V) bool: which of vectors (K, V, 3) are not 0."""
    x, y, z = (vectors[..., k] != 0 for k in range(3))
    return np.asarray(x | y | z)


def head_glb_bytes(
    head: "Head",
    texture: "bytes | GlbPictures | None",
    generator: str,
    name: str = "head_mesh",
    lash_texture: bytes | None = None,
    hair: "HairGroom | None" = None,
    maps: GlbMaps | None = None,
) -> bytes:
    """The head as a .glb file, in glTF's frame (y up, the face looks along +z), meters.

    The mesh is the neutral head; its morph targets are the 52 blendshapes under Apple's names, the 15 visemes
    under Oculus' and, last, "Photo", the expression as photographed. A head with a rig is a skinned mesh.

    Args:
        head: The head.
        texture: A PNG or JPEG file for the template's texture coordinates, or None; or texture and maps that
            are still to be encoded.
        generator: What the file says has made it.
        name: Of the node and the mesh; not that of a bone, of which three.js would make another.
        lash_texture: A PNG file with the lashes' colors and alpha, for the same coordinates; None if the
            texture has them.
        hair: What stands on it, as nodes of its own; it moves with the head's bone.
        maps: The skin's other maps, for the same coordinates, if the texture is a file.

    Returns:
        The file.
    """
    writer = GlbWriter()
    with_maps = maps is not None if texture is None or isinstance(texture, bytes) else texture.with_maps
    shapes = MorphTargets.of(head)
    primitives = [
        _primitive(writer, head, shapes, material, with_tangents=with_maps and material == SKIN)
        for material in MATERIALS
    ]
    document: dict[str, Any] = {
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name}],
        "meshes": [
            {
                "name": name,
                "primitives": primitives,
                "weights": [0.0] * len(shapes.names),
                "extras": {"targetNames": shapes.names},
            }
        ],
    }
    if head.rig:
        _add_skin(document, writer, head.rig)
    if texture is not None and not isinstance(texture, bytes):
        others = writer.size() + len(json.dumps(document)) + len(lash_texture or b"") + MATERIAL_BYTES
        texture, maps = texture.encode(others)
    _add_materials(document, writer, texture, lash_texture, maps)
    if hair is not None:
        _hang_hair(document, writer, hair, head.rig)
        for facial in hair.facial:
            _add_facial_hair(document, writer, facial, shapes, head.rig)
    return writer.finish(document, generator)


def _primitive(
    writer: GlbWriter, head: "Head", shapes: MorphTargets, material: str, with_tangents: bool
) -> dict[str, Any]:
    """The parts of a head that have one of MATERIALS; their arrays are added to the file."""
    topology = head.topology
    faces = topology.faces_of(*MATERIALS[material])
    triangles, vertices, uv, second_uv = textured_corners(topology, faces)
    points, normals = head.neutral[vertices], shapes.normals[vertices]
    attributes = {
        "POSITION": writer.add_array(to_gltf_frame(points.astype(np.float32)), bounds=True),
        "NORMAL": writer.add_array(to_gltf_frame(normals)),
        "TEXCOORD_0": writer.add_array((uv * (1, -1) + (0, 1)).astype(np.float32)),
        "TEXCOORD_1": writer.add_array((second_uv * (1, -1) + (0, 1)).astype(np.float32)),
        "_CONFIDENCE": writer.add_array(head.confidence[vertices].astype(np.float32)),
    }
    if with_tangents:
        attributes["TANGENT"] = writer.add_array(vertex_tangents(points, normals, uv, triangles))
    if head.rig:
        attributes |= {
            "JOINTS_0": writer.add_array(head.rig.joints[vertices]),
            "WEIGHTS_0": writer.add_array(head.rig.weights[vertices]),
        }
    moving, turning = (changed[:, vertices].any(1) for changed in (shapes.moving, shapes.turning))
    moved = _sparse_arrays(writer, lambda k: shapes.offsets[k].take(vertices, 0), moving, bounds=True)
    turned = _sparse_arrays(writer, lambda k: shapes.turns[k].take(vertices, 0), turning, normalized=True)
    targets = [
        {"POSITION": position, "NORMAL": normal} for position, normal in zip(moved, turned, strict=True)
    ]
    indices = writer.add_triangles(triangles, len(vertices))
    return {
        "attributes": attributes,
        "indices": indices,
        "material": list(MATERIALS).index(material),
        "targets": targets,
    }


def _sparse_arrays(
    writer: GlbWriter, changes: Callable[[int], np.ndarray], changed: np.ndarray, **about: bool
) -> Iterator[int]:
    """Accessors of what each of K shapes changes of a mesh, added one by one.

    Args:
        writer: Of the file's arrays.
        changes: (n, 3), of the mesh's vertices, by a shape's number.
        changed: (K,) bool, which shapes change anything: most change nothing of most meshes, and share one.
        about: See `GlbWriter.add_sparse_array`.
    """
    of_none: int | None = None
    for number, some in enumerate(changed):
        if some:
            yield writer.add_sparse_array(changes(number), **about)
            continue
        if of_none is None:
            of_none = writer.add_sparse_array(changes(number), **about)
        yield of_none


def _add_skin(document: dict[str, Any], writer: GlbWriter, rig: Rig) -> None:
    """Add the bones as nodes behind the mesh's, and the skin that binds it to them.

    The joints' frames are glTF's own: a bone at rest is a translation from its parent.
    """
    joints = to_gltf_frame(rig.heads.astype(np.float32))
    first = len(document["nodes"])
    for bone, (name, parent) in enumerate(zip(rig.names, rig.parents, strict=True)):
        above = joints[parent] if parent >= 0 else np.zeros(3, np.float32)
        node: dict[str, Any] = {"name": name, "translation": (joints[bone] - above).tolist()}
        children = [first + int(child) for child in np.flatnonzero(rig.parents == bone)]
        if children:
            node["children"] = children
        document["nodes"].append(node)
    inverse = np.tile(np.eye(4, dtype=np.float32).ravel(), (len(joints), 1))
    inverse[:, 12:15] = -joints  # columns come one after another
    document["skins"] = [
        {
            "joints": [first + bone for bone in range(len(joints))],
            "skeleton": first,
            "inverseBindMatrices": writer.add_array(inverse, NO_TARGET),
        }
    ]
    document["nodes"][0]["skin"] = 0
    document["scenes"][0]["nodes"].append(first)


def _hang_hair(document: dict[str, Any], writer: GlbWriter, hair: "HairGroom", rig: Rig | None) -> None:
    """Add the hair to the scene, or to the bone that turns the head."""
    if rig is None:
        document["scenes"][0]["nodes"] += add_hair(document, writer, hair, facial=False)
        return
    bone = BONES.index(HEAD_BONE)
    node = document["nodes"][document["skins"][0]["joints"][bone]]
    nodes = add_hair(document, writer, hair, to_gltf_frame(rig.heads[bone].astype(np.float32)), False)
    node["children"] = [*node.get("children", []), *nodes]


def _add_facial_hair(
    document: dict[str, Any], writer: GlbWriter, facial: "FacialHair", shapes: MorphTargets, rig: Rig | None
) -> None:
    """Add brows or beard as a node that has the head's morph targets and bones.

    Args:
        document: With the head; changed in place.
        writer: Of the file's arrays.
        facial: The hair.
        shapes: The head's morph targets.
        rig: Of the head.
    """

    def moved(number: int) -> np.ndarray:
        offsets = facial.moved(shapes.offsets[number])
        offsets[lengths(offsets) < MIN_OFFSET] = 0
        return offsets

    primitive = cards_primitive(document, writer, facial.cards)
    moving = shapes.moving[:, facial.bound_vertices].any((1, 2))
    primitive["targets"] = [
        {"POSITION": accessor} for accessor in _sparse_arrays(writer, moved, moving, bounds=True)
    ]
    head = document["meshes"][0]
    node: dict[str, Any] = {"mesh": len(document["meshes"]), "name": facial.name}
    document["meshes"].append(
        {
            "name": facial.name,
            "primitives": [primitive],
            "weights": head["weights"],
            "extras": head["extras"],
        }
    )
    if rig:
        nearest = facial.bound_barycentric.argmax(1)
        vertices = facial.bound_vertices[np.arange(len(nearest)), nearest]
        primitive["attributes"] |= {
            "JOINTS_0": writer.add_array(rig.joints[vertices]),
            "WEIGHTS_0": writer.add_array(rig.weights[vertices]),
        }
        node["skin"] = 0
    document["scenes"][0]["nodes"].append(len(document["nodes"]))
    document["nodes"].append(node)


def _turned_normals(
    neutral: np.ndarray, offsets: np.ndarray, moving: np.ndarray, normals: np.ndarray, triangles: np.ndarray
) -> np.ndarray:
    """What shapes change of a head's normals.

    Args:
        neutral: (V, 3) float32 of the head, meters.
        offsets: (K, V, 3) float32 of the shapes, meters.
        moving: (K, V) bool, where these are not 0.
        normals: (V, 3) float32 unit normals of the neutral head.
        triangles: (T, 3) int.

    Returns:
        (K, V, 3) int8, glTF frame, 127 for a change of 1.
    """
    corners = np.ascontiguousarray(triangles.T, np.intp)
    resting = triangle_normals(neutral, triangles)
    sums = corner_sum(resting, triangles, len(neutral))
    resting = np.ascontiguousarray(resting.T)
    turns = np.zeros((len(offsets), len(neutral), 3), np.int8)
    for offset, moved, turn in zip(offsets, moving, turns, strict=True):
        # Most shapes move a part of the face: normals change where a triangle has a corner that moves.
        one, two, three = (moved.take(corner) for corner in corners)
        some = np.flatnonzero(one | two | three)
        own = corners.take(some, 1)
        change = triangle_normals(neutral + offset, own.T).T - resting.take(some, 1)
        index = own.ravel()
        total = [np.bincount(index, np.tile(column, 3), len(neutral)) for column in change]
        changed = np.flatnonzero(np.bincount(index, minlength=len(neutral)))
        vectors = sums.take(changed, 0) + np.stack([column.take(changed) for column in total], 1)
        vectors /= np.maximum(lengths(vectors), DEGENERATE)[:, None]
        difference = vectors.astype(np.float32) - normals.take(changed, 0)
        difference[lengths(difference) < MIN_NORMAL_CHANGE] = 0
        turn[changed] = signed_bytes(to_gltf_frame(difference))
    return turns


def _add_materials(
    document: dict[str, Any],
    writer: GlbWriter,
    texture: bytes | None,
    lash_texture: bytes | None,
    maps: GlbMaps | None,
) -> None:
    """Add a material for each of MATERIALS, and the pictures that they show."""
    images = [("albedo", texture), ("lashes", lash_texture)]
    if maps is not None:
        images += [("normal", maps.normal), ("occlusion roughness metal", maps.packed)]
    named = [(name, data) for name, data in images if data is not None]
    index = {name: k for k, (name, _) in enumerate(named)}
    shown = {key: index.get("albedo") for key in MATERIALS}
    shown[TRANSPARENT] = index.get("lashes", shown[TRANSPARENT])
    shown |= dict.fromkeys(INDEX_OF_REFRACTION)
    document["materials"] = [_material(key, image) for key, image in shown.items()]
    document["extensionsUsed"] = [QUANTIZATION, REFRACTION, SPECULAR]
    document["extensionsRequired"] = [QUANTIZATION]
    if maps is not None:
        skin = document["materials"][list(MATERIALS).index(SKIN)]
        packed = {"index": index["occlusion roughness metal"]}
        skin["pbrMetallicRoughness"] |= {"metallicRoughnessTexture": packed, "roughnessFactor": 1.0}
        skin |= {"normalTexture": {"index": index["normal"]}, "occlusionTexture": packed}
    if named:
        document |= {
            "textures": [{"source": k, "sampler": 0} for k in range(len(named))],
            "samplers": [dict(CLAMPED_SAMPLER)],
            "images": [
                {"name": name, "mimeType": _mime_type(data), "bufferView": writer.add_file(data)}
                for name, data in named
            ],
        }


def _mime_type(data: bytes) -> str:
    return "image/jpeg" if data.startswith(JPEG_MAGIC) else "image/png"


def _material(key: str, texture: int | None) -> dict[str, Any]:
    shading: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS[key]}
    if texture is not None:
        shading["baseColorTexture"] = {"index": texture}
    else:
        shading["baseColorFactor"] = [0.6, 0.45, 0.38, 1.0]
    material: dict[str, Any] = {"name": key, "pbrMetallicRoughness": shading}
    if key in INDEX_OF_REFRACTION:
        shading["baseColorFactor"] = [0.0, 0.0, 0.0, CLEAR_ALPHA]
        material["alphaMode"] = "BLEND"
        material["extensions"] = {
            REFRACTION: {"ior": INDEX_OF_REFRACTION[key]},
            SPECULAR: {"specularColorFactor": [round(1 / CLEAR_ALPHA, 2)] * 3},
        }
    if key in DULL:
        material["extensions"] = {SPECULAR: {"specularFactor": 0.0}}
    if key == TRANSPARENT:
        material |= {"doubleSided": True, "alphaMode": "BLEND"}
    return material


def vertex_tangents(
    points: np.ndarray, normals: np.ndarray, uv: np.ndarray, triangles: np.ndarray
) -> np.ndarray:
    """Tangents for a normal map: along u, at right angles to the normals.

    Args:
        points: (n, 3) corners, head frame.
        normals: (n, 3) unit normals.
        uv: (n, 2) texture coordinates, v up.
        triangles: (t, 3) int into the corners.

    Returns:
        (n, 4) float32, glTF's frame: unit tangents, and the sign of the bitangent along v.
    """
    corners, corner_uv = points[triangles].astype(np.float64), uv[triangles].astype(np.float64)
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    first, second = corner_uv[:, 1] - corner_uv[:, 0], corner_uv[:, 2] - corner_uv[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    along = (one * second[:, 1:] - two * first[:, 1:]) * np.sign(area)[:, None]
    tangents, signs = np.zeros(points.shape), np.zeros(len(points))
    for corner in range(3):
        np.add.at(tangents, triangles[:, corner], along)
        np.add.at(signs, triangles[:, corner], area)
    tangents = perpendicular_part(tangents, normals)
    length = np.linalg.norm(tangents, axis=1, keepdims=True)
    fallback = np.cross(normals, np.array([0.0, 1.0, 0.3]))
    tangents = np.where(length > MIN_TANGENT, tangents, fallback)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    turned = to_gltf_frame(tangents.astype(np.float32))
    return np.column_stack([turned, np.where(signs < 0, -1, 1)]).astype(np.float32)


def textured_corners(
    topology: HeadTopology, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Split vertices where they have several texture coordinates: glTF has one a vertex.

    Args:
        topology: The head's.
        faces: (n,) int indices of quads.

    Returns:
        Triangles (2n, 3) of the quads into the corners, the corners' vertices (m,), and their texture
        coordinates (m, 2) in the first and in the second UV map, v up.
    """
    quads = topology.quads[faces]
    corner_keys = np.stack([quads, topology.quad_uv[faces], topology.second_quad_uv[faces]], -1)
    keys, index = np.unique(corner_keys.reshape(-1, 3).astype(np.int64), axis=0, return_inverse=True)
    local = index.reshape(-1, 4)
    corners = triangle_corners(local, quads, topology.triangles.reshape(-1, 2, 3)[faces])
    return corners, keys[:, 0], topology.uv[keys[:, 1]], topology.second_uv[keys[:, 2]]
