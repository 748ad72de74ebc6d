"""A scene of its own to work on meshes in, out of the user's sight. Needs bpy."""

import contextlib
from collections.abc import Iterator

import bpy

NAME = "photobust scratch_scene"


@contextlib.contextmanager
def scratch_scene() -> Iterator[bpy.types.Scene]:
    """An empty scene; it and the objects that are left in it are removed at the end, their meshes are not."""
    scene = bpy.data.scenes.new(NAME)
    name = scene.name
    try:
        yield scene
    finally:
        # A reference from before edit mode may be worth nothing; the name is.
        scene = bpy.data.scenes[name]
        for ob in list(scene.collection.objects):
            bpy.data.objects.remove(ob)
        bpy.data.scenes.remove(scene)


def evaluated(scene: bpy.types.Scene, one: bpy.types.Object) -> bpy.types.Mesh:
    """A new mesh data-block: what an object in the scene looks like with its modifiers and shape keys."""
    layer = scene.view_layers[0]
    layer.update()
    graph = layer.depsgraph
    return bpy.data.meshes.new_from_object(
        one.evaluated_get(graph), preserve_all_data_layers=True, depsgraph=graph
    )


def mesh_as_shown(context: bpy.types.Context, one: bpy.types.Object) -> bpy.types.Mesh:
    """A new mesh data-block: what an object looks like at this moment, or would if it were not hidden."""
    copy = one.copy()  # Blender works out nothing of what is hidden
    copy.hide_viewport = False
    context.scene.collection.objects.link(copy)
    try:
        graph = context.evaluated_depsgraph_get()
        graph.update()
        return bpy.data.meshes.new_from_object(
            copy.evaluated_get(graph), preserve_all_data_layers=True, depsgraph=graph
        )
    finally:
        bpy.data.objects.remove(copy)


def modified(mesh: bpy.types.Mesh, kind: str, **settings: object) -> bpy.types.Mesh:
    """A new mesh data-block: what a modifier makes of a mesh."""
    with scratch_scene() as scene:
        one = bpy.data.objects.new(NAME, mesh)
        scene.collection.objects.link(one)
        modifier = one.modifiers.new(NAME, kind)
        for name, value in settings.items():
            setattr(modifier, name, value)
        return evaluated(scene, one)


@contextlib.contextmanager
def edit_mode(context: bpy.types.Context, scene: bpy.types.Scene, one: bpy.types.Object) -> Iterator[None]:
    """Edit Mode of an object in the scene, all of it selected, for operators that work only there."""
    layer = scene.view_layers[0]
    layer.objects.active = one
    one.select_set(True, view_layer=layer)
    layer.update()
    objects = {"active_object": one, "object": one, "selected_objects": [one]}
    with context.temp_override(scene=scene, view_layer=layer, **objects):
        bpy.ops.object.mode_set(mode="EDIT")
    modes = {"edit_object": one, "objects_in_mode": [one], "objects_in_mode_unique_data": [one]}
    try:
        with context.temp_override(scene=scene, view_layer=layer, **objects, **modes):
            bpy.ops.mesh.select_all(action="SELECT")
            yield
    finally:
        with context.temp_override(scene=scene, view_layer=layer, **objects, **modes):
            bpy.ops.object.mode_set(mode="OBJECT")
