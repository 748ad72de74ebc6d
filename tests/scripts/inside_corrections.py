"""Run in bpy by test_end_to_end.py: `inside_corrections.py FOLDER PHOTO SAVED`.

Loads the head in a result's folder, corrects it, applies that with the real engine, whose Python is in
PHOTOBUST_PYTHON, and saves the corrections for a batch.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import bpy
import numpy as np
from mathutils import Vector


def main(folder: Path, photo: Path, saved: str) -> None:
    import addon_utils

    addon_utils.enable("blender_addon", default_set=True)
    from blender_addon.blender.coordinates import coordinates
    from blender_addon.heads import adjustments, loaded, results
    from blender_addon.heads.ignored_mask import empty_mask, mask_text
    from blender_addon.operators.adjust_pins import place_pin

    files = {path.name: str(path) for path in folder.iterdir()}
    head = loaded.load_heads(photo, {"faces": [{"folder": str(folder), "files": files}]})[0]
    collection = results.new_collection(bpy.context.scene, head.name)
    name, *_ = results.build_step_by_step(head, collection, [Vector()], "HEAD", 1.0)
    made = bpy.data.objects[name]
    results.select_only(bpy.context.view_layer, [made])
    before = coordinates(made.data.shape_keys.key_blocks[0].data)
    made.photobust.sliders.jaw_width = 0.4
    camera = adjustments.document_of(made).camera
    nose = head.record.landmarks("mediapipe478")[1]
    x, y = camera.project(nose[None])[0] + np.array([3.0, -4.0])
    place_pin(made, "nose_tip", float(x), float(y))
    mask = empty_mask(camera.width, camera.height)
    mask[: len(mask) // 8] = True
    adjustments.set_ignored_png(made, mask_text(mask))
    assert bpy.ops.photobust.apply_adjustments() == {"FINISHED"}
    after = coordinates(made.data.shape_keys.key_blocks[0].data)
    assert np.abs(after - before).max() > 0.001
    assert bpy.ops.photobust.save_adjustments(filepath=saved) == {"FINISHED"}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
