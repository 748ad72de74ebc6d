"""Writes meshes that are not the head's template: PLY with quads, and the formats of Blender. Needs bpy."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np

from ..blender import compat
from ..blender.atomic_file import TEMPORARY_PREFIX, written_atomically
from ..blender.exporters import SUFFIXES, write
from ..blender.shader_nodes import add_node, new_material
from ..blender.srgb import linear_to_bytes
from ..errors import ExportError
from ..heads.head_materials import IMAGE_NODE
from ..heads.surface_materials import add_surface_shader
from .arrays import active_colors, read, read_quads


def write_ply(
    path: Path,
    vertices: np.ndarray,
    faces: np.ndarray,
    colors: np.ndarray | None,
    uv: np.ndarray | None,
    texture: str | None = None,
) -> None:
    """Write a binary little-endian PLY; it appears under its name only when it is complete.

    Args:
        path: The file.
        vertices: (N, 3) float.
        faces: (M, n) int vertices.
        colors: (N, 3) uint8 sRGB, or None.
        uv: (M, n, 2) float, v up, or None. They are written with the faces ("texcoord", as MeshLab does it),
            so that the mesh stays in one piece at seams.
        texture: Name of the picture that they refer to, in the same folder.

    Raises:
        ExportError: The file cannot be written.
    """
    count = faces.shape[1]
    header = ["ply", "format binary_little_endian 1.0"]
    header += [f"comment TextureFile {texture}"] if texture else []
    header += [f"element vertex {len(vertices)}", *(f"property float {axis}" for axis in "xyz")]
    vertex_fields: list[tuple] = [("co", "<f4", 3)]
    if colors is not None:
        header += [f"property uchar {name}" for name in ("red", "green", "blue")]
        vertex_fields.append(("color", "u1", 3))
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    face_fields: list[tuple] = [("n", "u1"), ("corners", "<i4", count)]
    if uv is not None:
        header.append("property list uchar float texcoord")
        face_fields += [("m", "u1"), ("uv", "<f4", 2 * count)]
    vertex = np.zeros(len(vertices), vertex_fields)
    vertex["co"] = vertices
    if colors is not None:
        vertex["color"] = colors
    face = np.zeros(len(faces), face_fields)
    face["n"], face["corners"] = count, faces
    if uv is not None:
        face["m"], face["uv"] = 2 * count, uv.reshape(len(faces), -1)
    text = "\n".join([*header, "end_header"]) + "\n"
    try:
        with written_atomically(path) as partial:
            partial.write_bytes(text.encode("ascii") + vertex.tobytes() + face.tobytes())
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}. Choose another folder.") from error


def write_quads(path: Path, mesh: bpy.types.Mesh, texture: str | None = None) -> None:
    """Write a mesh of quads, its colors and texture coordinates, as PLY; `texture` is a file beside it."""
    vertices, quads = read_quads(mesh)
    colors, layer = active_colors(mesh), mesh.uv_layers.active
    rgb = None
    if colors is not None:
        linear = read(colors.data, "color", 4, np.float32)[:, :3].astype(np.float64)
        rgb = linear_to_bytes(linear)
        if colors.domain == "CORNER":
            of_vertex = np.zeros((len(vertices), 3), np.uint8)
            of_vertex[quads.ravel()] = rgb
            rgb = of_vertex
    uv = None if layer is None else read(layer.data, "uv", 2, np.float32).reshape(-1, 4, 2)
    write_ply(path, vertices, quads, rgb, uv, texture)


def textured_material(name: str, image: bpy.types.Image) -> bpy.types.Material:
    """A material that shows a picture by the mesh's texture coordinates."""
    material, texture = _material(name, "ShaderNodeTexImage")
    texture.name = texture.label = IMAGE_NODE
    texture.image = image
    material.node_tree.nodes.active = texture  # what Workbench and the viewport's texture mode show
    return material


def colored_material(name: str) -> bpy.types.Material:
    """A material that shows the mesh's vertex colors, plain enough for exporters to understand."""
    material, color = _material(name, "ShaderNodeVertexColor")
    color.layer_name = compat.COLOR_ATTRIBUTE
    return material


def _material(name: str, kind: str) -> tuple[bpy.types.Material, bpy.types.Node]:
    """A material, and the node that its color comes from."""
    material, output = new_material(name, 400)
    links = material.node_tree.links
    principled = add_surface_shader(material, (100, 0))
    color = add_node(material, kind, (-250, 0))
    for socket in compat.base_colors(principled):
        links.new(color.outputs["Color"], socket)
    links.new(principled.outputs["BSDF"], output.inputs["Surface"])
    return material, color


def export(
    context: bpy.types.Context,
    one: bpy.types.Object,
    folder: Path,
    stem: str,
    formats: Sequence[str],
    image: bpy.types.Image | None = None,
) -> list[Path]:
    """Write an object of the scene in several formats; files appear only when they are complete.

    `image`, the texture, is a file in the folder. Exporters write more than one file (OBJ's .mtl) and refer
    to textures from where they write, so they do it in a folder of their own, beside a copy of the texture,
    and what they have made is moved from there.
    """
    made = []
    try:
        with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as name:
            before = image.filepath if image else ""
            if image:
                image.filepath = shutil.copy(folder / Path(before).name, name)
            for format_ in formats:
                write(context, one, Path(name) / f"{stem}{SUFFIXES[format_]}", format_)
            if image:
                image.filepath = before
            for suffix in (*(SUFFIXES[format_] for format_ in formats), ".mtl"):
                if Path(name, stem + suffix).is_file():
                    Path(name, stem + suffix).replace(folder / (stem + suffix))
                    made.append(folder / (stem + suffix))
    except OSError as error:
        raise ExportError(f"{folder} cannot be written to: {error.strerror}.") from error
    return made


def export_to(context: bpy.types.Context, one: bpy.types.Object, path: Path) -> None:
    """Write an object of the scene into a file whose ending says the format. Raises ExportError."""
    for format_, suffix in SUFFIXES.items():
        if path.suffix.lower() == suffix:
            with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=path.parent) as name:
                write(context, one, Path(name, path.name), format_)
                for made in Path(name).iterdir():
                    made.replace(path.with_name(made.name))
            return
    raise ExportError(f"{path.name} is no format that can be written: choose {', '.join(SUFFIXES.values())}.")
