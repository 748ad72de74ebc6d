"""Names of a head's bones in other programs. No bpy, until bones are renamed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import bpy

#: Convention -> our bones' names in it, as the engine has them, too (`core.wrapping.skeleton`). Bones that it
#: has none for keep ours.
NAMINGS: Mapping[str, Mapping[str, str]] = {
    "blender": {},
    "mixamo": {
        "neck_01": "mixamorig:Neck",
        "neck_02": "mixamorig:Neck1",
        "head": "mixamorig:Head",
        "jaw": "mixamorig:Jaw",
        "eye.L": "mixamorig:LeftEye",
        "eye.R": "mixamorig:RightEye",
    },
    "unreal": {"eye.L": "eye_l", "eye.R": "eye_r"},
    "vrm": {"root": "hips", "neck_01": "neck", "eye.L": "leftEye", "eye.R": "rightEye"},
}
#: What interfaces call the conventions.
LABELS = {"blender": "Blender", "mixamo": "Mixamo", "unreal": "Unreal", "vrm": "VRM"}


@contextmanager
def renamed_bones(rig: "bpy.types.Object | None", naming: str) -> Iterator[None]:
    """The bones of an armature bear a convention's names, and afterward their own again.

    Blender renames the vertex groups, animations and drivers that refer to them.

    Args:
        rig: A head's armature; None for nothing to do.
        naming: A key of NAMINGS.
    """
    names = NAMINGS[naming] if rig is not None else {}
    changed = {}
    try:
        for ours, theirs in names.items():
            if rig is not None and ours in rig.data.bones and theirs not in rig.data.bones:
                rig.data.bones[ours].name = theirs
                changed[theirs] = ours
        yield
    finally:
        for theirs, ours in changed.items():
            if rig is not None:
                rig.data.bones[theirs].name = ours
