"""How subjects are lit in pictures that are shown to people, and what is behind them. Needs bpy.

A studio's three points: a warm key at the upper left, soft but small enough to leave a spark in the eyes; a
cooler fill from the right, which leaves no gloss on skin and eyes; a rim from behind. The sources stay with
the camera while the subject turns. A surface's colors were lit once already, in the photo: it gets flatter
light.
"""

import contextlib
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

from ..blender import compat
from ..blender.srgb import srgb_to_linear
from .renderers import CYCLES, WORKBENCH

#: The backdrop's gray behind the head, sRGB, 0..255.
BACKDROP_CENTER = 146.0
#: The backdrop's gray in the corners, sRGB, 0..255.
BACKDROP_CORNER = 96.0
CYCLES_SAMPLES = 32
#: How many times as many samples Cycles takes where it cannot remove noise.
UNDENOISED = 3
EEVEE_SAMPLES = 32
#: Lamps' strength over the strength that Workbench's sources have: it takes softness for loss.
LAMPS = 0.76


@dataclass(frozen=True)
class Source:
    """A source of light: `toward` it (x right, y up, z to the viewer), its `color` in linear light, the
    `gloss` it leaves, and how soft it is: `wrap` in Workbench (0 a point, 1 all around), `angle` in degrees
    elsewhere.
    """

    toward: tuple[float, float, float]
    color: tuple[float, float, float]
    gloss: float
    wrap: float
    angle: float


@dataclass(frozen=True)
class LightSetup:
    """Sources, and what comes from everywhere."""

    ambient: float
    sources: tuple[Source, ...]


KEY = Source((-0.50, 0.55, 0.75), (1.0, 0.97, 0.92), 0.30, 0.6, 32.0)
FILL = Source((0.80, 0.10, 0.60), (0.93, 0.96, 1.0), 0.0, 0.8, 90.0)
RIM = Source((0.55, 0.35, -0.85), (0.96, 0.98, 1.0), 0.10, 0.2, 20.0)


def _strong(source: Source, strength: float, gloss: float = 1.0) -> Source:
    red, green, blue = source.color
    return Source(
        source.toward,
        (red * strength, green * strength, blue * strength),
        source.gloss * gloss,
        source.wrap,
        source.angle,
    )


#: For what has colors of its own; and for what was lit already. So strong that faces are as bright as in
#: their photos: on six people, light and dark, brow, cheeks and chin (means over twelve landmarks, heads and
#: surfaces, Workbench and Cycles) are within 14 of 255 in every channel, and within 6 on average.
PORTRAIT = LightSetup(0.33, (_strong(KEY, 1.1), _strong(FILL, 0.52), _strong(RIM, 0.5)))
FLAT = LightSetup(0.62, (_strong(KEY, 0.55, 0.0), _strong(FILL, 0.35, 0.0), _strong(RIM, 0.12, 0.0)))


@contextlib.contextmanager
def lit(scene: bpy.types.Scene, light: LightSetup, samples: int | None = None) -> Iterator[None]:
    """A scene has that light, for the renderer set in it. Lamps and world are the caller's to remove."""
    compat.plain_colors(scene)
    scene.render.film_transparent = True
    if scene.render.engine == WORKBENCH:
        with _workbench(scene, light):
            yield
        return
    if scene.render.engine == CYCLES:
        _set_up_cycles(scene, samples or CYCLES_SAMPLES)
    else:
        scene.eevee.taa_render_samples = samples or EEVEE_SAMPLES
    _add_lamps(scene, light)
    yield


def _set_up_cycles(scene: bpy.types.Scene, samples: int) -> None:
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_adaptive_sampling = True
    if not compat.denoise(scene):
        scene.cycles.samples = samples * UNDENOISED


@contextlib.contextmanager
def _workbench(scene: bpy.types.Scene, light: LightSetup) -> Iterator[None]:
    scene.display.render_aa = "OFF"  # pictures are rendered larger and scaled down, which looks better
    shading = scene.display.shading
    shading.light = "STUDIO"
    shading.use_world_space_lighting = False
    shading.show_cavity = shading.show_shadows = shading.show_object_outline = False
    shading.show_specular_highlight = any(source.gloss for source in light.sources)
    lights = bpy.context.preferences.studio_lights
    with tempfile.TemporaryDirectory(prefix="photobust-") as folder:
        path = Path(folder) / "photobust.sl"
        path.write_text(studio_light(light), "ascii")
        name = lights.load(str(path), "STUDIO").name
    try:
        shading.studio_light = name
        yield
    finally:
        made = lights.get(name)
        if made is not None:
            lights.remove(made)


def studio_light(light: LightSetup) -> str:
    """A light in Blender's .sl format, which Workbench reads."""
    lines = ["version 1"]
    lines += [f"light_ambient.{axis} {light.ambient:f}" for axis in "xyz"]
    for k, source in enumerate(light.sources):
        lines += [f"light[{k}].flag 1", f"light[{k}].smooth {source.wrap:f}"]
        toward = Vector(source.toward).normalized()
        for name, values in (("col", source.color), ("spec", [source.gloss] * 3), ("vec", toward)):
            lines += [f"light[{k}].{name}.{axis} {v:f}" for axis, v in zip("xyz", values, strict=True)]
    return "\n".join(lines) + "\n"


def _add_lamps(scene: bpy.types.Scene, light: LightSetup) -> None:
    """Suns, which light things of any size alike."""
    world = bpy.data.worlds.new("photobust")
    compat.use_nodes(world)
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    background.inputs["Strength"].default_value = LAMPS * light.ambient
    scene.world = world
    for source in light.sources:
        data = bpy.data.lights.new("photobust light", "SUN")
        data.energy = LAMPS * math.pi * max(source.color)
        data.color = [value / max(source.color) for value in source.color]
        data.angle = math.radians(source.angle)
        data.specular_factor = 1.0 if source.gloss else 0.0
        lamp = bpy.data.objects.new(data.name, data)
        x, y, z = source.toward
        # The camera looks along +y: its right, up and backward are the world's x, z and -y.
        lamp.rotation_euler = Vector((x, -z, y)).to_track_quat("Z", "Y").to_euler()
        scene.collection.objects.link(lamp)


def backdrop(height: int, width: int) -> np.ndarray:
    """A neutral gray, lighter behind the head: (H, W, 1) float32, linear light."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius = np.hypot((x - (width - 1) / 2) / (width / 2), (y - 0.45 * (height - 1)) / (height / 2))
    fraction = np.clip(radius / 1.5, 0.0, 1.0)
    smooth = fraction * fraction * (3.0 - 2.0 * fraction)
    srgb = (BACKDROP_CENTER + (BACKDROP_CORNER - BACKDROP_CENTER) * smooth) / 255.0
    return srgb_to_linear(srgb).astype(np.float32)[..., None]
