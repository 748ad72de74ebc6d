"""Every difference between the Blenders from 3.4 to 5.0 that the add-on meets. Needs bpy."""

import bpy
import numpy as np

COLOR_ATTRIBUTE = "Color"


def set_vertex_colors(mesh: bpy.types.Mesh, colors: np.ndarray, name: str = COLOR_ATTRIBUTE) -> None:
    """Give `mesh` the colours (N, 3) uint8 sRGB, as the colour attribute that is shown and rendered."""
    attribute = mesh.color_attributes.new(name, "BYTE_COLOR", "POINT")
    # Blender stores the bytes in sRGB and takes them in linear light. (`color_srgb` came later than 3.4.)
    srgb = colors.astype(np.float32) / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    rgba = np.concatenate([linear, np.ones((len(linear), 1))], 1).astype(np.float32)
    attribute.data.foreach_set("color", rgba.ravel())
    mesh.color_attributes.active_color = attribute
    mesh.color_attributes.render_color_index = mesh.color_attributes.find(name)


def set_float_attribute(mesh: bpy.types.Mesh, name: str, values: np.ndarray) -> None:
    """Give `mesh` a float for each vertex: `values` (N,)."""
    attribute = mesh.attributes.new(name, "FLOAT", "POINT")
    attribute.data.foreach_set("value", np.ascontiguousarray(values, np.float32))


def shade_smooth(mesh: bpy.types.Mesh) -> None:
    """Smooth shading; the same property in every version, while operators and methods came and went."""
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))


def plain_colors(scene: bpy.types.Scene) -> None:
    """Show colours as they are: no film-like tone curve (Filmic before 4.0, AgX since)."""
    scene.display_settings.display_device = "sRGB"
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"
    scene.view_settings.exposure = 0.0
    scene.view_settings.gamma = 1.0


def set_renderer(scene: bpy.types.Scene, renderer: str) -> None:
    """Choose a renderer; Cycles is an add-on, which is not switched on everywhere."""
    if renderer == "CYCLES" and not hasattr(scene, "cycles"):
        bpy.ops.preferences.addon_enable(module="cycles")
    scene.render.engine = renderer


def is_plain_python() -> bool:
    """Whether this is the bpy module in an ordinary Python, and not Blender with a Python inside."""
    return not bpy.app.binary_path
