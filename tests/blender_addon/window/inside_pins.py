"""What the window test of pins asks in Blender; sent there as text, after `inside_window.py`."""

import hashlib
import os
import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

#: Modules of the add-on.
MODULES = (
    *("operators.adjust_pins", "operators.ignore_here", "state.session", "heads.adjustments"),
    *("heads.loaded", "heads.results", "heads.photographed", "viewport.camera_match"),
)
#: How often the view has been drawn.
draws = [0]
#: These by their last names, and under "head" the head's name.
rooms = {}


def show_head(addon, folder):
    """Build the head of a result's folder, and select it."""
    for name in MODULES:
        rooms[name.rpartition(".")[2]] = sys.modules[f"{addon}.{name}"]
    folder = Path(folder)
    files = {path.name: str(path) for path in folder.iterdir()}
    found = {"faces": [{"folder": str(folder), "files": files}]}
    photos = [folder / "photo.png", folder / "side.png"]
    loaded_head = rooms["loaded"].load_heads(photos[0], found, photos)[0]
    results = rooms["results"]
    collection = results.new_collection(bpy.context.scene, loaded_head.name)
    places = [Vector((0, 0, 0))]
    rooms["head"], *_ = results.build_step_by_step(loaded_head, collection, places, "HEAD", 1.0)
    results.select_only(bpy.context.view_layer, [head()])
    # What is slow to draw without a graphics card, and of which nothing is asked.
    bpy.context.preferences.system.viewport_aa = "OFF"
    for modifier in head().modifiers:
        modifier.show_viewport = False
    bpy.ops.ed.undo_push(message="built")
    bpy.types.SpaceView3D.draw_handler_add(_count_draw, (), "WINDOW", "POST_PIXEL")


def _count_draw():
    draws[0] += 1


def head():
    return bpy.data.objects[rooms["head"]]


def pose():
    """Turn the head, open its mouth, and take its expression away."""
    bone = head().parent.pose.bones["head"]
    bone.rotation_mode = "XYZ"
    bone.rotation_euler.x = 0.6
    keys = head().data.shape_keys.key_blocks
    keys["Photo"].value, keys["jawOpen"].value = 0.0, 0.5
    bpy.ops.ed.undo_push(message="posed")


def posed():
    """Whether the pose is shown, whether one shape key is shown alone, and values of shape keys."""
    keys = head().data.shape_keys.key_blocks
    shown = head().parent.data.pose_position == "POSE"
    return [shown, head().show_only_shape_key, keys["Photo"].value, keys["jawOpen"].value]


def overlay():
    """What is drawn over the view, None when points are not dragged."""
    return rooms["adjust_pins"]._overlay


def pins():
    """Where the points are in the window, pixels from its bottom left corner."""
    _, area, region = find_region("VIEW_3D", "WINDOW")  # noqa: F821
    seen = rooms["adjust_pins"].screen_pins(head(), region, area.spaces.active.region_3d)
    return {pin.name: [pin.position[0] + region.x, pin.position[1] + region.y] for pin in seen}


def painting():
    """What is painted and asked, None when nothing is ignored."""
    return rooms["ignore_here"]._painting


def is_shown(number):
    """Whether the head is shown as in a photo: 0 is the main one."""
    keys = head().data.shape_keys.key_blocks
    opened = rooms["photographed"].VIEW_SHAPE in keys
    return rooms["camera_match"].shown_view(head()) == number and opened == bool(number)


def zoom(value):
    """Zoom the camera view."""
    _, area, _ = find_region("VIEW_3D", "WINDOW")  # noqa: F821
    area.spaces.active.region_3d.view_camera_zoom = value


def redraw():
    """Have the view drawn; how often it was before."""
    _, area, _ = find_region("VIEW_3D", "WINDOW")  # noqa: F821
    area.tag_redraw()
    return draws[0]


def coordinates(key):
    points = np.empty(3 * len(key.data), np.float32)
    key.data.foreach_get("co", points)
    return points.reshape(-1, 3)


def shapes():
    """A digest of all bytes of the head's geometry: its mesh and all its shapes."""
    view = rooms["photographed"].VIEW_SHAPE
    keys = [key for key in head().data.shape_keys.key_blocks if key.name != view]
    mesh = np.empty(3 * len(head().data.vertices), np.float32)
    head().data.vertices.foreach_get("co", mesh)
    content = b"".join([mesh.tobytes(), *(coordinates(key).tobytes() for key in keys)])
    return hashlib.sha256(content).hexdigest()


def photo_vertices():
    return coordinates(head().data.shape_keys.key_blocks["Photo"])


def megabytes():
    """Memory of Blender and the engine."""
    return sum(_megabytes(pid) for pid in (os.getpid(), rooms["session"].current().engine_pid))


def _megabytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
