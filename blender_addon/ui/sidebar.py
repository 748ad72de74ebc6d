"""Where the add-on's panels are, and where what their operators say stands. Needs bpy."""

from collections.abc import Iterator
from typing import ClassVar

import bpy

from ..heads.lookup import active_head, is_animation_ready
from ..state import session
from .text import draw_message


class SidebarPanel:
    """Mixin: a panel in the sidebar of 3D views, on the add-on's tab."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Photobust"

    #: Operators, with their icons, whose buttons have their messages below them: see `draw_button`. What
    #: other operators say stands in the panel of the photo.
    buttons: ClassVar[dict[str, str]] = {}

    def draw_button(
        self,
        layout: bpy.types.UILayout,
        context: bpy.types.Context,
        operator: str,
        depress: bool = False,
        scale: float = 1.2,
    ) -> None:
        """The button of an operator among `buttons`, with what the operator said last below it."""
        row = layout.row(align=True)
        row.scale_y = scale
        row.operator(operator, icon=self.buttons[operator], depress=depress)
        message = session.current().message
        if message.text and message.operator == operator:
            draw_message(layout, context, message.level, message.text)


class HeadPanel(SidebarPanel):
    """Mixin: a panel of the sidebar that is there for animation-ready heads only."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Whether the active head has blendshapes and bones."""
        return is_animation_ready(active_head(context))


def draw_choices(layout: bpy.types.UILayout, owner: bpy.types.bpy_struct, name: str, columns: int) -> None:
    """A button for each choice of a property, in so many columns: in one row, their words would be cut."""
    grid = layout.grid_flow(row_major=True, columns=columns, even_columns=True, align=True)
    for item in owner.bl_rna.properties[name].enum_items:
        grid.prop_enum(owner, name, item.identifier)


def panels(base: type[SidebarPanel] = SidebarPanel) -> Iterator[type[SidebarPanel]]:
    """All panels of the sidebar, and their mixins."""
    yield base
    for panel in base.__subclasses__():
        yield from panels(panel)


def stands_below_button(operator: str) -> bool:
    """Whether a panel shows what an operator says below the operator's button."""
    return any(operator in panel.buttons for panel in panels())
