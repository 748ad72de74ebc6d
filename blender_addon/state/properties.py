"""What the add-on keeps in a scene, in its heads, and beside them while Blender runs. Needs bpy."""

from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..heads import confidence, hair
from . import face_search, session
from .adjustment_properties import CORRECTIONS, PhotobustIgnored, PhotobustPin, PhotobustSliders
from .mirrored_shapes import PhotobustMirroredShapes

#: 35 mm equivalent focal lengths, mm, that the engine takes for credible.
FOCAL_RANGE = (8.0, 2000.0)
LEVELS = [(level, level.title(), "") for level in ("INFO", "WARNING", "ERROR")]
#: The numbers are those that files keep; the first that is listed stands first in the panel.
PRODUCTS = [
    ("HEAD", "Head", "Animation-ready head: quads, texture, 52 blendshapes; the surface is kept, hidden", 1),
    ("SURFACE", "Surface", "Colored surface: the shape that the photo shows, in triangles", 0),
    ("BOTH", "Both", "The animation-ready head, and the surface beside it", 2),
]
TEXTURES = [
    (str(size), f"{size} px Texture", f"{size} x {size} pixels", number)
    for number, size in enumerate((1024, 2048, 4096))
]
FACIAL_HAIR_CHOICES = [
    ("NONE", "Brows, Beard in Texture", "Brows and beard are a part of the texture"),
    ("CARDS", "Brows, Beard as Cards", "They are ribbons of short hair, on those of the texture"),
    ("STRANDS", "Brows, Beard as Strands", "The same as curves; cards where this Blender has none"),
]
PLACEMENTS = [
    ("BESIDE", "Beside Other Heads", "At the 3D cursor, or beside the heads that stand there already"),
    ("CURSOR", "At the 3D Cursor", "At the 3D cursor, whatever stands there"),
]


class PhotobustPhoto(bpy.types.PropertyGroup):
    """One of several photos of a person."""

    path: StringProperty(name="Photo", subtype="FILE_PATH")


def _photo_changed(chosen: "PhotobustSceneSettings", context: bpy.types.Context) -> None:
    chosen.further_photos.clear()
    chosen.force = False  # it was meant for other photos
    face_search.photo_changed(context)


class PhotobustSceneSettings(bpy.types.PropertyGroup):
    """What to reconstruct: `scene.photobust`."""

    photo: StringProperty(
        name="Photo",
        description="The photo to make a head of",
        # No FILE_PATH: its folder button shows all files; the panel has one that shows pictures.
        update=_photo_changed,
    )
    further_photos: CollectionProperty(type=PhotobustPhoto, name="Further Photos of the Same Person")
    force: BoolProperty(
        name="Force", description="Use photos, too, that seem to show somebody else than the rest"
    )
    use_own_focal: BoolProperty(
        name="Own Focal Length",
        description="Use the focal length below instead of the one that the camera noted in the photo",
    )
    focal_mm: FloatProperty(
        name="Focal Length",
        description="Focal length of the camera, as on a 35 mm camera (phones: about 26, selfies about 24)",
        default=50.0,
        min=FOCAL_RANGE[0],
        max=FOCAL_RANGE[1],
        soft_min=14.0,
        soft_max=200.0,
        subtype="DISTANCE_CAMERA",
    )
    make: EnumProperty(name="Make", description="What to make of each face", items=PRODUCTS, default="HEAD")
    placement: EnumProperty(name="Place", description="Where new heads stand", items=PLACEMENTS)
    texture: EnumProperty(
        name="Texture", description="Size of the head's texture", items=TEXTURES, default="2048"
    )
    facial_hair: EnumProperty(
        name="Brows and Beard",
        description="What brows and, where the photo shows one, beard and mustache become",
        items=FACIAL_HAIR_CHOICES,
        default="NONE",
    )


HAIR_PRODUCTS = [
    ("NONE", "None", "No hair, and nothing that covers the head"),
    ("SHELL", "Shell", "One closed mesh with the photo's colors"),
    ("CARDS", "Cards", "Ribbons of strands on a darker shell, as games use"),
    (
        "STRANDS",
        "Strands",
        "Curves rooted on the head; cards where this Blender has none",
    ),
]


FACIAL_HAIR_PRODUCTS = [
    ("NONE", "Texture", "No brows and no beard but those that are in the texture"),
    ("CARDS", "Cards", "Short ribbons of hair that move with the skin"),
    ("STRANDS", "Strands", "Curves rooted on the skin; cards where this Blender has none"),
]


def _show_facial_hair(note: "PhotobustHead", context: bpy.types.Context) -> None:
    hair.show_facial(note.id_data, note.facial_hair_product.lower())


def _show_hair(note: "PhotobustHead", context: bpy.types.Context) -> None:
    hair.show(note.id_data, note.hair_product.lower())


def _set_hair_amount(note: "PhotobustHead", context: bpy.types.Context) -> None:
    hair.set_amount(note.id_data, note.hair_density, note.hair_length)


def _set_hair_color(note: "PhotobustHead", context: bpy.types.Context) -> None:
    hair.set_color(note.id_data, note.hair_color)


class PhotobustHead(bpy.types.PropertyGroup):
    """What is known of a reconstructed head: `object.photobust`."""

    is_head: BoolProperty(name="Is a Reconstructed Head")
    folder: StringProperty(name="Folder of its Files", subtype="DIR_PATH")
    photo: StringProperty(name="Photo", subtype="FILE_PATH")
    photos: CollectionProperty(type=PhotobustPhoto, name="All Photos, if Several")
    manifest: StringProperty(name="What face.json says of it")
    seconds: FloatProperty(name="Seconds from the Click to the Object")
    camera: PointerProperty(name="Matched Camera", type=bpy.types.Object)
    mirror_shapes: BoolProperty(
        name="Mirror", description="One slider for the left and the right blendshape of a pair", default=True
    )
    mirrored: PointerProperty(type=PhotobustMirroredShapes)
    pins: CollectionProperty(type=PhotobustPin)
    pins_correct: EnumProperty(
        name="Pins Correct", description="What the pins that you drag correct", items=CORRECTIONS
    )
    pin_table: StringProperty(name="The Points that can be Pinned")
    sliders: PointerProperty(type=PhotobustSliders)
    sculpted: StringProperty(name="The Sliders that the Shape Has")
    ignored_png: StringProperty(name="Ignored Part of the Photo")
    further_ignored: CollectionProperty(type=PhotobustIgnored, name="Ignored Parts of Further Photos")
    hair_product: EnumProperty(
        name="Hair", description="What to show of the hair", items=HAIR_PRODUCTS, update=_show_hair
    )
    facial_hair_product: EnumProperty(
        name="Brows and Beard",
        description="What to show of brows and beard",
        items=FACIAL_HAIR_PRODUCTS,
        update=_show_facial_hair,
    )
    hair_color: FloatVectorProperty(
        name="Hair Color",
        description="What the hair's typical color becomes; lighter and darker strands follow it",
        subtype="COLOR",
        default=(0.5, 0.5, 0.5),
        min=0.0,
        max=1.0,
        update=_set_hair_color,
    )
    hair_length: FloatProperty(
        name="Length",
        description="How much of its length in the photo the hair has",
        subtype="FACTOR",
        default=1.0,
        min=0.05,
        max=1.0,
        update=_set_hair_amount,
    )
    hair_density: FloatProperty(
        name="Density",
        description="How many of the cards and strands there are, and how thick the shell is",
        subtype="FACTOR",
        default=1.0,
        min=0.0,
        max=1.0,
        update=_set_hair_amount,
    )


class PhotobustFaceChoice(bpy.types.PropertyGroup):
    """A face of the photo that was chosen last."""

    index: IntProperty()
    use: BoolProperty(name="Reconstruct", description="Make a head of this face", default=True)
    usable: BoolProperty(default=True)
    label: StringProperty()


def _legend_color(stop: int) -> tuple[float, ...]:
    return tuple(value / 255.0 for value in confidence.RAMP[stop][1])


def _run_progress(name: str, nothing: float | str) -> Any:
    run = session.current().run
    return getattr(run.progress, name) if run else nothing


def _setup_progress(name: str, nothing: float | str) -> Any:
    setup = session.current().setup
    return getattr(setup.progress, name) if setup else nothing


def _retopology_progress(name: str, nothing: float | str) -> Any:
    run = session.current().retopology
    return getattr(run.progress, name) if run else nothing


def _percentage(progress: Callable[[str, float], Any]) -> Any:
    """A property: the fraction done of what `progress` looks up, as a bar in panels shows it."""
    return FloatProperty(
        name="Progress",
        subtype="PERCENTAGE",
        min=0,
        max=100,
        precision=0,
        get=lambda self: 100.0 * progress("fraction", 0.0),
    )


class PhotobustState(bpy.types.PropertyGroup):
    """What is going on, for panels and scripts to see: `window_manager.photobust`. Not saved, not undone."""

    faces: CollectionProperty(type=PhotobustFaceChoice)
    running: BoolProperty(get=lambda self: session.current().run is not None)
    step: StringProperty(get=lambda self: _run_progress("message", ""))
    progress: FloatProperty(
        name="Progress", subtype="FACTOR", min=0, max=1, get=lambda self: _run_progress("fraction", 0.0)
    )
    percent: _percentage(_run_progress)
    message: StringProperty(get=lambda self: session.current().message.text)
    message_level: EnumProperty(
        items=LEVELS, get=lambda self: [level[0] for level in LEVELS].index(session.current().message.level)
    )
    # The legend of Show Confidence, one color a stop of its ramp.
    legend_0: FloatVectorProperty(
        name=confidence.LEGEND[0], subtype="COLOR_GAMMA", get=lambda self: _legend_color(0)
    )
    legend_1: FloatVectorProperty(
        name=confidence.LEGEND[1], subtype="COLOR_GAMMA", get=lambda self: _legend_color(1)
    )
    legend_2: FloatVectorProperty(
        name=confidence.LEGEND[2], subtype="COLOR_GAMMA", get=lambda self: _legend_color(2)
    )
    engine_ready: BoolProperty(
        get=lambda self: bool((state := session.current().engine_state) and state.ready)
    )
    setting_up: BoolProperty(get=lambda self: bool((setup := session.current().setup) and not setup.done))
    setup_step: StringProperty(get=lambda self: _setup_progress("message", ""))
    setup_percent: _percentage(_setup_progress)

    retopologizing: BoolProperty(get=lambda self: session.current().retopology is not None)
    retopology_step: StringProperty(get=lambda self: _retopology_progress("message", ""))
    retopology_percent: _percentage(_retopology_progress)


CLASSES = (
    PhotobustPhoto,
    PhotobustSceneSettings,
    PhotobustMirroredShapes,
    PhotobustPin,
    PhotobustIgnored,
    PhotobustSliders,
    PhotobustHead,
    PhotobustFaceChoice,
    PhotobustState,
)


def register() -> None:
    """Attach the groups; their classes are registered before."""
    bpy.types.Scene.photobust = PointerProperty(type=PhotobustSceneSettings)
    bpy.types.Object.photobust = PointerProperty(type=PhotobustHead)
    bpy.types.WindowManager.photobust = PointerProperty(type=PhotobustState)


def unregister() -> None:
    """Detach them."""
    for owner in (bpy.types.WindowManager, bpy.types.Object, bpy.types.Scene):
        del owner.photobust
