"""Sliders that move both halves of a face: `object.photobust.mirrored`. Needs bpy."""

from typing import Any

import bpy
from bpy.props import FloatProperty

from ..animation import sliders
from ..animation.face_groups import LEFT, mirrored, paired, stem
from ..animation.live_link_csv import SHAPES

#: The left shape of each pair.
PAIRS = tuple(shape for shape in SHAPES if shape.endswith(LEFT) and paired(shape))


def _slider(shape: str) -> Any:
    """A property that shows the mean of a pair's values, and sets both."""

    def halves(self: bpy.types.PropertyGroup) -> list[str]:
        known = sliders.shapes_of(self.id_data)
        return [name for name in (shape, mirrored(shape)) if name in known]

    def get(self: bpy.types.PropertyGroup) -> float:
        values = [sliders.value_of(self.id_data, half) for half in halves(self)]
        return sum(values) / max(len(values), 1)

    def set_both(self: bpy.types.PropertyGroup, value: float) -> None:
        for half in halves(self):
            sliders.set_value(self.id_data, half, value)

    return FloatProperty(
        name=stem(shape),
        description=f"{shape} and {mirrored(shape)}",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        get=get,
        set=set_both,
    )


class PhotobustMirroredShapes(bpy.types.PropertyGroup):
    """A slider for each pair of shapes; belongs to a head's mesh object."""

    __annotations__ = {stem(shape): _slider(shape) for shape in PAIRS}
