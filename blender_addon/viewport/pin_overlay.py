"""Pins over the photo in a camera view: where they are on the screen, and how they are drawn. Needs bpy."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import blf
import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Vector

from ..blender import compat
from ..heads.ignored_mask import runs

#: Radius of a pin, and of what the mouse reaches it in, pixels at the interface's scale 1.
RADIUS = 4.5
REACH = 11.0
#: Width of the dark rim around a pin, pixels.
RIM = 1.6
#: Corners of a circle.
CORNERS = 16
#: Linear colors.
FREE = (1.0, 1.0, 1.0, 0.75)
MOVED = (1.0, 0.45, 0.05, 1.0)
LOCKED = (0.15, 0.5, 1.0, 1.0)
IGNORED = (0.9, 0.05, 0.05, 0.45)
RIM_COLOR = (0.02, 0.02, 0.02, 0.8)
#: Factor of a pin's size under the mouse.
HOVER = 1.5
TEXT_POINTS = 12


@dataclass(frozen=True)
class ScreenPin:
    """A pin on the screen: region, pixels, y up."""

    name: str
    position: tuple[float, float]
    moved: bool
    locked: bool


@dataclass(frozen=True)
class PhotoOnScreen:
    """How the photo lies in a region: region = origin + photo * scale, y turned around."""

    origin: tuple[float, float]
    scale: tuple[float, float]

    def to_region(self, x: float, y: float) -> tuple[float, float]:
        """Photo frame, pixels -> region, pixels."""
        return self.origin[0] + x * self.scale[0], self.origin[1] - y * self.scale[1]

    def to_photo(self, x: float, y: float) -> tuple[float, float]:
        """Region, pixels -> photo frame, pixels."""
        return (x - self.origin[0]) / self.scale[0], (self.origin[1] - y) / self.scale[1]


def photo_on_screen(
    scene: bpy.types.Scene, camera: bpy.types.Object, region: bpy.types.Region, view: bpy.types.RegionView3D
) -> PhotoOnScreen | None:
    """Where a camera view shows the photo; None if the view is none.

    Args:
        scene: Its resolution is the photo's.
        camera: The photo's.
        region: Of the 3D view.
        view: What it shows.
    """
    corners = [camera.matrix_world @ corner for corner in camera.data.view_frame(scene=scene)]
    shown = [location_3d_to_region_2d(region, view, corner) for corner in corners]
    if any(point is None for point in shown):
        return None
    left, right = min(point.x for point in shown), max(point.x for point in shown)
    low, high = min(point.y for point in shown), max(point.y for point in shown)
    render = scene.render
    scale = ((right - left) / render.resolution_x, (high - low) / render.resolution_y)
    if min(scale) <= 0:
        return None
    # The photo's pixels have their centers at whole numbers.
    return PhotoOnScreen((left + 0.5 * scale[0], high - 0.5 * scale[1]), scale)


def photo_of(
    scene: bpy.types.Scene, head: bpy.types.Object, region: bpy.types.Region, view: bpy.types.RegionView3D
) -> PhotoOnScreen | None:
    """Where a view shows the photo of a head; None unless it looks through the head's camera."""
    camera = head.photobust.camera
    if camera is None or scene.camera != camera or view.view_perspective != "CAMERA":
        return None
    return photo_on_screen(scene, camera, region, view)


def view_at(
    context: bpy.types.Context, x: int, y: int, head: bpy.types.Object
) -> tuple[PhotoOnScreen, bpy.types.Region, bpy.types.RegionView3D] | None:
    """The view through a head's camera at a place in the window, that nothing lies on.

    Args:
        context: Blender's.
        x: Window, pixels.
        y: The same, up.
        head: The head.
    """
    for area in context.window.screen.areas if context.window else ():
        region = next((region for region in area.regions if region.type == "WINDOW"), None)
        if area.type != "VIEW_3D" or region is None or not _is_inside(region, x, y):
            continue
        others = [
            region
            for region in area.regions
            if region.type != "WINDOW" and min(region.width, region.height) > 1
        ]
        if any(_is_inside(other, x, y) for other in others):
            return None
        view = area.spaces.active.region_3d
        photo = photo_of(context.scene, head, region, view)
        return None if photo is None else (photo, region, view)
    return None


def _is_inside(region: bpy.types.Region, x: int, y: int) -> bool:
    return 0 <= x - region.x < region.width and 0 <= y - region.y < region.height


def on_screen(
    point: Sequence[float], head: bpy.types.Object, region: bpy.types.Region, view: bpy.types.RegionView3D
) -> tuple[float, float] | None:
    """Region pixels of a point in the head's frame; None behind the camera."""
    place = location_3d_to_region_2d(region, view, head.matrix_world @ Vector(point))
    return None if place is None else (place.x, place.y)


def nearest(pins: Iterable[ScreenPin], x: float, y: float, scale: float = 1.0) -> ScreenPin | None:
    """The pin under the mouse.

    Args:
        pins: All.
        x: Of the mouse, region pixels.
        y: The same.
        scale: Of the interface.
    """
    best, reach = None, REACH * scale
    for pin in pins:
        distance = math.hypot(pin.position[0] - x, pin.position[1] - y)
        if distance < reach:
            best, reach = pin, distance
    return best


def draw(pins: Sequence[ScreenPin], hovered: str, scale: float) -> None:
    """Draw pins; inside a draw handler.

    Args:
        pins: Which.
        hovered: Name of the one under the mouse, which is larger and named.
        scale: Of the interface.
    """
    positions: list[tuple[float, float, float]] = []
    colors: list[tuple[float, float, float, float]] = []
    for pin in pins:
        color = LOCKED if pin.locked else MOVED if pin.moved else FREE
        radius = RADIUS * scale * (HOVER if pin.name == hovered else 1.0)
        for size, shade in ((radius + RIM * scale, RIM_COLOR), (radius, color)):
            disk = _disk(*pin.position, size)
            positions += disk
            colors += [shade] * len(disk)
    if positions:
        compat.draw_triangles(positions, colors)
    for pin in pins:
        if pin.name == hovered:
            _draw_name(pin, scale)


def draw_ignored(photo: PhotoOnScreen, mask: np.ndarray, width: int, height: int) -> None:
    """Draw what of the photo is ignored; inside a draw handler.

    Args:
        photo: Where it is on the screen.
        mask: (h, w) bool, of the photo's shape.
        width: Of the photo, pixels.
        height: The same.
    """
    step_x, step_y = width / mask.shape[1], height / mask.shape[0]
    positions: list[tuple[float, float, float]] = []
    for row, first, end in runs(mask):
        left, top = photo.to_region(first * step_x - 0.5, row * step_y - 0.5)
        right, low = photo.to_region(end * step_x - 0.5, (row + 1) * step_y - 0.5)
        a, b, c, d = (left, top, 0.0), (right, top, 0.0), (right, low, 0.0), (left, low, 0.0)
        positions += [a, b, c, a, c, d]
    if positions:
        compat.draw_triangles(positions, [IGNORED] * len(positions))


def draw_brush(x: float, y: float, radius: float) -> None:
    """Draw the outline of a round brush; inside a draw handler."""
    angles = np.arange(2 * CORNERS + 1) * (np.pi / CORNERS)
    rings = [[(x + r * math.cos(a), y + r * math.sin(a), 0.0) for a in angles] for r in (radius, radius + 2)]
    positions = []
    for k in range(2 * CORNERS):
        a, b, c, d = rings[0][k], rings[0][k + 1], rings[1][k + 1], rings[1][k]
        positions += [a, b, c, a, c, d]
    compat.draw_triangles(positions, [FREE] * len(positions))


def _disk(x: float, y: float, radius: float) -> list[tuple[float, float, float]]:
    angles = np.arange(CORNERS + 1) * (2 * np.pi / CORNERS)
    rim = [(x + radius * math.cos(a), y + radius * math.sin(a), 0.0) for a in angles]
    return [p for k in range(CORNERS) for p in ((x, y, 0.0), rim[k], rim[k + 1])]


def _draw_name(pin: ScreenPin, scale: float) -> None:
    text = pin.name.replace("_", " ")
    compat.set_text_size(TEXT_POINTS * scale)
    x, y = pin.position[0] + 12 * scale, pin.position[1] + 8 * scale
    for shift, color in ((1.0, (0.0, 0.0, 0.0, 0.9)), (0.0, (1.0, 1.0, 1.0, 1.0))):
        blf.position(0, x + shift, y - shift, 0)
        blf.color(0, *color)
        blf.draw(0, text)
