"""What is rendered: the head or surface of a result's folder, or any object. Needs bpy."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..blender import compat
from ..blender.coordinates import coordinates
from ..errors import RenderError, StepError
from ..heads import hair
from ..heads.build import build_head
from ..heads.confidence import SWITCH_NODE, tree_shows_confidence
from ..heads.hair_copies import shown_as_meshes
from ..heads.head_materials import reduce_textures
from ..heads.head_npz import FILE_NAME as HEAD_FILE
from ..heads.head_npz import TEXTURE, read_head
from ..heads.ply import read_ply
from ..heads.surface_import import CONFIDENCE_ATTRIBUTE, mesh_from_surface
from ..heads.surface_materials import surface_material
from . import lighting, renderers
from .previews import better_side, visible_side
from .render_scene import Subject, distance_for

Build = Callable[[bpy.types.Collection], Subject]

SURFACE_FILE = "surface.ply"
#: What the camera looks at, head frame, meters: the middle of head and neck.
CENTER = (0.0, 0.065, -0.03)
#: From how far away, meters: heads without hats (0.28 to 0.29 m high with the neck, on six portraits) fill
#: the picture.
DISTANCE = 1.03
#: Height of a picture, pixels, up to which nobody sees whether the head's quads are subdivided.
SMALL = 512
#: Side of the textures in it, pixels.
SMALL_TEXTURE = 1024
#: How far from a head's bounding box hair decides how much the picture shows, meters.
HAIR_MARGIN = 0.06
#: How rough Workbench takes the head's materials to be: wet eyes catch the light.
ROUGHNESS = {"skin": 0.62, "eyes": 0.25, "mouth": 0.4, "lashes": 0.9, "cornea": 0.1, "tears": 0.1}


#: Alpha below which a material is clear.
MOST_CLEAR = 0.1


@dataclass(frozen=True)
class SubjectSpec:
    """Who or what is going to be rendered; `build` makes the subject in a collection.

    kind: "head", "surface" or "object". observed_side: +1 if the photo saw the subject's right side better,
    or there is no photo, else -1. faithful: Workbench shows it in its own colors.
    """

    kind: str
    observed_side: float
    faithful: bool
    build: Build


def of_folder(folder: Path, smooth: bool = True, renderer: str = renderers.WORKBENCH) -> SubjectSpec:
    """The head in a result's folder, or the surface if it has none.

    Args:
        folder: Of the result.
        smooth: Whether the head's quads are subdivided; in small pictures that is not seen.
        renderer: What will render it. Workbench shows one picture a material, so that it has the shell, which
            has all of the hair's colors in one; others show the hair that the engine was asked for.

    Returns:
        Who or what it is.

    Raises:
        StepError: There is neither.
        HeadFileError: The head's files cannot be read.
        SurfaceFileError: The surface cannot be read.
    """
    product = "shell" if renderer == renderers.WORKBENCH else None
    surface = read_ply(folder / SURFACE_FILE) if (folder / SURFACE_FILE).is_file() else None
    if (folder / HEAD_FILE).is_file():
        head = read_head(folder / HEAD_FILE)
        offset = head.photo - head.neutral
        # It is shown as photographed: shapes and bones would be made in vain.
        head = dataclasses.replace(
            head,
            neutral=head.photo,
            blendshapes=head.blendshapes[:0],
            blendshape_names=(),
            visemes=None,
            rig=None,
        )
        texture = folder / TEXTURE if (folder / TEXTURE).is_file() else None

        def build(collection: bpy.types.Collection) -> Subject:
            ob = build_head(head, texture, collection, "photobust head")
            for material, name in zip(ob.data.materials, head.material_names, strict=True):
                material.roughness = ROUGHNESS[name]
            if smooth:  # once, and not again for each picture
                mesh, _ = _evaluated(ob, collection, 1.0)
                bpy.data.objects.remove(ob)
                ob = bpy.data.objects.new("photobust head", mesh)
                collection.objects.link(ob)
            else:
                ob.modifiers.clear()
                reduce_textures(ob.data.materials, SMALL_TEXTURE)
            hair.add_hair(ob, folder, product, only=True, offset=offset)
            meshes = [one.data for one in hair.shown_of(ob) if one.type == "MESH"]
            points = _with_hair(head.photo, [coordinates(mesh.vertices) for mesh in meshes], HAIR_MARGIN)
            return _of_standard_size(ob, points, "TEXTURE" if texture else "MATERIAL", lighting.PORTRAIT)

        if surface is not None:
            return SubjectSpec("head", visible_side(surface), True, build)
        return SubjectSpec("head", better_side(head.photo, head.confidence), True, build)
    if surface is None:
        raise StepError(f"There is neither {HEAD_FILE} nor {SURFACE_FILE} in {folder}: nothing to show.")

    def build_surface(collection: bpy.types.Collection) -> Subject:
        mesh = mesh_from_surface(surface, "photobust surface")
        mesh.materials.append(surface_material(mesh.name))
        ob = bpy.data.objects.new(mesh.name, mesh)
        collection.objects.link(ob)
        return _of_standard_size(ob, surface.vertices, "VERTEX", lighting.FLAT)

    return SubjectSpec("surface", visible_side(surface), True, build_surface)


def _with_hair(points: np.ndarray, hair_points: Sequence[np.ndarray], margin: float) -> np.ndarray:
    """A head's points and those of its hair that is to fill the picture.

    Hair that hangs far below the neck or stands far out may leave the picture: the face is what counts.

    Args:
        points: (N, 3) float32, the head's.
        hair_points: (M, 3) float32, of each part of its hair, same frame.
        margin: How far from the head's bounding box hair counts, units of the frame.

    Returns:
        (K, 3) float32.
    """
    locks = np.concatenate([np.empty((0, 3), np.float32), *hair_points])
    least, most = points.min(0) - margin, points.max(0) + margin
    return np.concatenate([points, locks[((locks >= least) & (locks <= most)).all(1)]])


def _of_standard_size(
    ob: bpy.types.Object, points: np.ndarray, color: str, light: lighting.LightSetup
) -> Subject:
    """Seen from as far away as every head, so that sizes can be compared, or from as far as it needs."""
    distance = max(DISTANCE, distance_for(points, np.array(CENTER)))
    return Subject(ob, Matrix.Identity(4), Vector(CENTER), distance, color, light)


def of_object(context: bpy.types.Context, ob: bpy.types.Object | None, turn: float = 0.0) -> SubjectSpec:
    """Any mesh object as it stands in its scene, with its modifiers and materials; it is not touched.

    A head has the hair that it is shown with, cards in the place of strands.

    It turns about the vertical axis through the middle of its bounding box; its front is what looks along
    -y, after it was turned by `turn` degrees. Raises RenderError.
    """
    if ob is None or ob.type != "MESH":
        raise RenderError(f'"{ob.name}" is no mesh: choose one.' if ob else "Choose a mesh object first.")
    if ob.mode == "EDIT":
        ob.update_from_editmode()
    name, frame = ob.name, context.scene.frame_current_final
    locks = shown_as_meshes(ob)

    def build(collection: bpy.types.Collection) -> Subject:
        mesh, matrix = _evaluated(ob, collection, frame)
        if not len(mesh.polygons):
            raise RenderError(f'"{name}" has no faces: there is nothing to see.')
        copy = bpy.data.objects.new("photobust subject", mesh)
        collection.objects.link(copy)
        placed_locks = []
        for lock in locks:
            hair_mesh, hair_matrix = _evaluated(lock, collection, frame)
            one = bpy.data.objects.new("photobust hair", hair_mesh)
            one.parent, one.matrix_local = copy, matrix.inverted_safe() @ hair_matrix
            collection.objects.link(one)
            placed_locks.append(_placed(hair_mesh, hair_matrix))
        points = _with_hair(_placed(mesh, matrix), placed_locks, HAIR_MARGIN * matrix.median_scale)
        if not np.isfinite(points).all():
            raise RenderError(f'"{name}" has vertices that are nowhere: clean the mesh up first.')
        center = (points.min(0) + points.max(0)) / 2
        distance = distance_for(points, center)
        if distance <= 0:
            raise RenderError(f'"{name}" has no size: there is nothing to see.')
        about = Matrix.Translation(center) @ Matrix.Rotation(np.radians(turn), 4, "Z")
        placed_matrix = about @ Matrix.Translation(-Vector(center)) @ matrix
        color = workbench_color(mesh) or "MATERIAL"
        for shown in [copy, *copy.children] if color == "TEXTURE" else ():
            _let_alpha_show(shown.data)
        light = lighting.FLAT if _lit_already(mesh) else lighting.PORTRAIT
        return Subject(copy, placed_matrix, Vector(center), distance, color, light)

    faithful = workbench_color(ob.data, [slot.material for slot in ob.material_slots]) is not None
    confidence = ob.data.attributes.get(CONFIDENCE_ATTRIBUTE)
    observed_side = 1.0
    if confidence is not None and len(confidence.data) == len(ob.data.vertices):
        values = np.empty(len(confidence.data), np.float32)
        confidence.data.foreach_get("value", values)
        observed_side = better_side(coordinates(ob.data.vertices), values)
    return SubjectSpec("object", observed_side, faithful, build)


def _placed(mesh: bpy.types.Mesh, matrix: Matrix) -> np.ndarray:
    """(N, 3) a mesh's vertices where a matrix puts them."""
    world = np.array(matrix)
    return np.asarray(coordinates(mesh.vertices) @ world[:3, :3].T + world[:3, 3])


def _evaluated(
    ob: bpy.types.Object, collection: bpy.types.Collection, frame: float
) -> tuple[bpy.types.Mesh, Matrix]:
    """A mesh of its own with the object's modifiers and shapes applied, and where the object stands."""
    # A copy in the render scene: the object itself may be hidden, or in no scene, and not be worked out.
    scene = next(scene for scene in bpy.data.scenes if scene.collection == collection)
    scene.frame_set(int(frame), subframe=frame - int(frame))
    copy = ob.copy()
    copy.hide_viewport = False
    collection.objects.link(copy)
    layer = scene.view_layers[0]
    layer.update()
    graph = layer.depsgraph
    evaluated = copy.evaluated_get(graph)
    mesh = bpy.data.meshes.new_from_object(evaluated, preserve_all_data_layers=True, depsgraph=graph)
    mesh.name = "photobust subject"
    matrix = evaluated.matrix_world.copy()
    bpy.data.objects.remove(copy)
    for index, slot in enumerate(ob.material_slots):  # some may be the object's, not the mesh's
        if index < len(mesh.materials):
            mesh.materials[index] = slot.material
        else:
            mesh.materials.append(slot.material)
    return mesh, matrix


def _lit_already(mesh: bpy.types.Mesh) -> bool:
    """Whether these are the colors of a photo, as the engine's surfaces have them."""
    trees = [material.node_tree for material in mesh.materials if material and material.node_tree]
    return any(SWITCH_NODE in tree.nodes for tree in trees)


def _let_alpha_show(mesh: bpy.types.Mesh) -> None:
    """Materials whose texture has holes get a copy of it that Workbench sees them in."""
    for index, material in enumerate(mesh.materials):
        nodes = material.node_tree.nodes if material and material.node_tree else []
        for node in [node for node in nodes if node.type == "TEX_IMAGE"]:
            image = node.image
            if image and image.alpha_mode == "CHANNEL_PACKED" and node.outputs["Alpha"].is_linked:
                straight = image.copy()
                straight.name, straight.alpha_mode = "photobust texture", "STRAIGHT"
                copy = material.copy()
                copy.name = "photobust material"
                copy.node_tree.nodes[node.name].image = straight
                mesh.materials[index] = copy


def workbench_color(
    mesh: bpy.types.Mesh, materials: Sequence[bpy.types.Material | None] | None = None
) -> str | None:
    """What Workbench has to show to look like the materials (the mesh's, if not given); None if it cannot.

    It knows one thing for all of them: a picture, the vertex colors, or one color a material. What is clear
    in both, as corneas are, may be anything.
    """
    kinds = {
        _shown(material)
        for material in (mesh.materials if materials is None else materials)
        if material and not _is_clear(material)
    }
    if not kinds:
        return "VERTEX" if mesh.color_attributes else "MATERIAL"
    return kinds.pop() if len(kinds) == 1 else None


def _is_clear(material: bpy.types.Material) -> bool:
    shaders = [node for node in (material.node_tree.nodes if material.node_tree else []) if node.inputs]
    alphas = [node.inputs["Alpha"] for node in shaders if node.type == "BSDF_PRINCIPLED"]
    clear = alphas and all(not alpha.is_linked and alpha.default_value < MOST_CLEAR for alpha in alphas)
    return bool(clear) and material.diffuse_color[3] < MOST_CLEAR


def _shown(material: bpy.types.Material) -> str | None:
    tree = material.node_tree if material.use_nodes else None
    if tree is None:
        return "MATERIAL"
    if tree_shows_confidence(tree):
        return "VERTEX"
    sockets = [
        socket for node in tree.nodes if node.type == "BSDF_PRINCIPLED" for socket in compat.base_colors(node)
    ]
    sources = {link.from_node.type for socket in sockets for link in socket.links}
    if sources == {"TEX_IMAGE"}:
        active = tree.nodes.active
        return "TEXTURE" if active is not None and active.type == "TEX_IMAGE" else None
    if sources and sources <= {"VERTEX_COLOR", "ATTRIBUTE"}:
        return "VERTEX"
    return None
