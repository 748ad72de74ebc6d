"""What is photographed on a stage: the head or surface of a result's folder, or any object. Needs bpy."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from . import compat, lighting
from .errors import RenderError, StepError
from .head_export import head_image
from .head_file import FILE_NAME as HEAD_FILE
from .head_file import TEXTURE, read_head
from .head_import import build_head
from .materials import head_material
from .ply import read_ply
from .rendering import seen_side
from .stage import Subject, distance_for
from .surface_import import mesh_from_surface

Build = Callable[[bpy.types.Collection], Subject]

SURFACE_FILE = "surface.ply"
#: What the camera looks at, head frame, and from how far away, metres: the middle of head and neck; heads
#: without hats (0.28 to 0.29 m high with the neck, on six portraits) fill the picture.
CENTRE, DISTANCE = (0.0, 0.065, -0.03), 1.03
#: How rough Workbench takes the head's materials to be: wet eyes catch the light.
ROUGHNESS = {"skin": 0.62, "eyes": 0.25, "mouth": 0.4, "lashes": 0.9}


@dataclass(frozen=True)
class FolderSubject:
    """A result's folder's head if it has one, else its surface.

    kind: "head" or "surface". seen: +1 if the photo saw the subject's right side better, else -1.
    """

    kind: str
    seen: float
    build: Build


def of_folder(folder: Path) -> FolderSubject:
    """What there is to show of a folder. Raises StepError, HeadFileError or SurfaceFileError."""
    surface = read_ply(folder / SURFACE_FILE) if (folder / SURFACE_FILE).is_file() else None
    if (folder / HEAD_FILE).is_file():
        head = read_head(folder / HEAD_FILE)
        texture = folder / TEXTURE if (folder / TEXTURE).is_file() else None

        def build(collection: bpy.types.Collection) -> Subject:
            ob = build_head(head, texture, collection, "photobust head")
            for material, name in zip(ob.data.materials, head.material_names, strict=True):
                material.roughness = ROUGHNESS[name]
            image = head_image(ob)
            if image is not None:
                image.alpha_mode = "STRAIGHT"  # for Workbench, or the lashes' cards are opaque
            light = lighting.PORTRAIT
            return _of_standard_size(ob, head.photo, "TEXTURE" if texture else "MATERIAL", light)

        if surface is not None:
            return FolderSubject("head", seen_side(surface), build)
        sides = float(np.sum(head.confidence * np.sign(head.photo[:, 0])))
        return FolderSubject("head", 1.0 if sides <= 0 else -1.0, build)
    if surface is None:
        raise StepError(f"There is neither {HEAD_FILE} nor {SURFACE_FILE} in {folder}: nothing to show.")

    def build_surface(collection: bpy.types.Collection) -> Subject:
        mesh = mesh_from_surface(surface, "photobust surface")
        mesh.materials.append(head_material(mesh.name))
        ob = bpy.data.objects.new(mesh.name, mesh)
        collection.objects.link(ob)
        return _of_standard_size(ob, surface.vertices, "VERTEX", lighting.FLAT)

    return FolderSubject("surface", seen_side(surface), build_surface)


def _of_standard_size(ob: bpy.types.Object, points: np.ndarray, color: str, light: lighting.Light) -> Subject:
    """Seen from as far away as every head, so that sizes can be compared, or from as far as it needs."""
    distance = max(DISTANCE, distance_for(points, np.array(CENTRE)))
    return Subject(ob, Matrix.Identity(4), Vector(CENTRE), distance, color, light)


def of_object(context: bpy.types.Context, ob: bpy.types.Object) -> Build:
    """Any mesh object as it stands in its scene, with its modifiers and materials; it is not touched.

    It turns about the vertical axis through the middle of its bounding box. Raises RenderError.
    """
    if ob.type != "MESH":
        raise RenderError(f'"{ob.name}" is no mesh: choose an object with faces.')
    name = ob.name

    def build(collection: bpy.types.Collection) -> Subject:
        original = bpy.data.objects[name]
        mesh, matrix = _evaluated(context, original)
        copy = bpy.data.objects.new("photobust subject", mesh)
        collection.objects.link(copy)
        points = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", points)
        world = np.array(matrix)
        placed = points.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]
        if not len(mesh.polygons):
            raise RenderError(f'"{name}" has no faces: there is nothing to see.')
        if not np.isfinite(placed).all():
            raise RenderError(f'"{name}" has vertices that are nowhere: clean the mesh up first.')
        centre = (placed.min(0) + placed.max(0)) / 2
        distance = distance_for(placed, centre)
        if distance <= 0:
            raise RenderError(f'"{name}" has no size: there is nothing to see.')
        color = workbench_color(mesh) or "MATERIAL"
        return Subject(copy, matrix, Vector(centre), distance, color, lighting.PORTRAIT)

    return build


def _evaluated(context: bpy.types.Context, ob: bpy.types.Object) -> tuple[bpy.types.Mesh, Matrix]:
    """A mesh of the object's own with modifiers and shapes applied, and where it stands."""
    graph = context.evaluated_depsgraph_get()
    graph.update()
    evaluated = ob.evaluated_get(graph)
    mesh = bpy.data.meshes.new_from_object(evaluated, preserve_all_data_layers=True, depsgraph=graph)
    mesh.name = "photobust subject"
    mesh.materials.clear()
    for slot in ob.material_slots:  # some may be the object's, not the mesh's
        mesh.materials.append(slot.material)
    return mesh, evaluated.matrix_world.copy()


def workbench_color(mesh: bpy.types.Mesh) -> str | None:
    """What Workbench has to show to look like the mesh's materials; None if it cannot.

    It knows one thing for all of them: a picture, the vertex colours, or one colour a material.
    """
    kinds = {_shown(material) for material in mesh.materials if material}
    if len(kinds) != 1:
        return None if kinds else ("VERTEX" if mesh.color_attributes else "MATERIAL")
    return kinds.pop()


def _shown(material: bpy.types.Material) -> str | None:
    tree = material.node_tree
    if tree is None:
        return "MATERIAL"
    active = tree.nodes.active
    colors = [node for node in tree.nodes if node.type == "BSDF_PRINCIPLED"]
    sources = {
        link.from_node.type for node in colors for socket in compat.base_colors(node) for link in socket.links
    }
    if sources == {"TEX_IMAGE"}:
        return "TEXTURE" if active is not None and active.type == "TEX_IMAGE" else None
    if sources and sources <= {"VERTEX_COLOR", "ATTRIBUTE"}:
        return "VERTEX"
    return None
