"""Every difference between the Blenders from 3.4 to 5.3 that the add-on meets. Needs bpy."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import blf
import bpy
import numpy as np
from mathutils import Matrix

from .srgb import srgb_to_linear

COLOR_ATTRIBUTE = "Color"
#: Index of refraction of the cornea.
CORNEA_IOR = 1.376
#: Blender's name of the group that glTF's exporter looks into, and its inputs with what they are unlinked.
GLTF_GROUP = "glTF Material Output"
GLTF_INPUTS = {"Occlusion": 0.0, "Thickness": 0.0}
#: Base class of what handles files dropped into a window: since 4.1.
FILE_HANDLER: type | None = getattr(bpy.types, "FileHandler", None)
#: Eevee's name: the one that came with 4.2 bore another until it alone was left.
EEVEE = "BLENDER_EEVEE_NEXT" if (4, 2, 0) <= bpy.app.version < (5, 0, 0) else "BLENDER_EEVEE"
#: Whether a Solid view colored by texture takes materials' roughness, or one roughness for all of them.
TEXTURES_HAVE_ROUGHNESS = bpy.app.version >= (4, 0, 0)


def set_vertex_colors(mesh: bpy.types.Mesh, colors: np.ndarray, name: str = COLOR_ATTRIBUTE) -> None:
    """Give a mesh a color attribute, which is shown and rendered.

    Args:
        mesh: The mesh.
        colors: (N, 3) uint8 sRGB, of its vertices.
        name: The attribute's name.
    """
    attribute = mesh.color_attributes.new(name, "BYTE_COLOR", "POINT")
    # Blender stores the bytes in sRGB and takes them in linear light. (`color_srgb` came later than 3.4.)
    linear = srgb_to_linear(colors.astype(np.float32) / 255.0)
    rgba = np.concatenate([linear, np.ones((len(linear), 1))], 1).astype(np.float32)
    attribute.data.foreach_set("color", rgba.ravel())
    mesh.color_attributes.active_color = attribute
    mesh.color_attributes.render_color_index = mesh.color_attributes.find(name)


def set_float_attribute(mesh: bpy.types.Mesh, name: str, values: np.ndarray) -> None:
    """Give a mesh a float for each vertex.

    Args:
        mesh: The mesh.
        name: The attribute's name.
        values: (N,) float.
    """
    attribute = mesh.attributes.new(name, "FLOAT", "POINT")
    attribute.data.foreach_set("value", np.ascontiguousarray(values, np.float32))


def set_vertex_normals(mesh: bpy.types.Mesh, normals: np.ndarray) -> None:
    """Let a mesh shade as if its surface had other normals than it has.

    Args:
        mesh: The mesh.
        normals: (N, 3) float32, of its vertices.
    """
    if hasattr(mesh, "use_auto_smooth"):  # until 4.0 a mesh showed none without
        mesh.use_auto_smooth = True
    mesh.normals_split_custom_set_from_vertices(normals.tolist())


def set_edge_creases(mesh: bpy.types.Mesh, values: np.ndarray) -> None:
    """Say how sharp edges stay when a mesh is subdivided; an attribute since 4.0.

    Args:
        mesh: The mesh.
        values: (E,) float32, 0..1.
    """
    if bpy.app.version < (4, 0, 0):
        mesh.edges.foreach_set("crease", values)
        return
    attribute = mesh.attributes.get("crease_edge") or mesh.attributes.new("crease_edge", "FLOAT", "EDGE")
    attribute.data.foreach_set("value", values)


def set_face_sizes(mesh: bpy.types.Mesh, corners: int) -> None:
    """Say that all faces of a mesh have so many corners; since 4.1 that follows from where they start."""
    if bpy.app.version < (4, 1, 0):
        mesh.polygons.foreach_set("loop_total", np.full(len(mesh.polygons), corners, np.int32))


def shade_smooth(mesh: bpy.types.Mesh) -> None:
    """Smooth shading; the same property in every version, while operators and methods came and went."""
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))


def plain_colors(scene: bpy.types.Scene) -> None:
    """Show colors as they are: no film-like tone curve (Filmic before 4.0, AgX since)."""
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


def sync_layers(scene: bpy.types.Scene) -> None:
    """Make a new scene ready to be written: 5.2 crashes on one whose view layers were never updated."""
    for layer in scene.view_layers:
        layer.update()


def is_plain_python() -> bool:
    """Whether this is the bpy module in an ordinary Python, and not Blender with a Python inside."""
    return not bpy.app.binary_path


def extension_user_folder(package: str) -> Path:
    """Folder of the user's that the add-on `package` may write to; it outlives updates of the add-on."""
    if package.startswith("bl_ext."):  # an extension, which there are since 4.2
        return Path(bpy.utils.extension_path_user(package, create=True))
    folder = bpy.utils.user_resource("DATAFILES", path="photobust", create=True)
    # Where the user's folder cannot be written to, Blender gives an empty name.
    # Nothing is run from a folder that others can write to, as the one for temporary files is.
    return Path(folder or Path.home() / ".photobust")


def online_access() -> bool:
    """Whether the user allows add-ons to use the network; before 4.2 Blender did not ask."""
    return bool(getattr(bpy.app, "online_access", True))


def draw_progress(layout: bpy.types.UILayout, owner: bpy.types.bpy_struct, name: str) -> None:
    """A progress bar that shows `owner`'s property `name`, a percentage."""
    if hasattr(layout, "progress"):  # since 4.0
        percent = getattr(owner, name)
        layout.progress(factor=percent / 100.0, text=f"{percent:.0f}%")
    else:
        layout.prop(owner, name, text="", slider=True)


def text_width(text: str, points: float) -> float:
    """Width of a text in Blender's interface font at so many points, pixels at scale 1."""
    if bpy.app.version < (4, 0, 0):
        blf.size(0, points, 72)  # dots per inch; later versions take pixels only
    else:
        blf.size(0, points)
    return float(blf.dimensions(0, text)[0])


def use_nodes(material: bpy.types.Material) -> None:
    """Give `material` a node tree; since 5.0 each has one, and saying so is deprecated."""
    if material.node_tree is None:
        material.use_nodes = True


def set_specular(principled: bpy.types.Node, value: float) -> None:
    """Strength of the Principled shader's reflection at grazing light; renamed in 4.0."""
    name = "Specular IOR Level" if "Specular IOR Level" in principled.inputs else "Specular"
    principled.inputs[name].default_value = value


def set_coat(principled: bpy.types.Node, roughness: float) -> None:
    """Put a clear coat, as of an eye, over the Principled shader's material; renamed in 4.0."""
    prefix = "Coat" if "Coat Weight" in principled.inputs else "Clearcoat"
    principled.inputs["Coat Weight" if prefix == "Coat" else prefix].default_value = 1.0
    principled.inputs[f"{prefix} Roughness"].default_value = roughness
    if "Coat IOR" in principled.inputs:  # before, it is glass
        principled.inputs["Coat IOR"].default_value = CORNEA_IOR


def set_subsurface(principled: bpy.types.Node, weight: float, radius: tuple[float, float, float]) -> None:
    """Let light go into the Principled shader's material, `radius` meters deep by channel.

    Until 3.6 the weight also scaled the radius, and there was a color of its own for what comes out again;
    since 4.0 the radius is multiplied by a scale.
    """
    inputs = principled.inputs
    if "Subsurface Weight" in inputs:
        inputs["Subsurface Weight"].default_value = weight
        inputs["Subsurface Scale"].default_value = max(radius)
        inputs["Subsurface Radius"].default_value = [value / max(radius) for value in radius]
    else:
        inputs["Subsurface"].default_value = weight
        inputs["Subsurface Radius"].default_value = [value / weight for value in radius]


def subsurface_weight(principled: bpy.types.Node) -> bpy.types.NodeSocket | None:
    """The input for the fraction of light that goes into the Principled shader's material.

    None until 3.6: there all light goes in, and "Subsurface" scales how deep and chooses the color.
    """
    return principled.inputs.get("Subsurface Weight")


def gltf_group() -> bpy.types.NodeTree:
    """The group in which Blender's glTF exporter looks for what its shaders have no input for."""
    group = bpy.data.node_groups.get(GLTF_GROUP)
    if group is not None:
        sockets = group.interface.items_tree if hasattr(group, "interface") else group.inputs
        if all(any(socket.name == name for socket in sockets) for name in GLTF_INPUTS):
            return group
    group = bpy.data.node_groups.new(GLTF_GROUP, "ShaderNodeTree")
    for name, value in GLTF_INPUTS.items():
        if hasattr(group, "interface"):
            socket = group.interface.new_socket(name, in_out="INPUT", socket_type="NodeSocketFloat")
        else:  # until 3.6
            socket = group.inputs.new("NodeSocketFloat", name)
        socket.default_value = value
    group.nodes.new("NodeGroupInput").location = (-200, 0)
    group.nodes.new("NodeGroupOutput")
    return group


def base_colors(principled: bpy.types.Node) -> list[bpy.types.NodeSocket]:
    """The inputs of the Principled shader that take its color: until 3.6 one for its depth, too."""
    names = ("Base Color", "Subsurface Color")
    return [principled.inputs[name] for name in names if name in principled.inputs]


def let_light_through(material: bpy.types.Material) -> None:
    """Draw the material's alpha in Eevee; Cycles and, since 4.2, Eevee's default need no setting."""
    _set_blending(material, "DITHERED", "HASHED", "HASHED")


def set_reflection(principled: bpy.types.Node, fraction: float) -> None:
    """Let the Principled shader reflect a fraction of the light that comes straight, 0..1.

    Since 4.0 by its index of refraction; before, that was for what it lets through, and "Specular" is a
    fraction of 0.08, which may be more than 1.
    """
    if "Specular IOR Level" in principled.inputs:
        principled.inputs["IOR"].default_value = refraction_for(fraction)
    else:
        principled.inputs["Specular"].default_value = fraction / 0.08


def reflection(principled: bpy.types.Node) -> float:
    """The fraction of the light that `set_reflection` has set."""
    if "Specular IOR Level" in principled.inputs:
        index = principled.inputs["IOR"].default_value
        return float(((index - 1) / (index + 1)) ** 2)
    return float(principled.inputs["Specular"].default_value * 0.08)


def refraction_for(fraction: float) -> float:
    """The index of refraction that reflects a fraction of the light that comes straight (Fresnel)."""
    root = fraction**0.5
    return (1 + root) / (1 - root)


def blend_smoothly(material: bpy.types.Material) -> None:
    """Draw the material's alpha in Eevee without grain and without shadows, for what is all but clear."""
    _set_blending(material, "BLENDED", "BLEND", "NONE")


def _set_blending(material: bpy.types.Material, method: str, old_method: str, old_shadow: str) -> None:
    """Choose how Eevee draws alpha: since 4.2 by one method, before by one for it and one for its shadow."""
    if hasattr(material, "surface_render_method"):
        material.surface_render_method = method
    else:
        material.blend_method = old_method
        material.shadow_method = old_shadow


def add_geometry_sockets(group: bpy.types.NodeTree) -> None:
    """Give a group of geometry nodes the input and the output of a modifier."""
    for direction in ("INPUT", "OUTPUT"):
        if hasattr(group, "interface"):
            group.interface.new_socket("Geometry", in_out=direction, socket_type="NodeSocketGeometry")
        else:  # until 3.6
            sockets = group.inputs if direction == "INPUT" else group.outputs
            sockets.new("NodeSocketGeometry", "Geometry")


def has_operator(operator: Any) -> bool:
    """Whether this Blender has an operator such as `bpy.ops.wm.usd_export`; Debian's has no USD."""
    try:
        operator.get_rna_type()
    except KeyError:
        return False
    return True


def known_options(operator: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Those options of an operator that this Blender knows: importers and exporters get new ones often."""
    known = {prop.identifier for prop in operator.get_rna_type().properties}
    return {name: value for name, value in options.items() if name in known}


def image_strip(scene: bpy.types.Scene, path: Path) -> Any:
    """A strip of pictures, the first of them at `path`, in the scene's sequencer from frame 1 on."""
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences  # renamed in 4.4
    strip = strips.new_image(path.stem, str(path.absolute()), 1, 1)
    strip.transform.scale_x = strip.transform.scale_y = 1.0
    return strip


def set_up_video(scene: bpy.types.Scene) -> None:
    """Make the scene's animation an MP4 in H.264, without sound."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):  # since 5.0, where it decides which formats there are
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    settings.color_mode = "RGB"
    video = scene.render.ffmpeg
    video.format, video.codec, video.audio_codec = "MPEG4", "H264", "NONE"
    video.constant_rate_factor, video.ffmpeg_preset = "PERC_LOSSLESS", "GOOD"
    video.gopsize, video.use_autosplit = 18, False


def set_license(asset: bpy.types.AssetMetaData, license_text: str) -> bool:
    """Note an asset's license; whether this Blender's assets have a place for it: since 3.5."""
    if not hasattr(asset, "license"):
        return False
    asset.license = license_text
    return True


def registered_properties(block: bpy.types.ID) -> Any:
    """Where the values of properties that add-ons register are kept, as a dictionary by their names.

    Since 5.0 apart from the user's own properties, among which they were before.
    """
    if hasattr(block, "bl_system_properties_get"):
        return block.bl_system_properties_get(do_create=True)
    return block


def denoise(scene: bpy.types.Scene) -> bool:
    """Let Cycles remove noise with Open Image Denoise; whether this Blender has it: Debian's has not."""
    try:
        scene.cycles.denoiser = "OPENIMAGEDENOISE"
    except TypeError:
        scene.cycles.use_denoising = False
    else:
        scene.cycles.use_denoising = True
    return bool(scene.cycles.use_denoising)


def set_text_size(pixels: float) -> None:
    """Size of the interface's font for what is drawn over a view."""
    if bpy.app.version < (4, 0, 0):
        blf.size(0, pixels, 72)
    else:
        blf.size(0, pixels)


class ColoredMesh:
    """A mesh ready to be drawn, often, in a 3D view; made and used inside draw handlers."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray) -> None:
        """Hand it to the graphics card.

        Args:
            vertices: (N, 3) float32.
            faces: (M, 3) int32.
            colors: (N, 4) float32, sRGB with alpha.
        """
        import gpu
        from gpu_extras.batch import batch_for_shader

        self._shader = gpu.shader.from_builtin(_smooth_color_shader())
        contents = {"pos": vertices, "color": colors}
        self._batch = batch_for_shader(self._shader, "TRIS", contents, indices=faces)

    def draw(self, matrix: Matrix) -> None:
        """Draw it where `matrix` puts it in the world, behind what is before it."""
        import gpu

        gpu.state.depth_test_set("LESS_EQUAL")
        gpu.state.depth_mask_set(True)
        try:
            with gpu.matrix.push_pop():
                gpu.matrix.multiply_matrix(matrix)
                self._batch.draw(self._shader)
        finally:
            gpu.state.depth_mask_set(False)
            gpu.state.depth_test_set("NONE")


def _smooth_color_shader() -> str:
    # The shaders lost the number of dimensions in their names with 4.0.
    return "SMOOTH_COLOR" if bpy.app.version >= (4, 0, 0) else "3D_SMOOTH_COLOR"


def draw_triangles(
    positions: Sequence[tuple[float, float, float]], colors: Sequence[tuple[float, float, float, float]]
) -> None:
    """Draw triangles over a region, three corners each; inside a draw handler.

    Args:
        positions: Of the corners, region pixels.
        colors: Of the corners, with alpha.
    """
    import gpu
    from gpu_extras.batch import batch_for_shader

    shader = gpu.shader.from_builtin(_smooth_color_shader())
    batch = batch_for_shader(shader, "TRIS", {"pos": positions, "color": colors})
    gpu.state.blend_set("ALPHA")
    try:
        batch.draw(shader)
    finally:
        gpu.state.blend_set("NONE")
