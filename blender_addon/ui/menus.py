"""Entries in Blender's own menus: File > Import and Export, and Shift-A > Mesh. Needs bpy."""

import bpy


def register() -> None:
    """Add the entries."""
    bpy.types.TOPBAR_MT_file_export.append(_draw_export)
    bpy.types.TOPBAR_MT_file_import.append(_draw_import)
    bpy.types.VIEW3D_MT_mesh_add.append(_draw_add)


def unregister() -> None:
    """Take them away."""
    bpy.types.VIEW3D_MT_mesh_add.remove(_draw_add)
    bpy.types.TOPBAR_MT_file_import.remove(_draw_import)
    bpy.types.TOPBAR_MT_file_export.remove(_draw_export)


def _draw_export(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    menu.layout.operator("photobust.export_head", text="Photobust Head (.glb/.fbx/.obj/.usdc)")
    menu.layout.operator("photobust.export_live_link", text="Live Link Face (.csv)")


def _draw_import(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    menu.layout.operator("photobust.import_live_link", text="Live Link Face (.csv)")


def _draw_add(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    layout = menu.layout
    layout.separator()
    layout.operator_context = "INVOKE_DEFAULT"
    layout.operator("photobust.choose_photo", text="Head from Photo", icon="USER").reconstruct = True
