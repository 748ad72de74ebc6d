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
from blender_addon.blender.glb_document import document_of
from blender_addon.blender.glb_file import glb_chunks
from blender_addon.heads import armature
from blender_addon.heads.build import build_head
from blender_addon.heads.export import ExportOptions, export_head, formats
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


def check_driven_keys(folder):
    """Keys of the sliders go with these where bones drive shapes, back again, and into animated files."""
    head, rig = selected_head(folder)
    keys, scene = head.data.shape_keys, bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 5
    for frame, value in ((1, 0.0), (5, 1.0)):
        sliders.set_value(head, "jawOpen", value)
        keys.key_blocks["jawOpen"].keyframe_insert("value", frame=frame)
    curve = actions.curves_of(keys)[0]
    curve.keyframe_points[0].interpolation = "BEZIER"
    curve.keyframe_points[0].handle_right_type = "FREE"
    curve.keyframe_points[0].handle_right = (3.0, 0.0)
    curve.modifiers.new("LIMITS").max_y = 0.5
    middle = curve.evaluate(3)
    for driving in (True, False, True):
        bpy.ops.photobust.bones_drive_shapes()
        moved = [[one.data_path for one in actions.curves_of(owner)] for owner in (keys, rig)]
        assert moved == ([[], ['["jawOpen"]']] if driving else [['key_blocks["jawOpen"].value'], []]), moved
        curve = actions.curves_of(rig if driving else keys)[0]
        assert curve.modifiers[0].max_y == 0.5, (driving, curve.modifiers[0].max_y)
        assert abs(curve.evaluate(3) - middle) < 1e-6, (driving, curve.evaluate(3), middle)
        scene.frame_set(3)
        assert abs(keys.key_blocks["jawOpen"].value - middle) < 1e-6
    curve.modifiers.remove(curve.modifiers[0])
    names = set(bpy.data.actions.keys())
    options = ExportOptions(animation=True)
    export_head(bpy.context, head, folder / "out", "glb", options=options)
    assert [one.data_path for one in actions.curves_of(rig)] == ['["jawOpen"]']
    assert set(bpy.data.actions.keys()) == names and armature.drives_shapes(rig)
    weights = animated_weights(folder / "out" / "head.glb")["jawOpen"]
    assert weights[0] == 0.0 and weights[-1] == 1.0 and (np.diff(weights) > 0).all(), weights


def check_driven_curves(folder):
    """Curves that go with the sliders lose nothing: neither samples, nor modifiers, nor what is theirs."""
    head, rig = selected_head(folder)
    keys = head.data.shape_keys
    for shape in ("jawOpen", "eyeLookInLeft"):
        for frame, value in ((3, 0.0), (9, 1.0)):
            keys.key_blocks[shape].value = value
            keys.key_blocks[shape].keyframe_insert("value", frame=frame, group="Face")
    keyed, baked = actions.curves_of(keys)
    baked.convert_to_samples(3, 10)
    keyed.mute = keyed.lock = True
    keyed.auto_smoothing = "NONE"
    keyed.color_mode, keyed.color = "CUSTOM", (0.25, 0.5, 0.75)
    envelope = keyed.modifiers.new("ENVELOPE")
    envelope.use_restricted_range, envelope.frame_start, envelope.frame_end = True, 4, 8
    for frame, low, high in ((3, -0.5, 0.5), (9, -0.25, 2.0)):
        point = envelope.control_points.add(frame)
        point.min, point.max = low, high
    polynomial = baked.modifiers.new("GENERATOR")
    polynomial.poly_order, polynomial.use_additive = 2, True
    polynomial.coefficients = (0.0, 0.5, 0.25)
    wanted = [described(curve) for curve in (keyed, baked)]
    for driving in (True, False):
        bpy.ops.photobust.bones_drive_shapes()
        found = [described(curve) for curve in actions.curves_of(rig if driving else keys)]
        assert sorted(found, key=str) == sorted(wanted, key=str), (found, wanted)
        assert not actions.curves_of(keys if driving else rig)
    # An action of another file gets no copies: the originals stay.
    theirs = bpy.data.actions.new("theirs")
    bpy.data.libraries.write(str(folder / "theirs.blend"), {theirs}, fake_user=True)
    bpy.data.actions.remove(theirs)
    with bpy.data.libraries.load(str(folder / "theirs.blend"), link=True) as (_, linked):
        linked.actions = ["theirs"]
    rig.animation_data.action = linked.actions[0]
    bpy.ops.photobust.bones_drive_shapes()
    assert sorted(map(described, actions.curves_of(keys)), key=str) == sorted(wanted, key=str)


def described(curve):
    """All of a curve but what it moves."""
    modifiers = [
        {
            known.identifier: getattr(modifier, known.identifier)
            for known in modifier.bl_rna.properties
            if known.identifier not in ("rna_type", "control_points", "coefficients")
        }
        for modifier in curve.modifiers
    ]
    points = [
        [(point.frame, point.min, point.max) for point in getattr(modifier, "control_points", ())]
        for modifier in curve.modifiers
    ]
    return (
        [tuple(key.co) for key in curve.keyframe_points],
        [tuple(sample.co) for sample in curve.sampled_points],
        (curve.mute, curve.lock, curve.hide, curve.auto_smoothing, curve.extrapolation),
        (curve.color_mode, tuple(curve.color), curve.group.name),
        modifiers,
        points,
        [tuple(getattr(modifier, "coefficients", ())) for modifier in curve.modifiers],
        [round(curve.evaluate(frame), 5) for frame in np.arange(0.0, 12.0, 0.5)],
    )


def animated_weights(file):
    """The values that a GLB file's shapes go through, by their names."""
    document, binary = glb_chunks(file.read_bytes())
    names = document["meshes"][0]["extras"]["targetNames"]
    samplers = [
        animation["samplers"][channel["sampler"]]
        for animation in document["animations"]
        for channel in animation["channels"]
        if channel["target"]["path"] == "weights"
    ]
    accessor = document["accessors"][samplers[0]["output"]]
    start = document["bufferViews"][accessor["bufferView"]].get("byteOffset", 0)
    values = np.frombuffer(binary, "<f4", accessor["count"], start).reshape(-1, len(names))
    return dict(zip(names, values.T, strict=True))


def check_still_files(folder):
    """Files without the animation have the head at rest, at the origin, whatever moves it."""
    head, rig = selected_head(folder)
    keys, bone = head.data.shape_keys, rig.pose.bones["head"]
    export_head(bpy.context, head, folder / "rest", "glb")
    wanted = places(folder / "rest")
    for owner, path, value in (
        (keys.key_blocks["jawOpen"], "value", 0.5),
        (bone, "rotation_euler", (0.5, 0.0, 0.0)),
        (rig, "location", (1.0, 2.0, 3.0)),
    ):
        setattr(owner, path, value)
        owner.keyframe_insert(path, frame=1)
    export_head(bpy.context, head, folder / "out", "glb")
    assert keys.key_blocks["jawOpen"].value == 0.5 and keys.animation_data.action is not None
    assert tuple(rig.location) == (1.0, 2.0, 3.0) and bone.rotation_euler.x == 0.5
    assert places(folder / "out") == wanted


def check_tweaked_files(folder):
    """A head is exported while an NLA strip of it is in tweak mode, and is as before afterward."""
    head, rig = selected_head(folder)
    keys, scene = head.data.shape_keys, bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 5
    export_head(bpy.context, head, folder / "rest", "glb")
    wanted = places(folder / "rest")
    for owner, part, path in (
        (keys, keys.key_blocks["jawOpen"], "value"),
        (rig, rig.pose.bones["head"], "location"),
    ):
        for frame, value in ((1, 0.25), (5, 0.5)):
            setattr(part, path, value if part != rig.pose.bones["head"] else (value, 0.0, 0.0))
            part.keyframe_insert(path, frame=frame)
        data = owner.animation_data
        data.nla_tracks.new().strips.new("moved", 1, data.action)
    plain = {owner: actions.assignment(owner)[0] for owner in (keys, rig)}
    for driving in (False, True):
        armature.set_bones_drive_shapes(head, driving)
        for tweaked in ((keys,), (rig,), (keys, rig)):
            for owner in (keys, rig):
                owner.animation_data.action = None if owner in tweaked else plain[owner]
                owner.animation_data.use_tweak_mode = owner in tweaked
            before = [moved_by(owner) for owner in (keys, rig)]
            there = set(bpy.data.actions)
            for animation in (False, True):
                options = ExportOptions(animation=animation)
                for format_ in ("glb",) if animation else sorted({"glb", "fbx", "usd"} & set(formats())):
                    export_head(bpy.context, head, folder / "out", format_, options=options)
                    assert [moved_by(owner) for owner in (keys, rig)] == before, (driving, format_)
                    assert set(bpy.data.actions) == there and armature.drives_shapes(rig) == driving
                if not animation:
                    assert places(folder / "out") == wanted
            for owner in tweaked:
                owner.animation_data.use_tweak_mode = False
    nothing_is_left_of_errors(keys, rig, plain)


def moved_by(owner):
    """What moves a data-block, and whether that is a strip in tweak mode."""
    return *actions.assignment(owner), owner.animation_data.use_tweak_mode, owner.animation_data.use_nla


def nothing_is_left_of_errors(keys, rig, plain):
    """Where the second of two data-blocks cannot get a copy, the first has its own action again."""
    for owner, action in plain.items():
        owner.animation_data.action = action
    assign_again, before = actions.assign_again, [moved_by(owner) for owner in (rig, keys)]
    there = set(bpy.data.actions)
    calls = []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise AttributeError("as in tweak mode")
        assign_again(*arguments)

    actions.assign_again = failing
    try:
        with actions.kept([rig, keys]):
            raise AssertionError("nothing has failed")
    except AttributeError:
        pass
    finally:
        actions.assign_again = assign_again
    assert [moved_by(owner) for owner in (rig, keys)] == before and set(bpy.data.actions) == there


def places(folder):
    """Where the nodes of a head's file are, and the weights of its shapes."""
    document = document_of((folder / "head.glb").read_bytes())
    parts = ("rotation", "translation", "scale", "matrix")
    nodes = [[np.round(node.get(part, 0.0), 5).tolist() for part in parts] for node in document["nodes"]]
    return nodes, [any(mesh.get("weights", ())) for mesh in document["meshes"]]


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
        for owner in (head.data.shape_keys, rig):
            if owner.animation_data is not None:
                owner.animation_data.action = None
    armature.set_bones_drive_shapes(head, False)
    eyes_follow(head, rig)
    head.shape_key_add(name='an artist\'s "own"', from_mix=False)
    before = len(bpy.data.actions)
    bpy.ops.photobust.pose_assets()
    bpy.ops.photobust.pose_assets()  # replaces what is there
    made = [action for action in bpy.data.actions if action.asset_data is not None]
    assert len(made) == len(POSE_NAMES) and len(bpy.data.actions) == before + len(made)
    laugh = bpy.data.actions["somebody Laugh"]
    curves = {curve.data_path: curve.evaluate(1) for curve in actions.all_curves(laugh)}
    assert len(curves) == 52 and abs(curves['key_blocks["jawOpen"].value'] - 0.35) < 1e-6
    assert not any("viseme" in path or "artist" in path for path in curves)
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
