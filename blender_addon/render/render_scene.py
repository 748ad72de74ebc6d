"""A scene of its own in which one object is turned and rendered. Needs bpy.

The scene and the object in it stay while pictures are taken, so that a turn costs only its drawing. All is
removed at the end; the user's scenes, selection and settings are not touched.
"""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..blender import compat
from ..blender.srgb import linear_to_bytes
from ..blender.temporary_data import Closing, block_names, remove_blocks
from ..errors import RenderError
from . import lighting
from .renderers import WORKBENCH, render_linear

#: Half the camera's angle of view: a 105 mm lens on 36 mm of film, as portraits are taken.
HALF_ANGLE = math.atan(18.0 / 105.0)
#: Side of what Workbench renders over side of the picture. The others smooth edges themselves.
OVERSAMPLE = 2
#: Space around what fills the picture most, as a fraction of the picture.
MARGIN = 0.04


@dataclass(frozen=True)
class Subject:
    """An object to be rendered.

    `matrix`: where it stands before it is turned about the world's vertical axis through `center`; the camera
    looks at `center` from `distance`, along +y. `color`: what Workbench shows of it ("TEXTURE", "VERTEX",
    "MATERIAL"). `light`: how it is lit.
    """

    object: bpy.types.Object
    matrix: Matrix
    center: Vector
    distance: float
    color: str
    light: lighting.LightSetup


class RenderScene(Closing):
    """A scene with a subject, light and a camera; to be used in a `with`, or closed.

    `build` makes the subject in the collection that it is given; all that it makes is removed at the end.
    `size`: side of the square pictures, pixels. `samples`: a pixel's, where the renderer takes any.
    """

    def __init__(
        self,
        build: Callable[[bpy.types.Collection], Subject],
        renderer: str,
        size: int,
        samples: int | None = None,
        transparent: bool = False,
    ) -> None:
        self.size, self._transparent = size, transparent
        self._oversample = OVERSAMPLE if renderer == WORKBENCH else 1
        before = block_names()
        with contextlib.ExitStack() as stack:  # closed if something goes wrong in here
            stack.callback(lambda: remove_blocks(self._made))
            try:
                scene = bpy.data.scenes.new("photobust")
                subject = build(scene.collection)
                compat.set_renderer(scene, renderer)
                scene.display.shading.color_type = subject.color
                stack.enter_context(lighting.lit(scene, subject.light, samples))
                _add_camera(scene, subject.distance)
            finally:
                self._made = block_names() - before
            scene.render.resolution_x = scene.render.resolution_y = size * self._oversample
            scene.render.resolution_percentage = 100
            scene.render.use_compositing = scene.render.use_sequencer = False
            self._scene, self._object = scene.name, subject.object.name
            self._matrix = Matrix.Translation(-subject.center) @ subject.matrix
            self._backdrop = lighting.backdrop(size, size)
            self._stack = stack.pop_all()

    def render_view(self, turn: float) -> np.ndarray:
        """A picture of the subject turned by `turn` degrees; positive turns show its right side.

        (size, size, 3) uint8 sRGB before the backdrop, or (size, size, 4) with straight alpha if the scene is
        transparent. Raises RenderError.
        """
        scene, subject = bpy.data.scenes.get(self._scene), bpy.data.objects.get(self._object)
        if scene is None or subject is None:
            raise RenderError("What was being rendered is gone: it was undone, or another file was opened.")
        subject.matrix_world = Matrix.Rotation(math.radians(turn), 4, "Z") @ self._matrix
        picture = render_linear(scene)
        n = self._oversample
        if n > 1:  # added up by slices, which is ten times as quick as a mean over axes
            parts = [picture[y::n, x::n] for y in range(n) for x in range(n)]
            picture = sum(parts[1:], start=parts[0]) / np.float32(n * n)
        color, alpha = picture[..., :3], np.clip(picture[..., 3:], 0.0, 1.0)
        if self._transparent:
            straight = linear_to_bytes(color / np.maximum(alpha, 1e-4))
            return np.concatenate([straight, np.rint(alpha * 255.0).astype(np.uint8)], 2)
        return linear_to_bytes(color + self._backdrop * (1.0 - alpha))


def distance_for(points: np.ndarray, center: np.ndarray) -> float:
    """Compute how far away the camera sees all of an object, whichever way it is turned.

    Args:
        points: (N, 3) float, world frame, any unit.
        center: (3,) float, what the camera looks at, likewise.

    Returns:
        The distance from `center`, same unit.
    """
    # Turned about the vertical axis, a point comes nearest to the side of the picture where the ray touches
    # its circle, and nearest to the top or bottom where it is closest to the camera.
    half = HALF_ANGLE * (1.0 - 2.0 * MARGIN)
    offset = np.asarray(points, float) - center
    radius = np.hypot(offset[:, 0], offset[:, 1])
    needed = np.maximum(radius / math.sin(half), np.abs(offset[:, 2]) / math.tan(half) + radius)
    return float(needed.max(initial=0.0))


def _add_camera(scene: bpy.types.Scene, distance: float) -> None:
    data = bpy.data.cameras.new("photobust camera")
    data.sensor_fit = "HORIZONTAL"
    data.angle = 2.0 * HALF_ANGLE
    data.clip_start, data.clip_end = distance * 0.01, distance * 10.0
    camera = bpy.data.objects.new("photobust camera", data)
    camera.location = (0.0, -distance, 0.0)
    camera.rotation_euler = (math.pi / 2, 0.0, 0.0)
    scene.collection.objects.link(camera)
    scene.camera = camera
