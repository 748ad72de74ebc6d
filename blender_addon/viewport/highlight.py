"""The Solid view's highlight, which is left out only as long as a head's texture shows. Needs bpy."""

import bpy

from ..blender import compat

#: Property of a screen: the numbers of those of its areas whose highlight is left out.
MARK = "photobust_highlight_left_out"
#: What Blender knows the subscription by.
_OWNER = object()


def leave_out(space: bpy.types.SpaceView3D) -> None:
    """Turn a 3D view's highlight off until its colors are no longer those of textures.

    Before Blender 4.0 it is so wide on all that has a texture that pupils are gray.
    """
    if compat.TEXTURES_HAVE_ROUGHNESS or not space.shading.show_specular_highlight:
        return
    screen = space.id_data
    number = next(k for k, area in enumerate(screen.areas) if area.spaces.active == space)
    space.shading.show_specular_highlight = False
    screen[MARK] = sorted({*screen.get(MARK, ()), number})


def restore() -> None:
    """Turn the highlight on again where it was left out for textures that no longer show."""
    for screen in bpy.data.screens:
        left_out = []
        for number in screen.get(MARK, ()):
            space = screen.areas[number].spaces.active if number < len(screen.areas) else None
            if space is None or space.type != "VIEW_3D":
                continue
            if space.shading.color_type == "TEXTURE":
                left_out.append(number)
            else:
                space.shading.show_specular_highlight = True
        if left_out:
            screen[MARK] = left_out
        elif MARK in screen:
            del screen[MARK]


def subscribe() -> None:
    """Hear of views whose colors change; to be called again when a file was opened."""
    unsubscribe()
    if not compat.TEXTURES_HAVE_ROUGHNESS:
        key = (bpy.types.View3DShading, "color_type")
        bpy.msgbus.subscribe_rna(key=key, owner=_OWNER, args=(), notify=restore)


def unsubscribe() -> None:
    """Hear of them no longer."""
    bpy.msgbus.clear_by_owner(_OWNER)
