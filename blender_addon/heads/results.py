"""Turns the engine's results into objects of a scene. Needs bpy."""

from collections.abc import Iterator, Sequence
from typing import Any

import bpy
from mathutils import Vector

from ..blender.srgb import srgb_to_linear
from ..errors import AddonError
from .armature import base_of
from .build import build_head
from .hair import build_hair, reset_hair_properties
from .loaded import LoadedHead
from .surface_import import mesh_from_surface
from .surface_materials import surface_material


def new_collection(scene: bpy.types.Scene, name: str) -> bpy.types.Collection:
    """A collection of its own for a photo's heads."""
    collection = bpy.data.collections.new(name)
    scene.collection.children.link(collection)
    return collection


def build_step_by_step(
    loaded: LoadedHead,
    collection: bpy.types.Collection,
    places: Sequence[Vector],
    product: str,
    seconds: float,
) -> Iterator[str]:
    """Make the objects of one face in steps, between which Blender may answer: head, hair, surface.

    Args:
        loaded: The face's results.
        collection: Where the objects go; a scene's, or in one.
        places: Where what is shown stands, in the world: `places_needed(product)` of them.
        product: "SURFACE", "HEAD" or "BOTH". With "HEAD" the surface is kept, hidden, where the head is.
        seconds: What it took since the click, for the panel.

    Yields:
        After each step, the name of the object that it built or added to. Names, not objects: an undo between
        two steps would leave references to nothing.

    Raises:
        AddonError: The engine made no head, or it is gone before it was complete.
    """
    if product == "SURFACE":
        yield build_surface_object(loaded, collection, places[0], seconds).name
        return
    if loaded.head is None:
        raise AddonError("The engine made no head: set it up again, it is of another version.")
    head = build_head(loaded.head, loaded.albedo, collection, loaded.name)
    base_of(head).location = places[0]
    _note(head, loaded, seconds)
    reset_hair_properties(head)
    name, collection_name = head.name, collection.name
    yield name
    if loaded.hair:
        build_hair(_still_there(bpy.data.objects, name), loaded.folder, loaded.hair)
        reset_hair_properties(bpy.data.objects[name])
        yield name
    there = _still_there(bpy.data.collections, collection_name)
    surface = build_surface_object(loaded, there, places[-1], seconds)
    surface.name = f"{loaded.name} surface"
    if product == "HEAD":
        surface.hide_render = True
        hide(surface)
    yield surface.name


def _still_there(group: Any, name: str) -> Any:
    """What a group of Blender's data has under a name. Raises AddonError."""
    if name not in group:
        raise AddonError("The head was removed before it was complete: reconstruct the photo again.")
    return group[name]


def places_needed(product: str) -> int:
    """How many objects of a face are shown side by side."""
    return 2 if product == "BOTH" else 1


def hide(ob: bpy.types.Object) -> None:
    """Hide an object with the eye, as H does, in all view layers that have it: Alt-H shows it again."""
    for scene in bpy.data.scenes:
        for layer in scene.view_layers:
            layer.update()  # it may have been linked a moment ago
            if ob.name in layer.objects and layer.objects[ob.name] == ob:
                ob.hide_set(True, view_layer=layer)


def build_surface_object(
    loaded: LoadedHead, collection: bpy.types.Collection, location: Vector, seconds: float
) -> bpy.types.Object:
    """The colored surface as an object, 1 unit is 1 m, its face looking along -y; `location` in the world.

    `seconds`: what it took since the click, for the panel.
    """
    mesh = mesh_from_surface(loaded.surface, loaded.name)
    material = surface_material(loaded.name)
    if loaded.surface.colors is not None:
        # For Solid views that show textures, of which it has none: its average color instead of gray.
        material.diffuse_color = (*srgb_to_linear(loaded.surface.colors.mean(0) / 255.0), 1.0)
    mesh.materials.append(material)
    surface = bpy.data.objects.new(loaded.name, mesh)
    surface.location = location
    _note(surface, loaded, seconds)
    collection.objects.link(surface)
    return surface


def _note(head: bpy.types.Object, loaded: LoadedHead, seconds: float) -> None:
    note = head.photobust
    note.is_head = True
    note.folder = str(loaded.folder)
    note.photo = str(loaded.photo)
    note.manifest = loaded.record.compact()
    for photo in loaded.photos:
        note.photos.add().path = str(photo)
    note.seconds = seconds


def select_only(view_layer: bpy.types.ViewLayer, objects: Sequence[bpy.types.Object]) -> None:
    """Select these and make the first the active one, as Blender's own importers do."""
    for other in list(view_layer.objects.selected):
        other.select_set(False, view_layer=view_layer)
    for ob in objects:
        ob.select_set(True, view_layer=view_layer)
    view_layer.objects.active = objects[0]
