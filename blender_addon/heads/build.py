"""head.npz and albedo.png -> the animation-ready head as an object. Needs bpy."""

import os
import zlib
from pathlib import Path

import bpy
import numpy as np

from ..blender import compat
from ..blender.images import is_painted, pack
from ..errors import HeadFileError
from .armature import build_armature
from .checked_pictures import check_picture
from .head_materials import ALL_MAP_NODES, build_materials
from .head_npz import HeadData

#: The shape key that has the photo's expression.
PHOTO_SHAPE = "Photo"
#: Custom property of an image that was loaded from a result: `_packed_sum` of its file.
PACKED_SUM = "photobust_packed"
#: The layer of texture coordinates where the file names none.
UV_LAYER = "UVMap"
#: The attribute that has each vertex' confidence, 0..1.
CONFIDENCE = "confidence"
#: The attribute that has each vertex' distance from the surface, meters.
DEVIATION = "deviation"
#: The vertex group of all landmarks' vertices.
LANDMARK_GROUP = "landmarks"
#: The modifier that smooths the head in Blender: retopology and exports leave it out.
SUBDIVISION = "Photobust Subdivision"
#: Its levels in the 3D view and in renders.
VIEWPORT_LEVEL = 1
RENDER_LEVEL = 2
#: Parts whose edges stay: they are so coarse that smoothing would shrink them.
UNSMOOTHED_PARTS = ("teeth_upper", "teeth_lower")
#: What the names of all custom properties begin with.
PREFIX = "photobust_"


def build_head(
    data: HeadData, albedo: str | os.PathLike | None, collection: bpy.types.Collection, name: str
) -> bpy.types.Object:
    """Build the head as an object: 1 unit is 1 m, z up, the face looks along -y.

    Its shape keys are "Basis", the neutral, "Photo", the expression as photographed, which is switched on,
    Apple's 52 and the visemes. If there are bones, an armature is its parent (`armature.rig_of`). Custom
    properties that begin with "photobust_" say what it was made of; photobust_landmarks and photobust_ibug68
    are the landmarks' vertices.

    Args:
        data: The head, as `read_head` gives it.
        albedo: Its texture's file, which is packed, and beside which its other maps may lie; None for none.
        collection: Where the object goes.
        name: The object's, and the beginning of its mesh's, materials' and image's.

    Returns:
        The object.

    Raises:
        HeadFileError: The texture cannot be read.
    """
    mesh = _mesh(data, name)
    image = None if albedo is None else load_image(albedo, f"{name} albedo")
    maps = {} if albedo is None else _load_maps(Path(albedo).parent, name)
    for material in build_materials(data.material_names, image, name, maps):
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", data.face_material.astype(np.int32))
    head = bpy.data.objects.new(name, mesh)
    collection.objects.link(head)
    _add_shapes(head, data)
    _add_groups(head, data)
    for key, value in _provenance(data).items():
        head[PREFIX + key] = value
    if data.rig is not None:
        build_armature(head, data, data.rig, collection)
    _add_subdivision(head)
    return head


def _load_maps(folder: Path, name: str) -> dict[str, bpy.types.Image]:
    """The maps that a folder has, by ALL_MAP_NODES' names."""
    maps = {}
    for kind in ALL_MAP_NODES:
        path = folder / f"{kind}.png"
        if path.is_file():
            maps[kind] = load_image(path, f"{name} {kind}")
            maps[kind].colorspace_settings.name = "Non-Color"
    return maps


def load_image(path: str | os.PathLike, name: str) -> bpy.types.Image:
    """A PNG of a result, which may come from anybody, packed into the .blend. Raises HeadFileError."""
    check_picture(Path(path))
    try:
        image = bpy.data.images.load(str(Path(path).absolute()))
    except RuntimeError as error:
        raise HeadFileError(f"The texture {path} cannot be read. Reconstruct the photo again.") from error
    image.name = name
    # The alpha is the lashes' alone: it must not darken colors beside it.
    image.alpha_mode = "CHANNEL_PACKED"
    pack(image, Path(path).name)
    image[PACKED_SUM] = _packed_sum(image)
    return image


def is_as_loaded(image: bpy.types.Image) -> bool:
    """Whether an image is one of `load_image` and shows its file: nobody has painted on it, saved or not."""
    if image.packed_file is None or is_painted(image):
        return False
    return image.get(PACKED_SUM) == _packed_sum(image)


def _packed_sum(image: bpy.types.Image) -> str:
    """Length and checksum of an image's packed file."""
    data = image.packed_file.data
    return f"{len(data)} {zlib.crc32(data):08x}"


def _mesh(data: HeadData, name: str) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(data.neutral.tolist(), [], data.quads.tolist())
    second = data.second_uv
    layers = [(second.first_name if second else UV_LAYER, data.uv[data.quad_uv])]
    if second:
        layers.append((second.name, second.uv[second.quad_uv]))
    for layer_name, coordinates in layers:
        layer = mesh.uv_layers.new(name=layer_name)
        layer.data.foreach_set("uv", np.ascontiguousarray(coordinates, np.float32).ravel())
    compat.shade_smooth(mesh)
    compat.set_float_attribute(mesh, CONFIDENCE, data.confidence)
    compat.set_float_attribute(mesh, DEVIATION, data.deviation)
    mesh.update()
    _add_creases(mesh, data)
    return mesh


def _add_shapes(head: bpy.types.Object, data: HeadData) -> None:
    head.shape_key_add(name="Basis", from_mix=False)
    shapes = [(PHOTO_SHAPE, data.photo)]
    named = zip(data.blendshape_names, data.blendshapes, strict=True)
    shapes += [(name, data.neutral + offsets) for name, offsets in named]
    if data.visemes is not None:
        named = zip(data.visemes.names, np.tensordot(data.visemes.weights, data.blendshapes, 1), strict=True)
        shapes += [(name, data.neutral + offsets) for name, offsets in named]
    for name, points in shapes:
        key = head.shape_key_add(name=name, from_mix=False)
        key.data.foreach_set("co", np.ascontiguousarray(points, np.float32).ravel())
        key.slider_min, key.slider_max = 0.0, 1.0
        key.value = 0.0  # since 5.0 new shapes are switched on
    head.data.shape_keys.name = head.data.name
    head.data.shape_keys.key_blocks[PHOTO_SHAPE].value = 1.0


def _add_subdivision(head: bpy.types.Object) -> None:
    """Smooth what shapes and bones, which come first, have made of the head."""
    modifier = head.modifiers.new(SUBDIVISION, "SUBSURF")
    modifier.levels, modifier.render_levels = VIEWPORT_LEVEL, RENDER_LEVEL
    modifier.show_only_control_edges = True


def _add_creases(mesh: bpy.types.Mesh, data: HeadData) -> None:
    parts = [data.part_names.index(name) for name in UNSMOOTHED_PARTS if name in data.part_names]
    creased = np.zeros(len(mesh.vertices), bool)
    creased[np.unique(data.quads[np.isin(data.face_part, parts)])] = True
    ends = np.empty(2 * len(mesh.edges), np.int32)
    mesh.edges.foreach_get("vertices", ends)
    compat.set_edge_creases(mesh, creased[ends.reshape(-1, 2)].all(1).astype(np.float32))


def _add_groups(head: bpy.types.Object, data: HeadData) -> None:
    for index, name in enumerate(data.part_names):
        vertices = np.unique(data.quads[data.face_part == index])
        if len(vertices):
            head.vertex_groups.new(name=name).add(vertices.tolist(), 1.0, "REPLACE")
    group = head.vertex_groups.new(name=LANDMARK_GROUP)
    group.add(np.unique(data.landmark).tolist(), 1.0, "REPLACE")


def _provenance(data: HeadData) -> dict[str, object]:
    """What becomes the object's custom properties: numbers, texts and lists of numbers."""
    plain = {key: value for key, value in data.provenance.items() if isinstance(value, (str, int, float))}
    return {
        **plain,
        "landmarks": data.landmark.tolist(),
        "ibug68": data.ibug68.tolist(),
        "expression": data.expression.astype(float).tolist(),
    }
