"""The add-on's preferences, as Blender shows them. Needs bpy."""

import bpy
from bpy.props import BoolProperty, StringProperty

from ..state import settings
from . import engine_box, help_panel


def _engine_chosen(_preferences: "PhotobustPreferences", context: bpy.types.Context) -> None:
    # Blender takes no answer from it.
    settings.check_engine(context, again=True)


class PhotobustPreferences(bpy.types.AddonPreferences):
    """Drawn by Blender in Preferences > Add-ons."""

    bl_idname = settings.PACKAGE

    engine_python: StringProperty(
        name="Python of the Engine",
        description="A Python program that has the engine's packages; empty to use the engine set up here",
        subtype="FILE_PATH",
        update=_engine_chosen,
    )
    results_folder: StringProperty(
        name="Results",
        description="Folder for the files of reconstructed heads; empty: beside the .blend file, or in your"
        " documents while there is none",
        subtype="DIR_PATH",
    )
    show_colors: BoolProperty(
        name="Show Colors after a Run",
        description="Let the Solid view that the button was pressed in show the head's colors",
        default=True,
    )

    frame_head: BoolProperty(
        name="View the Head after a Run",
        description="Turn the view that the button was pressed in to the head's front",
        default=True,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """The engine first: without it nothing goes."""
        engine_box.draw(self.layout, context)
        column = self.layout.column()
        column.use_property_split = True
        column.prop(self, "engine_python")
        column.prop(self, "results_folder")
        if not self.results_folder:
            column.label(text=f"Now: {settings.results_folder(context)}")
        column.prop(self, "show_colors")
        column.prop(self, "frame_head")
        help_panel.draw_links(self.layout.row())
