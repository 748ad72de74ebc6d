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
from ..blender.coordinates import coordinates
from ..blender.images import means_of_blocks, two_thirds
from ..blender.srgb import linear_to_bytes
from ..blender.temporary_data import Closing, block_names, remove_blocks
from ..errors import RenderError
from . import lighting
from .renderers import WORKBENCH, render_linear

#: Half the camera's angle of view: a 105 mm lens on 36 mm of film, as portraits are taken.
HALF_ANGLE = math.atan(18.0 / 105.0)
#: Workbench renders so many pixels along a side for the PIXELS of the picture; the others smooth edges
#: themselves. Twice as many for each take 1.4 times as long, and differ by 0.2 of 255 on average.
SAMPLES = 3
PIXELS = 2
#: So many for each pixel where the picture's side is odd, or less than SMALL, pixels.
SAMPLES_PER_PIXEL = 2
SMALL = 128
#: Kinds of objects that pictures show.
SHOWN = ("MESH", "CURVES", "CURVE", "SURFACE", "META", "FONT")
#: How near the camera points may be, as a fraction of the camera's distance, for all of them to be seen.
NEAREST = 0.05
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
        self._samples, self._pixels = _sampling(renderer, size)
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
            scene.render.resolution_x = scene.render.resolution_y = size * self._samples // self._pixels
            scene.render.resolution_percentage = 100
            scene.render.use_compositing = scene.render.use_sequencer = False
            self._scene, self._object = scene.name, subject.object.name
            self._matrix = Matrix.Translation(-subject.center) @ subject.matrix
            scene.view_layers[0].update()  # before, nobody knows how large hair is
            # Shaders of other renderers may displace what is seen.
            shown = [ob for ob in scene.objects if renderer == WORKBENCH and ob.type in SHOWN]
            self._outlines = {ob.name: _outline(ob) for ob in shown}
            self._backdrop = lighting.backdrop(size, size)
            self._empty = linear_to_bytes(np.repeat(self._backdrop, 3, 2))
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
        (left, top, right, bottom), part = self._rendered(scene)
        color, alpha = part[..., :3], np.clip(part[..., 3:], 0.0, 1.0)
        if self._transparent:
            picture = np.zeros((self.size, self.size, 4), np.uint8)
            picture[top:bottom, left:right, :3] = linear_to_bytes(color / np.maximum(alpha, 1e-4))
            picture[top:bottom, left:right, 3:] = np.rint(alpha * 255.0)
            return picture
        picture = self._empty.copy()
        behind = self._backdrop[top:bottom, left:right] * (1.0 - alpha)
        picture[top:bottom, left:right] = linear_to_bytes(color + behind)
        return picture

    def _rendered(self, scene: bpy.types.Scene) -> tuple[tuple[int, int, int, int], np.ndarray]:
        """The part of the picture in which there is something: left, top, right and bottom, pixels; and what
        it shows, (H, W, 4) float32, see `render_linear`.
        """
        scene.view_layers[0].update()  # children follow the turn
        part = (0, 0, self.size, self.size)
        if self._outlines:
            known = [ob for ob in scene.objects if ob.name in self._outlines]
            points = np.concatenate([_placed(ob, self._outlines[ob.name]) for ob in known])
            part = covered_part(points, scene.camera.location.length, self.size)
        left, top, right, bottom = part
        if left >= right or top >= bottom:
            return (0, 0, 0, 0), np.zeros((0, 0, 4), np.float32)
        render, side = scene.render, scene.render.resolution_x
        left, top, right, bottom = (value * self._samples // self._pixels for value in part)
        render.use_border = render.use_crop_to_border = True
        # A quarter of a pixel more: Blender's versions round fractions, or cut them off.
        render.border_min_x, render.border_max_x = (left + 0.25) / side, (right + 0.25) / side
        render.border_min_y = (side - bottom + 0.25) / side
        render.border_max_y = (side - top + 0.25) / side
        picture = render_linear(scene)
        if self._samples == self._pixels:
            return part, picture
        return part, two_thirds(picture) if self._pixels == PIXELS else means_of_blocks(
            picture, SAMPLES_PER_PIXEL
        )


def _outline(ob: bpy.types.Object) -> np.ndarray:
    """(N, 3) float32 points between which an object lies, in its own frame."""
    if ob.type != "MESH" or ob.modifiers or ob.data.shape_keys:
        return np.array(ob.bound_box, np.float32)
    return coordinates(ob.data.vertices)


def _placed(ob: bpy.types.Object, points: np.ndarray) -> np.ndarray:
    """(N, 3) points of an object's own frame where they are in the world."""
    matrix = np.array(ob.matrix_world, np.float32)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _sampling(renderer: str, size: int) -> tuple[int, int]:
    """How many pixels along a side are rendered for how many of the picture: `_samples`, `_pixels`."""
    if renderer != WORKBENCH:
        return 1, 1
    return (SAMPLES_PER_PIXEL, 1) if size % PIXELS or size < SMALL else (SAMPLES, PIXELS)


def covered_part(points: np.ndarray, distance: float, side: int) -> tuple[int, int, int, int]:
    """The part of a picture in which the camera sees what lies between points.

    Args:
        points: (N, 3) float, world frame; the camera looks along +y at the origin.
        distance: Of the camera from the origin, the same unit.
        side: Of the square picture, pixels.

    Returns:
        Left, top, right and bottom, pixels, even numbers but for the borders of a picture with an odd side;
        empty if nothing is in the picture.
    """
    depth = points[:, 1] + distance
    if (depth < NEAREST * distance).any():
        return 0, 0, side, side
    half = depth * math.tan(HALF_ANGLE)
    x, y = points[:, 0] / half, -points[:, 2] / half
    pixels = (np.stack([x, y]) + 1.0) * (side / 2)
    low = np.floor(pixels.min(1) / 2 - 0.5).clip(0, side // 2).astype(int) * 2
    high = np.minimum(np.ceil(pixels.max(1) / 2 + 0.5).clip(0).astype(int) * 2, side)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


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
