"""The face's controls: shapes in groups, expressions, recordings, where the eyes look. Needs bpy."""

from typing import ClassVar

import bpy

from ..animation import face_groups, gaze, sliders
from ..heads.armature import rig_of
from ..heads.build import PHOTO_SHAPE
from ..heads.lookup import require_head
from .sidebar import HeadPanel, SidebarPanel


class PHOTOBUST_PT_face(HeadPanel, bpy.types.Panel):
    """What moves the active head's face."""

    bl_label = "Face"
    bl_options = {"DEFAULT_CLOSED"}
    buttons: ClassVar[dict[str, str]] = {
        "photobust.look_target": "HIDE_OFF",
        "photobust.import_live_link": "IMPORT",
        "photobust.export_live_link": "EXPORT",
    }

    def draw(self, context: bpy.types.Context) -> None:
        head = require_head(context)
        column = self.layout.column(align=True)
        photo = head.data.shape_keys.key_blocks.get(PHOTO_SHAPE)
        if photo is not None:
            column.prop(photo, "value", text="As Photographed", slider=True)
        row = column.row(align=True)
        row.operator_menu_enum("photobust.face_pose", "pose", text="Expression", icon="MONKEY")
        row.operator("photobust.pose_assets", text="", icon="ASSET_MANAGER")
        row = column.row(align=True)
        row.prop(head.photobust, "mirror_shapes", icon="MOD_MIRROR", toggle=True)
        row.operator("photobust.flip_face", text="", icon="ARROW_LEFTRIGHT")
        row.operator("photobust.key_face", text="", icon="KEY_HLT")
        row.operator("photobust.reset_face", text="", icon="LOOP_BACK")
        column = self.layout.column(align=True)
        if rig_of(head) is not None:
            looking = gaze.target_of(head) is not None
            self.draw_button(column, context, "photobust.look_target", depress=looking)
        self.draw_button(column, context, "photobust.import_live_link")
        self.draw_button(column, context, "photobust.export_live_link")


def _draw_shapes(layout: bpy.types.UILayout, head: bpy.types.Object, group: str) -> None:
    """The sliders of a group; with mirrored editing one for both of a pair."""
    shapes = [shape for shape in sliders.shapes_of(head) if face_groups.group_of(shape) == group]
    column = layout.column(align=True)
    for pair in face_groups.rows(shapes):
        if len(pair) == 2 and head.photobust.mirror_shapes:
            name = face_groups.stem(pair[0])
            column.prop(head.photobust.mirrored, name, text=_slider_name(name, group), slider=True)
            continue
        # One below the other: beside each other, no name would be whole.
        for shape in pair:
            owner, path = sliders.owner_of(head, shape)
            column.prop(owner, path, text=_slider_name(shape, group), slider=True)


def _slider_name(shape: str, group: str) -> str:
    """A blendshape's name as short as a sidebar needs it beside a number: below Mouth, "Smile L"."""
    starts = face_groups.GROUPS[group]
    name = face_groups.stem(shape).removeprefix(starts[0] if len(starts) == 1 else "")
    if not face_groups.paired(shape):
        return name
    return f"{name} {'L' if shape.endswith(face_groups.LEFT) else 'R'}"


def _group_panel(group: str) -> type:
    def draw_header_preset(self: bpy.types.Panel, context: bpy.types.Context) -> None:
        row = self.layout.row()
        row.operator("photobust.reset_face", text="", icon="LOOP_BACK", emboss=False).group = group

    def draw(self: bpy.types.Panel, context: bpy.types.Context) -> None:
        _draw_shapes(self.layout, require_head(context), group)

    word = group.lower().replace(" ", "_")
    members = {
        "__doc__": f"The shapes of the group {group}.",
        "bl_idname": f"PHOTOBUST_PT_face_{word}",
        "bl_label": group,
        "bl_parent_id": "PHOTOBUST_PT_face",
        "bl_options": {"DEFAULT_CLOSED"},
        "draw": draw,
        "draw_header_preset": draw_header_preset,
    }
    return type(f"PHOTOBUST_PT_face_{word}", (SidebarPanel, bpy.types.Panel), members)


CLASSES: tuple[type, ...] = (PHOTOBUST_PT_face, *(_group_panel(group) for group in face_groups.GROUPS))
