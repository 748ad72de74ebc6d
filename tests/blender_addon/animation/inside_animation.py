"""Checks of faces in motion, run by test_animation.py in a fresh process.

`inside_animation.py --check NAME FOLDER`; FOLDER has head.npz. Prints "NAME passed" at the end; an assertion
that fails ends the process with code 1.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

import bpy
import numpy as np
from mathutils import Vector

from blender_addon.animation import gaze, sliders
from blender_addon.animation.live_link_csv import SHAPES, Recording, csv_text, read_recording
from blender_addon.animation.poses import POSE_NAMES, pose_values
from blender_addon.blender import actions
from blender_addon.heads import armature
from blender_addon.heads.build import build_head
from blender_addon.heads.head_npz import read_head
from tests.blender_addon.inside import main

#: Just above half a second of a recording, which is looked at.
FRAMES = 36


def selected_head(folder):
    """A head that is the active object of a session with the add-on, and its armature."""
    import addon_utils

    assert addon_utils.enable("blender_addon", default_set=True), "the add-on cannot be switched on"
    head = build_head(read_head(folder / "head.npz"), None, bpy.context.scene.collection, "somebody")
    head.photobust.is_head = True
    bpy.context.view_layer.objects.active = head
    return head, armature.rig_of(head)


def recording():
    """A little more than half a second; the eyes' angles agree with their shapes, as a camera's would."""
    numbers = np.random.default_rng(7)
    times = np.arange(FRAMES) / 60
    waves = numbers.uniform(1, 8, (52, 1)) * times + numbers.uniform(0, 6, (52, 1))
    shapes = dict(zip(SHAPES, np.sin(waves) ** 2, strict=True))
    turns = {"head": np.stack([0.5 * np.sin(3 * times), 0.3 * np.cos(5 * times), 0.2 * np.sin(times)], 1)}
    full = np.radians(armature.EYE_LOOK_DEG)
    for joint, side, out in (("eye.L", "Left", 1), ("eye.R", "Right", -1)):
        yaw = out * (shapes[f"eyeLookOut{side}"] - shapes[f"eyeLookIn{side}"])
        pitch = shapes[f"eyeLookUp{side}"] - shapes[f"eyeLookDown{side}"]
        turns[joint] = full * np.stack([yaw, pitch, 0 * yaw], 1)
    return Recording(times, shapes, turns)


def close(found, wanted, atol):
    for name, values in wanted.shapes.items():
        assert np.allclose(found.shapes[name], values, atol=atol), name
    for name, values in wanted.rotations.items():
        assert np.allclose(found.rotations[name], values, atol=atol), name


def check_takes(folder):
    """A recording moves the head, and comes back out of it, in three ways; undo takes it away."""
    head, rig = selected_head(folder)
    wanted = recording()
    source, written = folder / "take.csv", folder / "out.csv"
    source.write_text(csv_text(wanted), encoding="utf-8")
    keys = head.data.shape_keys
    for driving, eye_bones in ((False, False), (False, True), (True, False)):
        armature.set_bones_drive_shapes(head, driving)
        assert bpy.ops.photobust.import_live_link(filepath=str(source), eye_bones=eye_bones) == {"FINISHED"}
        assert len(bpy.data.actions) == (1 if actions.has_slots() else 2)
        assert keys.animation_data.action.name == "take"
        scene = bpy.context.scene
        assert scene.frame_end == 1 + int(np.ceil(wanted.times[-1] * 24))
        # Frame 13 is half a second, frame 30 of the file.
        scene.frame_set(13)
        assert abs(sliders.value_of(head, "mouthSmileLeft") - wanted.shapes["mouthSmileLeft"][30]) < 1e-4
        assert abs(keys.key_blocks["jawOpen"].value - wanted.shapes["jawOpen"][30]) < 1e-4
        nod = sum(rig.pose.bones[bone].rotation_euler.x for bone in ("neck_01", "neck_02", "head"))
        assert abs(nod + wanted.rotations["head"][30, 1]) < 1e-4
        scene.frame_end = 1 + int(wanted.times[-1] * 24)
        assert bpy.ops.photobust.export_live_link(filepath=str(written)) == {"FINISHED"}
        found = read_recording(written)
        count = len(found.times)
        assert count >= FRAMES - 3 and np.allclose(found.times, wanted.times[:count], atol=1e-4)
        kept = {name: values[:count] for name, values in wanted.shapes.items()}
        if eye_bones:  # the shapes are left out, or the eyes would turn twice
            kept = {name: values for name, values in kept.items() if "eyeLook" not in name}
            assert not any("eyeLook" in curve.data_path for curve in actions.curves_of(keys))
        joints = {name: values[:count] for name, values in wanted.rotations.items()}
        close(found, Recording(wanted.times[:count], kept, joints), 2e-3)
        for owner in (keys, rig):
            owner.animation_data.action = None
        for action in list(bpy.data.actions):
            bpy.data.actions.remove(action)
        sliders.reset(head)
    undo_is_one_step(head, source)
    bad = folder / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    try:
        assert bpy.ops.photobust.import_live_link(filepath=str(bad)) == {"CANCELLED"}
    except RuntimeError as error:
        assert "no column of a blendshape" in str(error)
    assert not bpy.data.actions


def check_kept_takes(folder):
    """What moved a head before stays in the file: a take of before, and what somebody keyed by hand."""
    head, _ = selected_head(folder)
    sliders.set_value(head, "jawOpen", 0.5)
    assert bpy.ops.photobust.key_face() == {"FINISHED"}
    made = [head.data.shape_keys.animation_data.action.name]
    for name in ("first take", "second take"):
        source = folder / f"{name}.csv"
        source.write_text(csv_text(recording()), encoding="utf-8")
        assert bpy.ops.photobust.import_live_link(filepath=str(source)) == {"FINISHED"}
        made.append(name)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "takes.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(folder / "takes.blend"))
    assert set(made) <= set(bpy.data.actions.keys()), (made, bpy.data.actions.keys())


def undo_is_one_step(head, source):
    if bpy.app.background and not bpy.context.window:
        return
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.photobust.import_live_link(filepath=str(source))
    bpy.ops.ed.undo_push(message="after")
    assert bpy.data.actions
    bpy.ops.ed.undo()
    assert not bpy.data.actions


def check_controls(folder):
    """Sliders, mirrored ones too, poses, reset, and the eyes' target."""
    head, rig = selected_head(folder)
    keys = head.data.shape_keys.key_blocks
    for driving in (False, True):
        armature.set_bones_drive_shapes(head, driving)
        head.photobust.mirrored.eyeLookIn = 0.25
        assert sliders.value_of(head, "eyeLookInLeft") == sliders.value_of(head, "eyeLookInRight") == 0.25
        sliders.set_value(head, "eyeLookInLeft", 0.75)
        assert head.photobust.mirrored.eyeLookIn == 0.5
        bpy.ops.photobust.flip_face()
        assert sliders.value_of(head, "eyeLookInRight") == 0.75
        bpy.ops.photobust.reset_face(group="Brows")
        assert sliders.value_of(head, "eyeLookInRight") == 0.75
        bpy.ops.photobust.reset_face(group="Eyes")
        assert sliders.value_of(head, "eyeLookInRight") == 0 and keys["Photo"].value == (not driving)
        for name in POSE_NAMES:
            bpy.ops.photobust.face_pose(pose=name.upper())
            values = {shape: sliders.value_of(head, shape) for shape in sliders.shapes_of(head)}
            assert set(pose_values(name)) <= set(SHAPES), name
            assert {shape: round(value, 4) for shape, value in values.items() if value} == pose_values(name)
        rig.pose.bones["head"].rotation_euler.y = 0.3
        bpy.ops.photobust.key_face()
        bpy.ops.photobust.reset_face()
        assert rig.pose.bones["head"].rotation_euler.y == 0 and keys["Photo"].value == 0
        assert not any(sliders.value_of(head, shape) for shape in sliders.shapes_of(head))
    armature.set_bones_drive_shapes(head, False)
    eyes_follow(head, rig)
    before = len(bpy.data.actions)
    bpy.ops.photobust.pose_assets()
    bpy.ops.photobust.pose_assets()  # replaces what is there
    made = [action for action in bpy.data.actions if action.asset_data is not None]
    assert len(made) == len(POSE_NAMES) and len(bpy.data.actions) == before + len(made)
    laugh = bpy.data.actions["somebody Laugh"]
    curves = {curve.data_path: curve.evaluate(1) for curve in actions.all_curves(laugh)}
    assert len(curves) == 52 and abs(curves['key_blocks["jawOpen"].value'] - 0.35) < 1e-6
    assert not any("viseme" in path for path in curves)
    # Made anew while the head is in one of them, which it then goes on to be in.
    keys = head.data.shape_keys
    kept = None if keys.animation_data is None else keys.animation_data.action
    (keys.animation_data or keys.animation_data_create()).action = laugh
    if actions.has_slots():
        keys.animation_data.action_slot = laugh.slots[0]
    count = len(bpy.data.actions)
    assert bpy.ops.photobust.pose_assets() == {"FINISHED"}
    assert keys.animation_data.action == bpy.data.actions["somebody Laugh"] and len(bpy.data.actions) == count
    bpy.context.scene.frame_set(1)
    assert abs(keys.key_blocks["jawOpen"].value - 0.35) < 1e-6
    keys.animation_data.action = kept


def eyes_follow(head, rig):
    """The eyes look at their target, as far as eyes turn, and straight ahead without one."""
    assert bpy.ops.photobust.look_target() == {"FINISHED"}
    target = gaze.target_of(head)
    bone = rig.pose.bones["eye.L"]
    center = Vector(rig.data.bones["eye.L"].head_local)
    for place, reached in ((Vector((0.1, -0.6, 0.1)), True), (Vector((2.0, -0.1, 0.0)), False)):
        target.location = place
        bpy.context.view_layer.update()
        forward = (bone.tail - bone.head).normalized()
        angle = np.degrees(forward.angle(place - center))
        assert (angle < 0.5) == reached, angle
        assert np.degrees(forward.angle(Vector((0.0, -1.0, 0.0)))) < 36
    armature.set_bones_drive_shapes(head, True)
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    keys = head.data.shape_keys.evaluated_get(graph).key_blocks
    assert keys["eyeLookOutLeft"].value > 0.9 and keys["eyeLookInRight"].value > 0.9
    armature.set_bones_drive_shapes(head, False)
    # A target that the user has deleted makes room for a new one.
    bpy.ops.object.select_all(action="DESELECT")
    target.select_set(True)
    assert bpy.ops.object.delete() == {"FINISHED"} and gaze.target_of(head) is None
    bpy.context.view_layer.objects.active = head
    assert bpy.ops.photobust.look_target() == {"FINISHED"}
    assert gaze.target_of(head) is not None and len(bone.constraints) == 2
    assert bpy.ops.photobust.look_target() == {"FINISHED"}
    assert gaze.target_of(head) is None and len(bone.constraints) == 0
    assert not [one for one in bpy.data.objects if gaze.MARK in one]


if __name__ == "__main__":
    main(globals())
