"""Pictures of reconstructed heads. Needs bpy.

A picture is made in a scene of its own, which is removed afterward with all that was made for it: the
user's scenes, selection and settings are not touched.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..blender import compat
from ..blender.images import load_picture, save_png
from ..heads.ply import SurfaceMesh, read_ply
from ..heads.surface_import import mesh_from_surface
from .renderers import CYCLES, WORKBENCH, WorkbenchProbe, render_file

__all__ = [
    "CYCLES",
    "WORKBENCH",
    "WorkbenchProbe",
    "better_side",
    "render_preview",
    "render_views",
    "visible_side",
]

#: Middle of the head in the head frame, meters: core.geometry.frames.HEAD_CENTER, which an add-on cannot
#: import.
HEAD_CENTER = (0.0, 0.065, -0.01)
#: Side of the square that one view shows, meters: the same for every head, so that sizes can be compared.
VIEW_SIZE = 0.30
#: Turns about the vertical axis, degrees, of the views of a preview.
PREVIEW_TURNS = (0.0, 40.0, 90.0)
BACKGROUND = (56, 58, 62)
CYCLES_SAMPLES = 8
SOFT_LIGHT = "paint.sl"


def render_preview(
    surface: str | os.PathLike,
    out: str | os.PathLike,
    *,
    photo: str | os.PathLike | None = None,
    size: int = 512,
    renderer: str = WORKBENCH,
) -> Path:
    """Write a PNG of a surface: the photo, then three views, from the front, three-quarter and from the side
    that the photo saw better.

    Args:
        surface: A surface.ply.
        out: The PNG.
        photo: A square picture of the face; None to leave it out.
        size: Height, pixels.
        renderer: What renders.

    Returns:
        The PNG.
    """
    mesh = read_ply(surface)
    sign = visible_side(mesh)
    views = render_views(mesh, [sign * turn for turn in PREVIEW_TURNS], size, renderer)
    pictures = [*([load_picture(photo, size)[..., :3]] if photo else []), views]
    return save_png(out, np.concatenate(pictures, 1))


def render_views(mesh: SurfaceMesh, turns: Sequence[float], size: int, renderer: str) -> np.ndarray:
    """Views of a head side by side.

    Args:
        mesh: Its surface.
        turns: Degrees about the vertical axis; positive ones show the subject's right side.
        size: Height of the views, pixels.
        renderer: What renders.

    Returns:
        (size, size * len(turns), 3) uint8 sRGB.
    """
    with _scene(renderer) as scene, tempfile.TemporaryDirectory(prefix="photobust-") as folder:
        data = mesh_from_surface(mesh, "photobust head")
        data.materials.append(_vertex_color_material())
        for k, turn in enumerate(turns):
            view = bpy.data.objects.new(f"photobust view {k}", data)
            # One picture for all views: they share the mesh, so it is prepared for rendering once.
            shift = Matrix.Translation(((k - (len(turns) - 1) / 2) * VIEW_SIZE, 0.0, 0.0))
            center = Matrix.Translation(-Vector(HEAD_CENTER))
            view.matrix_world = shift @ Matrix.Rotation(np.radians(turn), 4, "Z") @ center
            scene.collection.objects.link(view)
        _add_camera(scene, len(turns))
        scene.render.resolution_x, scene.render.resolution_y = size * len(turns), size
        path = Path(folder) / "views.png"
        render_file(scene, path)
        rgba = load_picture(path).astype(np.float32)
    alpha = rgba[..., 3:] / 255.0
    return np.rint(rgba[..., :3] * alpha + np.array(BACKGROUND) * (1.0 - alpha)).astype(np.uint8)


def visible_side(mesh: SurfaceMesh) -> float:
    """+1 if the photo saw the subject's right side (x < 0) better, else -1."""
    if mesh.confidence is None:
        return 1.0
    return better_side(mesh.vertices, mesh.confidence)


def better_side(vertices: np.ndarray, confidence: np.ndarray) -> float:
    """Tell which side of a head the photo shows better.

    Args:
        vertices: (N, 3) float, head frame, meters.
        confidence: (N,) float, how well the photo shows each vertex, 0..1.

    Returns:
        +1 for the head's right side (x < 0), else -1.
    """
    return 1.0 if float(np.sum(confidence * np.sign(vertices[:, 0]))) <= 0 else -1.0


@contextlib.contextmanager
def _scene(renderer: str) -> Iterator[bpy.types.Scene]:
    """A scene set up for `renderer`; removed at the end with all the data-blocks made for it."""
    kinds = ("worlds", "objects", "meshes", "cameras", "lights", "materials")
    before = {kind: set(getattr(bpy.data, kind).keys()) for kind in kinds}
    scene = bpy.data.scenes.new("photobust")
    try:
        compat.plain_colors(scene)
        compat.set_renderer(scene, renderer)
        scene.render.film_transparent = True
        scene.render.resolution_percentage = 100
        scene.render.image_settings.file_format = "PNG"
        scene.render.image_settings.color_mode = "RGBA"
        if renderer == WORKBENCH:
            _set_up_workbench(scene)
        else:
            _set_up_cycles(scene)
        yield scene
    finally:
        bpy.data.scenes.remove(scene)
        for kind in kinds:
            blocks = getattr(bpy.data, kind)
            for name in set(blocks.keys()) - before[kind]:
                if name.startswith("photobust"):
                    blocks.remove(blocks[name])


def _set_up_workbench(scene: bpy.types.Scene) -> None:
    # Each further sample draws all again, which without a graphics card takes seconds.
    scene.display.render_aa = "FXAA"
    shading = scene.display.shading
    shading.light = "STUDIO"
    shading.color_type = "VERTEX"
    shading.show_specular_highlight = False
    # The colors were lit once already, in the photo: a soft light, and some exposure to make up for it.
    scene.view_settings.exposure = 0.9
    if SOFT_LIGHT in (light.name for light in bpy.context.preferences.studio_lights):
        shading.studio_light = SOFT_LIGHT
        scene.view_settings.exposure = 0.35


def _set_up_cycles(scene: bpy.types.Scene) -> None:
    scene.cycles.device = "CPU"
    scene.cycles.samples = CYCLES_SAMPLES
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    scene.cycles.max_bounces = 0
    scene.world = bpy.data.worlds.new("photobust")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.45, 0.45, 0.45, 1.0)
    for name, energy, direction in (("key", 1.6, (-0.5, 1.0, -0.7)), ("fill", 0.5, (0.9, 0.6, 0.1))):
        light = bpy.data.lights.new(f"photobust {name}", "SUN")
        light.energy = energy
        lamp = bpy.data.objects.new(light.name, light)
        lamp.rotation_euler = Vector(direction).to_track_quat("-Z", "Y").to_euler()
        scene.collection.objects.link(lamp)


def _vertex_color_material() -> bpy.types.Material:
    material = bpy.data.materials.new("photobust")
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    color = nodes.new("ShaderNodeVertexColor")
    color.layer_name = compat.COLOR_ATTRIBUTE
    diffuse = nodes.new("ShaderNodeBsdfDiffuse")
    output = nodes.new("ShaderNodeOutputMaterial")
    links.new(color.outputs["Color"], diffuse.inputs["Color"])
    links.new(diffuse.outputs["BSDF"], output.inputs["Surface"])
    return material


def _add_camera(scene: bpy.types.Scene, views: int) -> None:
    data = bpy.data.cameras.new("photobust")
    data.type = "ORTHO"
    data.sensor_fit = "HORIZONTAL"
    data.ortho_scale = VIEW_SIZE * views
    data.clip_start, data.clip_end = 0.1, 5.0
    camera = bpy.data.objects.new("photobust camera", data)
    camera.location = (0.0, -2.0, 0.0)
    camera.rotation_euler = (np.pi / 2, 0.0, 0.0)
    scene.collection.objects.link(camera)
    scene.camera = camera
