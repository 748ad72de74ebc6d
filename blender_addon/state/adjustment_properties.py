"""What a person corrects of a head: `object.photobust.pins` and `.sliders`. Needs bpy."""

from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from ..heads import adjustments
from ..heads.slider_file import sliders

#: What a pin can correct; the engine's words in capitals.
CORRECTIONS = [
    ("SHAPE", "Shape", "The head has another shape: the face at rest changes, too"),
    ("EXPRESSION", "Expression", "The face makes another expression: the face at rest stays"),
    ("POSE", "Pose", "The head is turned or placed otherwise before the camera"),
]


class PhotobustPin(bpy.types.PropertyGroup):
    """Where a named point of the head belongs in the photo: pixels, x right, y down."""

    name: StringProperty(name="Point")
    x: FloatProperty(name="X")
    y: FloatProperty(name="Y")
    corrects: EnumProperty(name="Corrects", items=CORRECTIONS)
    locked: BoolProperty(name="Locked", description="Hold this point where it is")
    photo: StringProperty(
        name="Photo", description="The further photo that it is placed in; empty: the main one"
    )


class PhotobustIgnored(bpy.types.PropertyGroup):
    """What of a further photo of a person is ignored; `name` is that of the photo."""

    name: StringProperty(name="Photo")
    png: StringProperty(name="Ignored Part of the Photo")


def _sculpt(values: "PhotobustSliders", context: bpy.types.Context) -> None:
    adjustments.sculpt(values.id_data)


def _slider(name: str) -> Any:
    return FloatProperty(
        name=name.replace("_", " ").title(),
        description="On top of what the photo shows",
        default=0.0,
        min=-1.0,
        max=1.0,
        update=_sculpt,
    )


class PhotobustSliders(bpy.types.PropertyGroup):
    """A sculptor's sliders; belongs to a head's mesh object."""

    __annotations__ = {name: _slider(name) for name in sliders().names}
