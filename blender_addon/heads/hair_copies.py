"""Copies of a head's hair for files. Needs bpy."""

import contextlib
from collections.abc import Iterator

import bpy

from ..blender.scratch_scene import mesh_as_shown
from . import facial_hair
from .hair import MARK, hair_of, hang, shown_of
from .hair_solid import without_tones


@contextlib.contextmanager
def hair_copies(
    context: bpy.types.Context, head: bpy.types.Object, copy: bpy.types.Object, curves: bool
) -> Iterator[tuple[bpy.types.Object, ...]]:
    """The hair that is shown, as it is shown, on a copy of its head.

    Args:
        context: Blender's.
        head: Whose hair it is.
        copy: Of the head, with an armature of its own or none.
        curves: Whether strands stay curves; otherwise the cards take their place.

    Yields:
        The copies, which bear the names of the originals: they are removed at the end.
    """
    shown = shown_of(head) if curves else shown_as_meshes(head)
    made = []
    try:
        for ob in shown:
            made.append((ob, ob.name, ob.data.name, _copied(context, ob, copy)))
        for ob, name, _, duplicate in made:
            ob.name, duplicate.name = "photobust original", name
            ob.data.name, duplicate.data.name = "photobust original", name
        yield tuple(duplicate for *_, duplicate in made)
    finally:
        for ob, name, data_name, duplicate in made:
            data = duplicate.data
            bpy.data.objects.remove(duplicate)
            (bpy.data.meshes if isinstance(data, bpy.types.Mesh) else bpy.data.hair_curves).remove(data)
            ob.name, ob.data.name = name, data_name


def shown_as_meshes(head: bpy.types.Object) -> list[bpy.types.Object]:
    """The hair that is shown, with cards in the place of strands, which are curves."""
    shown = shown_of(head)
    if any(ob[MARK] == "strands" for ob in shown):
        shown = [ob for ob in hair_of(head) if ob[MARK] == "cards" or (ob in shown and ob[MARK] != "strands")]
    facial = {ob[MARK] for ob in shown}.intersection(facial_hair.PARTS["strands"])
    if facial:
        names = {name.removesuffix(facial_hair.STRANDS) for name in facial}
        shown = [ob for ob in hair_of(head) if ob[MARK] in names or (ob in shown and ob[MARK] not in facial)]
    return shown


def _copied(context: bpy.types.Context, ob: bpy.types.Object, head: bpy.types.Object) -> bpy.types.Object:
    if ob[MARK] in facial_hair.PARTS["cards"]:
        one = facial_hair.copy_cards(ob, head)
        without_tones(one.data)
        context.scene.collection.objects.link(one)
        return one
    data = mesh_as_shown(context, ob) if ob.type == "MESH" else ob.data.copy()
    if isinstance(data, bpy.types.Mesh):
        without_tones(data)
    one = bpy.data.objects.new(ob.name, data)
    context.scene.collection.objects.link(one)
    hang(one, head)
    return one
