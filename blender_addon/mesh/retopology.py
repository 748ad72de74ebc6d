"""Quads for any mesh: cleaned, covered by QuadriFlow, pulled onto the original, with its colors. Needs bpy.

All is measured where the object stands in the world, so a scale that was not applied does no harm, and
carried back into the object's own frame at the end. Shape keys and modifiers are taken as they are shown; an
Armature stays a modifier, as the vertex groups are carried over.
"""

from collections.abc import Callable
from dataclasses import dataclass

import bpy
import numpy as np

from ..blender.images import pack
from ..blender.scratch_scene import evaluated, scratch_scene
from ..blender.srgb import linear_to_srgb
from ..errors import StepError
from ..heads.build import SUBDIVISION
from . import quadriflow
from .arrays import active_colors, new_mesh, normals_of, read, read_triangles
from .attribute_transfer import AttributeSource, transfer, transfer_groups
from .bake import bake
from .cleaning import CleanMesh, clean
from .closest_point import SurfaceQuery
from .files import textured_material
from .retopology_report import MAX_QUADS, MIN_QUADS, RetopologyReport
from .unwrap import Unwrapped, unwrap

#: Largest extent of the mesh while it is worked on, units.
WORK_SIZE = 100.0
#: Rounds of relaxation: the lips of heads at 5,000 quads have folds after none, and lose shape after twenty
#: (farthest point of the surface 3.9, 4.2, 5.1 mm at 0, 5, 20).
RELAXATION_ROUNDS = 4
#: Components with less area than so many quads are removed: quads of this size cannot show them.
MIN_COMPONENT_QUADS = 2.0
#: Borders shorter than so many sides of a quad are closed.
MAX_HOLE_SIDES = 6.0
#: An object whose smallest scale is less than this fraction of its largest is flat.
MIN_SCALE_FRACTION = 1e-6
#: Where the calls of QuadriFlow, by far the longest step, begin and end in the progress.
QUADRIFLOW_START = 0.1
QUADRIFLOW_END = 0.75

#: Called with the fraction done, 0..1, and a sentence for people.
ProgressCallback = Callable[[float, str], object]


@dataclass(frozen=True)
class _Frame:
    """From a mesh's own frame to the one that it is worked on in, and back."""

    linear: np.ndarray
    middle: np.ndarray
    scale: float

    def into(self, points: np.ndarray) -> np.ndarray:
        return (points @ self.linear.T - self.middle) * self.scale

    def back(self, points: np.ndarray) -> np.ndarray:
        return (points / self.scale + self.middle) @ np.linalg.inv(self.linear).T


def retopologize(
    context: bpy.types.Context,
    original: bpy.types.Object,
    quads: int,
    texture: int = 0,
    on_progress: ProgressCallback = lambda fraction, message: None,
    matrix: np.ndarray | None = None,
) -> tuple[bpy.types.Object, RetopologyReport]:
    """A new object, in no collection yet, that looks like `original` but is made of about `quads` quads.

    It has the original's transform, parent, materials, colors, texture coordinates, weights and properties.
    If the original has no texture coordinates it gets some. Runs for seconds to a minute; where a window is
    open use `retopology_process`, which neither blocks it nor minds an Esc pressed in it.

    Args:
        context: Blender's.
        original: Any mesh object; its modifiers and shape keys count as they are shown.
        quads: About how many.
        texture: Side in pixels of a picture to bake the colors into, for texture coordinates made here; 0:
            none.
        on_progress: Called as it goes on.
        matrix: (3, 3) float64, from the object's frame to the world's, if not as `original` stands.

    Returns:
        The object, and what came of it.

    Raises:
        StepError: It cannot be; nothing is left behind.
    """
    check_request(original, quads)
    on_progress(0.0, "Reading the mesh")
    shown = as_shown(original)
    mesh = None
    try:
        on_progress(0.03, "Cleaning the mesh")
        frame, source, cleaned = _prepare(original, shown, quads, matrix)
        made = quadriflow.remesh(cleaned, quads, lambda number: on_progress(*_attempt_progress(number)))
        on_progress(QUADRIFLOW_END, "Fitting the quads to the surface")
        vertices = source.surface.relax(made.vertices, made.quads, RELAXATION_ROUNDS)
        mesh = new_mesh(f"{original.name} quads", frame.back(vertices), made.quads)
        on_progress(0.82, "Carrying over colors, UVs and weights")
        lost = transfer(source, mesh, vertices, made.quads)
        on_progress(0.9, "Unwrapping")
        unwrapped = None if mesh.uv_layers else unwrap(context, mesh)
        new = object_like(original, mesh)
        transfer_groups(source, original, new, vertices)
        mesh.update()
        on_progress(0.95, "Baking colors")
        picture = _baked(source, vertices, made.quads, unwrapped, texture) if unwrapped and texture else None
        return new, RetopologyReport(
            quads=len(made.quads),
            wanted=quads,
            attempts=made.attempts,
            p95_distance=made.p95_distance / frame.scale,
            max_distance=made.max_distance / frame.scale,
            repairs=cleaned.repairs,
            lost=tuple(lost),
            uv_islands=unwrapped.islands if unwrapped else None,
            uv_overlap=unwrapped.overlap if unwrapped else 0.0,
            picture=picture,
        )
    except BaseException:
        if mesh is not None:
            bpy.data.meshes.remove(mesh)  # and objects with it
        raise
    finally:
        bpy.data.meshes.remove(shown)


def check_request(original: bpy.types.Object, quads: int) -> None:
    """Raise StepError if this cannot be retopologized, as far as can be told at once."""
    if original.type != "MESH":
        raise StepError(f"{original.name} is no mesh: choose one, or convert it to one.")
    if not MIN_QUADS <= quads <= MAX_QUADS:
        raise StepError(f"Ask for {MIN_QUADS} to {MAX_QUADS:,} quads.")


def put_beside(context: bpy.types.Context, original: bpy.types.Object, new: bpy.types.Object) -> None:
    """Put the new object into the original's collections, selected and active, and hide the original."""
    own = [one for one in original.users_collection if one.library is None and one.override_library is None]
    for collection in own or [context.scene.collection]:  # nothing can be put into linked ones
        collection.objects.link(new)
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            if original.name in layer.objects and layer.objects[original.name] == original:
                original.select_set(False, view_layer=layer)
                original.hide_set(True, view_layer=layer)
    original.hide_render = True
    layer = context.view_layer
    for ob in list(layer.objects.selected):
        ob.select_set(False, view_layer=layer)
    if new.name in layer.objects:
        new.hide_set(False, view_layer=layer)
        new.select_set(True, view_layer=layer)
        layer.objects.active = new


def show_picture(new: bpy.types.Object, picture: np.ndarray) -> None:
    """Give a retopologized object a material that shows a picture baked for it.

    Args:
        new: The object.
        picture: (size, size, 3) uint8 sRGB, row 0 on top.
    """
    size = len(picture)
    image = bpy.data.images.new(f"{new.name} colors", size, size, alpha=False)
    rgba = np.concatenate([picture[::-1], np.full((size, size, 1), 255, np.uint8)], 2)
    image.pixels.foreach_set((rgba.astype(np.float32) / 255.0).ravel())
    pack(image, f"{bpy.path.clean_name(new.name)}.png")
    new.data.materials.clear()
    new.data.materials.append(textured_material(new.name, image))
    new.data.polygons.foreach_set("material_index", np.zeros(len(new.data.polygons), np.int32))


def as_shown(original: bpy.types.Object) -> bpy.types.Mesh:
    """The mesh with its modifiers, but for Armatures and a head's own smoothing, also of a hidden object."""
    with scratch_scene() as scene:
        copy = original.copy()
        copy.hide_viewport = False
        scene.collection.objects.link(copy)
        for modifier in copy.modifiers:
            if modifier.type == "ARMATURE" or modifier.name == SUBDIVISION:
                modifier.show_viewport = False
        return evaluated(scene, copy)


def _prepare(
    original: bpy.types.Object, shown: bpy.types.Mesh, quads: int, matrix: np.ndarray | None
) -> tuple[_Frame, AttributeSource, CleanMesh]:
    triangles = read_triangles(shown)
    if not len(triangles.triangles):
        raise StepError(f"{original.name} has no faces: there is nothing to retopologize.")
    linear = np.array(original.matrix_world, np.float64)[:3, :3] if matrix is None else matrix
    stretch = np.linalg.svd(linear, compute_uv=False)
    if not np.isfinite(linear).all() or stretch[-1] <= MIN_SCALE_FRACTION * stretch[0] or stretch[0] == 0:
        raise StepError(f"{original.name} is scaled to nothing along an axis: clear its scale.")
    world = triangles.vertices @ linear.T
    used = world[np.unique(triangles.triangles)]
    size = float(np.linalg.norm(np.ptp(used, axis=0)))
    scale = WORK_SIZE / size if np.isfinite(size) and size > 0 else 1.0
    frame = _Frame(linear, (used.max(0) + used.min(0)) / 2 if np.isfinite(size) else used[0] * 0, scale)
    points = frame.into(triangles.vertices)
    # The area of what is meshed twice, or inside, counts too: each component gets its quads.
    area = float(np.linalg.norm(normals_of(points, triangles.triangles), axis=1).sum() / 2)
    each = area / quads if np.isfinite(area) else 1.0
    cleaned = clean(
        points, triangles.triangles, MIN_COMPONENT_QUADS * each, MAX_HOLE_SIDES * float(np.sqrt(each))
    )
    same = np.array_equal(cleaned.triangles, triangles.triangles) and np.array_equal(cleaned.vertices, points)
    surface = cleaned.surface if same else SurfaceQuery(points, triangles.triangles)
    return frame, AttributeSource(shown, triangles, surface), cleaned


def object_like(original: bpy.types.Object, mesh: bpy.types.Mesh) -> bpy.types.Object:
    """An object with another mesh, but all else of the original's; of the modifiers only Armatures stay."""
    new = original.copy()
    new.name = f"{original.name} quads"
    new.data = mesh
    new.hide_viewport = new.hide_render = False
    for modifier in list(new.modifiers):
        if modifier.type != "ARMATURE":
            new.modifiers.remove(modifier)
    # The mesh has the materials; a slot of the object's own goes before that.
    for slot, own in zip(new.material_slots, original.material_slots, strict=False):
        if own.link == "OBJECT":
            slot.link = "OBJECT"
            slot.material = own.material
    return new


def _baked(
    source: AttributeSource, vertices: np.ndarray, quads: np.ndarray, flat: Unwrapped, size: int
) -> np.ndarray | None:
    colors = active_colors(source.mesh)
    if colors is None:
        return None
    values = read(colors.data, "color", 4, np.float32)[:, :3].astype(np.float64)
    index = source.triangles.triangles if colors.domain == "POINT" else source.triangles.corners
    return bake(source.surface, linear_to_srgb(values)[index], vertices, quads, flat.uv, size)


def _attempt_progress(number: int) -> tuple[float, str]:
    """Progress when an attempt begins: how many will follow is not known, so each gets half of the rest."""
    fraction = QUADRIFLOW_END - (QUADRIFLOW_END - QUADRIFLOW_START) * 0.5 ** (number - 1)
    return fraction, "Laying out quads" + (f", attempt {number}" if number > 1 else "")
