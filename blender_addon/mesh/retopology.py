"""Quads for any mesh: cleaned, covered by QuadriFlow, pulled onto the original, with its colours. Needs bpy.

All is measured where the object stands in the world, so a scale that was not applied does no harm, and
carried back into the object's own frame at the end. Shape keys and modifiers are taken as they are shown; an
Armature stays a modifier, as the vertex groups are carried over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ..blender import compat
from ..blender.scratch_scene import evaluated, scratch_scene
from ..errors import StepError
from . import quadriflow
from .arrays import active_colors, new_mesh, normals_of, read, read_triangles
from .attribute_transfer import Source, transfer, transfer_groups
from .bake import bake
from .cleaning import CleanMesh, clean
from .closest_point import Surface
from .files import textured_material
from .unwrap import OVERLAP, Unwrapped, unwrap

FEWEST, MOST = 50, 1_000_000
#: Size of the mesh while it is worked on, and rounds of evening out: the lips of heads at 5,000 quads have
#: folds after none, and lose shape after twenty (farthest point of the surface 3.9, 4.2, 5.1 mm at 0, 5, 20).
WORK_SIZE, ROUNDS = 100.0, 4
#: Areas of parts and lengths of borders, in quads and in their sides, up to which parts are left out and
#: holes are closed: quads of this size cannot show them.
SMALLEST_PART, LONGEST_HOLE = 2.0, 6.0
#: A scale smaller than this share of the largest is none.
FLAT = 1e-6


@dataclass(frozen=True)
class Report:
    """What came of it: quads made, how often QuadriFlow was asked; distances of the original from the result
    (95 % and all of it), world units; mended: what was wrong with the original; lost: attributes that could
    not be carried over; unwrapped: texture coordinates made anew, None if the original had some; picture: the
    colours baked for these, (size, size, 3) uint8 sRGB, row 0 on top, if wanted.
    """

    quads: int
    attempts: int
    near: float
    farthest: float
    mended: tuple[str, ...]
    lost: tuple[str, ...]
    unwrapped: Unwrapped | None
    picture: np.ndarray | None

    def facts(self) -> dict[str, object]:
        """What is worth keeping, as JSON can hold it; distances in thousandths of a unit."""
        islands = {"uv_islands": self.unwrapped.islands} if self.unwrapped else {}
        return {
            "quads": self.quads,
            "attempts": self.attempts,
            "distance_mm": {"p95": round(1000 * self.near, 3), "max": round(1000 * self.farthest, 3)},
            "mended": list(self.mended),
            **islands,
        }

    def remarks(self) -> list[str]:
        """What the user should know: what of the original was wrong, or is not there any more."""
        remarks = [f"The mesh had {_listed(self.mended)}."] if self.mended else []
        if self.lost:
            remarks.append(f"Not carried over: {_listed(self.lost)}.")
        if self.unwrapped and self.unwrapped.overlap > OVERLAP:
            share = f"{100 * self.unwrapped.overlap:.1f} %"
            remarks.append(f"The UVs made for it overlap ({share}): unwrap it by hand before painting.")
        return remarks


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


def retopologise(
    context: bpy.types.Context, original: bpy.types.Object, quads: int, texture: int = 0
) -> tuple[bpy.types.Object, Report]:
    """A new object, in no collection yet, that looks like `original` but is made of about `quads` quads.

    It has the original's transform, parent, materials, colours, texture coordinates, weights and properties.
    If the original has no texture coordinates it gets some; with `texture`, a size in pixels, the colours
    are then baked into a picture. Raises StepError.
    """
    if original.type != "MESH":
        raise StepError(f"{original.name} is no mesh: choose one, or convert it to one.")
    if not FEWEST <= quads <= MOST:
        raise StepError(f"Ask for {FEWEST} to {MOST:,} quads.")
    shown = _as_shown(original)
    mesh = None
    try:
        frame, source, cleaned = _prepare(original, shown, quads)
        made = quadriflow.remesh(cleaned, quads)
        vertices = source.surface.settle(made.vertices, made.quads, ROUNDS)
        mesh = new_mesh(f"{original.name} quads", frame.back(vertices), made.quads)
        lost = transfer(source, mesh, vertices, made.quads)
        flat = None if mesh.uv_layers else unwrap(context, mesh)
        new = _object_like(original, mesh)
        transfer_groups(source, original, new, vertices)
        mesh.update()
        return new, Report(
            len(made.quads),
            made.attempts,
            made.near / frame.scale,
            made.farthest / frame.scale,
            cleaned.mended,
            tuple(lost),
            flat,
            _baked(source, vertices, made.quads, flat, texture) if flat and texture else None,
        )
    except BaseException:
        if mesh is not None:
            bpy.data.meshes.remove(mesh)  # and objects with it
        raise
    finally:
        bpy.data.meshes.remove(shown)


def put_beside(context: bpy.types.Context, original: bpy.types.Object, new: bpy.types.Object) -> None:
    """Put the new object into the original's collections, selected and active, and hide the original."""
    for collection in original.users_collection:
        collection.objects.link(new)
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            if original.name in layer.objects and layer.objects[original.name] == original:
                original.select_set(False, view_layer=layer)
                original.hide_set(True, view_layer=layer)
    original.hide_render = True
    layer = context.view_layer
    for one in list(layer.objects.selected):
        one.select_set(False, view_layer=layer)
    if new.name in layer.objects:
        new.hide_set(False, view_layer=layer)
        new.select_set(True, view_layer=layer)
        layer.objects.active = new


def show_picture(new: bpy.types.Object, picture: np.ndarray) -> None:
    """Give a retopologised object a material that shows a picture (size, size, 3) uint8 baked for it."""
    size = len(picture)
    image = bpy.data.images.new(f"{new.name} colours", size, size, alpha=False)
    rgba = np.concatenate([picture[::-1], np.full((size, size, 1), 255, np.uint8)], 2)
    image.pixels.foreach_set((rgba.astype(np.float32) / 255.0).ravel())
    image.pack()
    new.data.materials.clear()
    new.data.materials.append(textured_material(new.name, image))
    new.data.polygons.foreach_set("material_index", np.zeros(len(new.data.polygons), np.int32))


def _as_shown(original: bpy.types.Object) -> bpy.types.Mesh:
    """The mesh with its modifiers, but for Armatures, also of an object that is hidden."""
    with scratch_scene() as scene:
        copy = original.copy()
        copy.hide_viewport = False
        scene.collection.objects.link(copy)
        for modifier in copy.modifiers:
            if modifier.type == "ARMATURE":
                modifier.show_viewport = False
        return evaluated(scene, copy)


def _prepare(
    original: bpy.types.Object, shown: bpy.types.Mesh, quads: int
) -> tuple[_Frame, Source, CleanMesh]:
    triangles = read_triangles(shown)
    if not len(triangles.triangles):
        raise StepError(f"{original.name} has no faces: there is nothing to retopologise.")
    linear = np.array(original.matrix_world, np.float64)[:3, :3]
    stretch = np.linalg.svd(linear, compute_uv=False)
    if not np.isfinite(linear).all() or stretch[-1] <= FLAT * stretch[0] or stretch[0] == 0:
        raise StepError(f"{original.name} is scaled to nothing along an axis: clear its scale.")
    world = triangles.vertices @ linear.T
    used = world[np.unique(triangles.triangles)]
    size = float(np.linalg.norm(np.ptp(used, axis=0)))
    scale = WORK_SIZE / size if np.isfinite(size) and size > 0 else 1.0
    frame = _Frame(linear, (used.max(0) + used.min(0)) / 2 if np.isfinite(size) else used[0] * 0, scale)
    points = frame.into(triangles.vertices)
    # The area of what is meshed twice, or inside, counts too: the parts all get their quads.
    area = float(np.linalg.norm(normals_of(points, triangles.triangles), axis=1).sum() / 2)
    each = area / quads if np.isfinite(area) else 1.0
    cleaned = clean(points, triangles.triangles, SMALLEST_PART * each, LONGEST_HOLE * float(np.sqrt(each)))
    return frame, Source(shown, triangles, Surface(points, triangles.triangles)), cleaned


def _object_like(original: bpy.types.Object, mesh: bpy.types.Mesh) -> bpy.types.Object:
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
    source: Source, vertices: np.ndarray, quads: np.ndarray, flat: Unwrapped, size: int
) -> np.ndarray | None:
    colors = active_colors(source.mesh)
    if colors is None:
        return None
    values = read(colors.data, "color", 4, np.float32)[:, :3].astype(np.float64)
    index = source.triangles.triangles if colors.domain == "POINT" else source.triangles.corners
    return bake(source.surface, compat.to_srgb(values)[index], vertices, quads, flat.uv, size)


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
