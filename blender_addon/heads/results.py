"""Turns the engine's results into objects of a scene. Needs bpy."""

from collections.abc import Sequence

import bpy
from mathutils import Vector

from ..errors import AddonError
from .build import build_head
from .loaded import LoadedHead
from .surface_import import mesh_from_surface
from .surface_materials import head_material

#: Heads of one photo stand side by side, this far apart, metres; the largest face's is at the 3D cursor.
SPACING = 0.30


def new_collection(scene: bpy.types.Scene, name: str) -> bpy.types.Collection:
    """A collection of its own for a photo's heads."""
    collection = bpy.data.collections.new(name)
    scene.collection.children.link(collection)
    return collection


def build_objects(
    loaded: LoadedHead,
    collection: bpy.types.Collection,
    cursor: Vector,
    count: int,
    make: str,
    seconds: float,
) -> list[bpy.types.Object]:
    """What is wanted of one face, "SURFACE", "HEAD" or "BOTH"; what is shown comes first.

    `count`: objects of the photo that stand there already, from `cursor` on. A surface that is not wanted
    is kept, hidden, where the head is. Raises AddonError.
    """
    if make == "SURFACE":
        return [build_surface_object(loaded, collection, place_of(cursor, count), seconds)]
    if loaded.head is None:
        raise AddonError("The engine made no head: set it up again, it is of another version.")
    head = build_head(loaded.head, loaded.albedo, collection, loaded.name)
    head.location = place_of(cursor, count)
    _note(head, loaded, seconds)
    shown = make == "BOTH"
    surface = build_surface_object(loaded, collection, place_of(cursor, count + shown), seconds)
    surface.name = f"{loaded.name} surface"
    surface.hide_render = not shown
    surface.hide_viewport = not shown
    return [head, surface]


def build_surface_object(
    loaded: LoadedHead, collection: bpy.types.Collection, location: Vector, seconds: float
) -> bpy.types.Object:
    """The coloured surface as an object, 1 unit is 1 m, its face looking along -y; `location` in the world.

    `seconds`: what it took since the click, for the panel.
    """
    mesh = mesh_from_surface(loaded.surface, loaded.name)
    mesh.materials.append(head_material(loaded.name))
    head = bpy.data.objects.new(loaded.name, mesh)
    head.location = location
    _note(head, loaded, seconds)
    collection.objects.link(head)
    return head


def _note(head: bpy.types.Object, loaded: LoadedHead, seconds: float) -> None:
    note = head.photobust
    note.is_head = True
    note.folder = str(loaded.folder)
    note.photo = str(loaded.photo)
    note.manifest = loaded.record.compact()
    note.seconds = seconds


def place_of(cursor: Vector, index: int) -> Vector:
    """Where the photo's head number `index` stands."""
    return cursor + Vector((index * SPACING, 0.0, 0.0))


def select_only(view_layer: bpy.types.ViewLayer, objects: Sequence[bpy.types.Object]) -> None:
    """Select these and make the first the active one, as Blender's own importers do."""
    for other in list(view_layer.objects.selected):
        other.select_set(False, view_layer=view_layer)
    for one in objects:
        one.select_set(True, view_layer=view_layer)
    view_layer.objects.active = objects[0]
