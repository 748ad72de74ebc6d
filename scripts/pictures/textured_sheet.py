"""Lay out textured heads with their hair.

    python scripts/pictures/textured_sheet.py HEADS... --out docs/pictures/textured.jpg

HEADS are folders that `scripts/batch.py --head` wrote. A row a head: as photographed from the front,
three-quarter and the side, then jawOpen, both eyeBlink and both mouthSmile at 1 on the neutral head. Needs
the bpy wheel.
"""

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from blender_addon.blender import compat
from blender_addon.blender.images import save_png
from blender_addon.blender.srgb import linear_to_bytes, srgb_to_linear
from blender_addon.heads.build import build_head
from blender_addon.heads.hair import add_hair
from blender_addon.heads.head_npz import FILE_NAME, TEXTURE, read_head
from blender_addon.render import lighting
from blender_addon.render.renderers import WORKBENCH, render_linear
from scripts.pictures.sheet import save_sheet

#: (degrees turned, shape keys at 1; "Photo" is the expression as photographed).
VIEWS = (
    (0, ("Photo",)),
    (40, ("Photo",)),
    (90, ("Photo",)),
    (0, ("jawOpen",)),
    (0, ("eyeBlinkLeft", "eyeBlinkRight")),
    (0, ("mouthSmileLeft", "mouthSmileRight")),
)
#: Width of a view, meters.
WIDTH = 0.30
#: Gray of the background, sRGB, 0..255.
GRAY = 120.0
#: Middle of the head, head frame, meters.
MIDDLE = (0.0, 0.065, -0.01)


def render_row(folder: Path, size: int, target: Path) -> None:
    """One head's views side by side, as a PNG."""
    render_views(folder, "shell", VIEWS, WIDTH, MIDDLE, (size, size), target)


def render_views(
    folder: Path,
    product: str,
    views: Sequence[tuple[float, Sequence[str]]],
    width: float,
    middle: Sequence[float],
    pixels: tuple[int, int],
    target: Path,
) -> None:
    """Render views of a head side by side, as a PNG.

    Args:
        folder: The head's.
        product: What is shown of its hair.
        views: Degrees that it is turned by, and the shape keys that are at 1.
        width: Of a view, meters.
        middle: (3,) what is in the middle of each, head frame, meters.
        pixels: Width and height of a view.
        target: The file.
    """
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    # Without bones the hair hangs on the head itself, which is moved here.
    data = dataclasses.replace(read_head(folder / FILE_NAME), rig=None)
    for k, (turn, shapes) in enumerate(views):
        head = build_head(data, folder / TEXTURE, scene.collection, f"{folder.name} {k}")
        add_hair(head, folder, product, only=True)
        for key in head.data.shape_keys.key_blocks[1:]:
            key.value = float(key.name in shapes)
        offset = ((k - (len(views) - 1) / 2) * width, 0, 0)
        center = Matrix.Translation([-c for c in middle])
        head.matrix_world = Matrix.Translation(offset) @ Matrix.Rotation(np.radians(turn), 4, "Z") @ center
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.type, camera.data.ortho_scale = "ORTHO", width * len(views)
    camera.location, camera.rotation_euler = (0, -2, 0), (np.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    compat.set_renderer(scene, WORKBENCH)
    scene.display.shading.color_type = "TEXTURE"
    scene.render.resolution_x, scene.render.resolution_y = 2 * pixels[0] * len(views), 2 * pixels[1]
    with lighting.lit(scene, lighting.PORTRAIT):
        save_on_gray(scene, target)


def save_on_gray(scene: bpy.types.Scene, target: Path) -> None:
    """Render a scene and save it at half its resolution before gray, as a PNG."""
    picture = render_linear(scene)
    # Rendered larger and added up, as Workbench smooths no edges.
    picture = picture.reshape(picture.shape[0] // 2, 2, -1, 2, 4).mean((1, 3))
    gray = srgb_to_linear(np.array(GRAY / 255.0, np.float32))
    save_png(target, linear_to_bytes(picture[..., :3] + gray * (1.0 - picture[..., 3:])))


def main() -> None:
    """Read the command line, render, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("heads", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=200, help="side of a view, pixels")
    options = parser.parse_args()
    import cv2

    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for folder in options.heads:
            picture = Path(temporary) / f"{folder.name}.png"
            render_row(folder, options.size, picture)
            rows.append(cv2.imread(str(picture)))
    save_sheet(options.out, np.vstack(rows))


if __name__ == "__main__":
    main()
