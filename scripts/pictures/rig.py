"""Lay out what bones and visemes do to a head.

    python scripts/pictures/rig.py heads/ann --out docs/pictures/rig.jpg

Side by side: neutral, the jaw's bone open, the eyes' bones to the left, neck and head turned, viseme_aa and
viseme_U. The folder is a result's, with head.npz and albedo.png. Needs the bpy wheel.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    import bpy

#: How far the head is turned, degrees, a third of it in each of the upper bones.
TURN_DEG = 45.0
#: Rows of pictures.
ROWS = 2


@dataclass(frozen=True)
class Pose:
    """A picture: rotations of bones about their own axes, (bone, axis) -> degrees, and values of shapes."""

    rotations: Mapping[tuple[str, str], float] = field(default_factory=dict)
    shapes: Mapping[str, float] = field(default_factory=dict)


def poses(jaw_open_deg: float, eye_deg: float) -> list[Pose]:
    """The pictures' poses, in their order."""
    return [
        Pose(),
        Pose({("jaw", "x"): jaw_open_deg}),
        Pose({("eye.L", "z"): -eye_deg, ("eye.R", "z"): -eye_deg}),
        Pose({(bone, "y"): TURN_DEG / 3 for bone in ("neck_01", "neck_02", "head")}),
        Pose(shapes={"viseme_aa": 1.0}),
        Pose(shapes={"viseme_U": 1.0}),
    ]


def set_pose(head: "bpy.types.Object", rig: "bpy.types.Object", pose: Pose) -> None:
    """Put the head into a pose; bones and shapes that it does not name are at rest."""
    for bone in rig.pose.bones:
        bone.rotation_euler = (0.0, 0.0, 0.0)
    for (name, axis), degrees in pose.rotations.items():
        setattr(rig.pose.bones[name].rotation_euler, axis, np.radians(degrees))
    driven = {name for name in rig.keys() if name in head.data.shape_keys.key_blocks}  # noqa: SIM118
    for key in head.data.shape_keys.key_blocks:
        if key.name not in driven:
            key.value = pose.shapes.get(key.name, 0.0)


def pictures(folder: Path, size: int, renderer: str) -> list[np.ndarray]:
    """The pictures of a result's head, each (size, size, 3) uint8 sRGB."""
    import bpy
    from mathutils import Matrix, Vector

    from blender_addon.heads.armature import EYE_LOOK_DEG, rig_of, set_bones_drive_shapes
    from blender_addon.heads.build import build_head
    from blender_addon.heads.head_npz import FILE_NAME, TEXTURE, read_head
    from blender_addon.render import lighting
    from blender_addon.render.render_scene import RenderScene, Subject
    from blender_addon.render.subjects import CENTER, DISTANCE, ROUGHNESS

    data = read_head(folder / FILE_NAME)
    if data.rig is None:
        raise SystemExit(f"{folder / FILE_NAME} has no bones: reconstruct the photo again")
    built: list[bpy.types.Object] = []

    def build(collection: bpy.types.Collection) -> Subject:
        head = build_head(data, folder / TEXTURE, collection, "photobust head")
        for material, name in zip(head.data.materials, data.material_names, strict=True):
            material.roughness = ROUGHNESS[name]
        rig = rig_of(head)
        assert rig is not None
        set_bones_drive_shapes(head, True)
        built.extend((head, rig))
        return Subject(rig, Matrix.Identity(4), Vector(CENTER), DISTANCE, "TEXTURE", lighting.PORTRAIT)

    made = []
    with RenderScene(build, renderer, size) as scene:
        head, rig = built
        for pose in poses(data.rig.jaw_open_deg, EYE_LOOK_DEG):
            set_pose(head, rig, pose)
            rig.update_tag()
            made.append(scene.render_view(0.0))
    return made


def main() -> None:
    """Parse the command line, render and write the sheet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a result's folder")
    parser.add_argument("--out", type=Path, required=True, help="a JPEG or PNG file")
    parser.add_argument("--size", type=int, default=420, help="side of a picture, pixels")
    parser.add_argument("--renderer", default="BLENDER_WORKBENCH", help="or CYCLES")
    parser.add_argument("--quality", type=int, default=86, help="of the JPEG")
    options = parser.parse_args()

    from scripts.pictures.sheet import save_sheet

    made = pictures(options.folder, options.size, options.renderer)
    columns = len(made) // ROWS
    rows = [np.concatenate(made[k * columns : (k + 1) * columns], 1) for k in range(ROWS)]
    save_sheet(options.out, np.concatenate(rows)[..., ::-1], options.quality)


if __name__ == "__main__":
    main()
