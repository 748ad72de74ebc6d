"""The panel's third part: what works on any mesh, not only on heads. Needs bpy."""

import bpy


class PHOTOBUST_PT_mesh(bpy.types.Panel):
    """Tools for the active mesh."""

    bl_label = "Mesh"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Photobust"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.active_object is not None and context.active_object.type == "MESH"

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        column.scale_y = 1.2
        column.operator("photobust.retopologize", icon="MOD_REMESH")
