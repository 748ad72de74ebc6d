"""What the 3D view shows after a button was pressed in it. Needs bpy."""

from collections.abc import Sequence

import bpy
from mathutils import Vector

from ..heads.lookup import is_animation_ready


def show_heads(context: bpy.types.Context, *, show_colors: bool, frame: bool) -> None:
    """Let the view that the button was pressed in show the selected heads, as far as the user wants that."""
    space = context.space_data
    if space is None or space.type != "VIEW_3D":
        return
    solid = space.shading.type == "SOLID" and space.shading.color_type == "MATERIAL"
    if show_colors and solid:
        space.shading.color_type = "TEXTURE" if is_animation_ready(context.active_object) else "VERTEX"
    if frame and space.region_3d is not None and not space.region_quadviews:
        region = next(region for region in context.area.regions if region.type == "WINDOW")
        with context.temp_override(area=context.area, region=region):
            bpy.ops.view3d.view_selected()


def through_camera(context: bpy.types.Context) -> None:
    """Let the view look through the scene's camera."""
    space = context.space_data
    if space is not None and space.type == "VIEW_3D" and space.region_3d is not None:
        space.region_3d.view_perspective = "CAMERA"


def around(context: bpy.types.Context, places: Sequence[Vector]) -> bpy.types.Object | None:
    """A visible object whose box has one of `places` (world) inside, such as the default cube; else None."""
    for candidate in context.visible_objects:
        if candidate.type != "MESH" or candidate.photobust.is_head:
            continue
        if min(abs(value) for value in candidate.matrix_world.to_scale()) < 1e-9:
            continue
        inverse = candidate.matrix_world.inverted()
        corners = [Vector(corner) for corner in candidate.bound_box]
        for place in (inverse @ place for place in places):
            if all(min(c[k] for c in corners) < place[k] < max(c[k] for c in corners) for k in range(3)):
                return candidate
    return None
