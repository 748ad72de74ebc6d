"""What the 3D view shows after a button was pressed in it. Needs bpy."""

from collections.abc import Sequence

import bpy
from mathutils import Quaternion, Vector

from ..heads.confidence import shows_confidence
from ..heads.hair import MARK as HAIR_MARK
from ..heads.lookup import is_animation_ready
from . import highlight

#: Blender's front view, along +y: what looks along -y, as heads do, looks at the viewer.
FRONT = Quaternion((1.0, 0.0, 0.0), 1.5707963267948966)
#: Colors of the Solid view that show a head or not, depending on its kind; the others are the user's wish.
SWITCHED = ("MATERIAL", "VERTEX", "TEXTURE")


def color_type(head: bpy.types.Object) -> str:
    """The colors that the Solid view has to show for a head to have its own."""
    return "TEXTURE" if is_animation_ready(head) and not shows_confidence(head) else "VERTEX"


def hides_colors(context: bpy.types.Context, head: bpy.types.Object) -> bool:
    """Whether the view is a Solid one that shows other colors than the head's."""
    space = _space(context)
    return (
        space is not None and space.shading.type == "SOLID" and space.shading.color_type != color_type(head)
    )


def show_colors(context: bpy.types.Context, head: bpy.types.Object, always: bool = True) -> None:
    """Let a Solid view show the head's own colors; unless `always`, only instead of those in `SWITCHED`."""
    space = _space(context)
    if space is None or space.shading.type != "SOLID":
        return
    if always or space.shading.color_type in SWITCHED:
        space.shading.color_type = color_type(head)
        if space.shading.color_type == "TEXTURE":
            highlight.leave_out(space)
        highlight.restore()


def frame_from_front(context: bpy.types.Context, objects: Sequence[bpy.types.Object], alone: bool) -> bool:
    """Turn the view to the front of the selected objects.

    Args:
        context: Blender's, with the view that the button was pressed in.
        objects: The selected objects. A view that is in Local View gets them too.
        alone: Show only these, in Local View; nothing is hidden for other views.

    Returns:
        Whether the view is in Local View.
    """
    space = _space(context)
    if space is None or space.region_3d is None or space.region_quadviews:
        return False
    view = space.region_3d
    if view.view_perspective == "CAMERA":
        view.view_perspective = "PERSP"
    view.view_rotation = FRONT
    region = next(region for region in context.area.regions if region.type == "WINDOW")
    # In one go: Blender 3.4 forgets the view of a timer's context once it was overridden.
    with context.temp_override(area=context.area, region=region):
        bpy.ops.view3d.view_selected()
        if alone and space.local_view is None:
            bpy.ops.view3d.localview(frame_selected=False)
    if space.local_view is None:
        return False
    for ob in objects:
        ob.local_view_set(space, True)
    return True


def in_local_view(context: bpy.types.Context) -> bool:
    """Whether the view shows only some objects."""
    space = _space(context)
    return space is not None and space.local_view is not None


def through_camera(context: bpy.types.Context) -> None:
    """Let the view look through the scene's camera."""
    space = _space(context)
    if space is not None and space.region_3d is not None:
        # A view in Local View does not follow the scene's camera by itself.
        if space.camera != context.scene.camera:
            space.camera = context.scene.camera
        space.region_3d.view_perspective = "CAMERA"


def enclosing(context: bpy.types.Context, points: Sequence[Vector]) -> bpy.types.Object | None:
    """A visible object whose box has one of `points` (world) inside, such as the default cube; else None."""
    for candidate in context.visible_objects:
        if candidate.type != "MESH" or candidate.photobust.is_head or HAIR_MARK in candidate:
            continue
        if min(abs(value) for value in candidate.matrix_world.to_scale()) < 1e-9:
            continue
        inverse = candidate.matrix_world.inverted()
        corners = [Vector(corner) for corner in candidate.bound_box]
        for point in (inverse @ point for point in points):
            if all(min(c[k] for c in corners) < point[k] < max(c[k] for c in corners) for k in range(3)):
                return candidate
    return None


def _space(context: bpy.types.Context) -> bpy.types.SpaceView3D | None:
    """The 3D view that the button was pressed in."""
    space = context.space_data
    return space if space is not None and space.type == "VIEW_3D" else None
