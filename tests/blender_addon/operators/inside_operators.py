"""Checks of the operators, run by test_operators.py in a fresh process.

`inside_operators.py --check NAME FOLDER ...`.

Prints "NAME passed" at the end; an assertion that fails ends the process with code 1. The engine's Python is
in PHOTOBUST_PYTHON.
"""

import json
import os
import signal
import struct
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock, patch

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Euler, Vector

from tests.blender_addon.inside import assert_no_path_of, main

NAME = "blender_addon"


def switch_on():
    import addon_utils  # found only once bpy is there

    assert addon_utils.enable(NAME, default_set=True), "the add-on cannot be switched on"
    from blender_addon.state import session

    # The stand-in for the engine makes surfaces only.
    bpy.context.scene.photobust.make = "SURFACE"
    return session.current()


def switch_off():
    import addon_utils

    addon_utils.disable(NAME, default_set=True)


def engine_pid():
    from blender_addon.state import session

    return session.current().engine_pid


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def make_photo(folder, stem):
    path = folder / f"{stem}.jpg"
    path.write_bytes(b"a photo, says its name")
    return str(path)


def error_of(operator, **options):
    """The words of the operator's error report, which a script gets as an exception."""
    try:
        done = operator(**options)
    except RuntimeError as error:
        return str(error)
    raise AssertionError(f"no error but {done}")


def active():
    return bpy.context.view_layer.objects.active


def nothing_new(before):
    return {kind: getattr(bpy.data, kind).keys() for kind in before} == before


def counts():
    kinds = ("objects", "meshes", "materials", "collections", "cameras", "images")
    return {kind: getattr(bpy.data, kind).keys() for kind in kinds}


def traces():
    """All that Blender knows of the add-on."""
    import logging

    return {
        "classes": [name for name in dir(bpy.types) if "photobust" in name.lower()],
        "operators": dir(bpy.ops.photobust),
        "properties": [
            kind.__name__
            for kind in (bpy.types.Scene, bpy.types.Object, bpy.types.WindowManager)
            if "photobust" in kind.bl_rna.properties
        ],
        "log": list(logging.getLogger("photobust").handlers),
        "threads": [t.name for t in threading.enumerate() if t.name.startswith("photobust")],
    }


def check_registration(folder):
    nothing = traces()
    assert not any(nothing.values()), nothing
    for _ in range(2):
        now = switch_on()
        there = traces()
        assert len(there["classes"]) >= 15 and len(there["properties"]) == 3, there
        assert {"reconstruct", "match_camera", "setup_engine"} < set(there["operators"]), there
        bpy.ops.photobust.reconstruct(filepath=make_photo(folder, "one"))
        pid = now.engine_pid
        assert alive(pid)
        # Panels have something to say of all states, and of what was typed.
        state = bpy.context.window_manager.photobust
        assert not state.running and state.step == "" and not state.setting_up
        assert state.message_level == "INFO"
        scene = bpy.context.scene.photobust
        scene.focal_mm = 3.0
        assert scene.focal_mm == 8.0
        switch_off()
        assert not alive(pid), "the engine outlived the add-on"
        assert traces() == nothing, traces()
    assert not hasattr(bpy.context.scene, "photobust")


def check_errors(folder):
    now = switch_on()
    state = bpy.context.window_manager.photobust
    ops = bpy.ops.photobust
    before = counts()
    assert "Choose a photo first" in error_of(ops.reconstruct)
    assert "no file" in error_of(ops.reconstruct, filepath=str(folder / "none.jpg"))
    assert 'numbers of faces: give them as "1, 3"' in error_of(
        ops.reconstruct, filepath=make_photo(folder, "x"), faces="first"
    )
    assert "numbers of faces" in error_of(ops.reconstruct, filepath=make_photo(folder, "x"), faces="0")
    words = error_of(ops.reconstruct, filepath=make_photo(folder, "noface"))
    assert "No face found in noface.jpg" in words and "Traceback" not in words
    assert state.message_level == "ERROR" and "No face found in noface.jpg" in state.message
    words = error_of(ops.reconstruct, filepath=make_photo(folder, "crash"))
    assert "something broke deep inside" in words and "Traceback" not in words
    assert "something broke deep inside" in now.log_path.read_text()
    assert not state.running
    (folder / "results").write_text("a file where a folder should be")
    preferences = bpy.context.preferences.addons[NAME].preferences
    preferences.results_folder = str(folder / "results")
    words = error_of(ops.reconstruct, filepath=make_photo(folder, "fine"))
    assert "Traceback" not in words and state.message
    preferences.results_folder = str(folder / "heads")
    # Of what nobody thought of, the user gets a sentence, and the log the traceback.
    from blender_addon.heads import results

    kept = results.surface_material
    results.surface_material = lambda *arguments: 1 / 0
    words = error_of(ops.reconstruct, filepath=make_photo(folder, "fine"))
    results.surface_material = kept
    assert "ZeroDivisionError" in words and "Open Log" in words and "Traceback" not in words
    assert "Traceback" in now.log_path.read_text()
    bpy.data.meshes.remove(bpy.data.meshes["fine"])  # in no scene, so not saved either
    assert nothing_new(before), counts()

    assert ops.reconstruct(filepath=make_photo(folder, "once")) == {"FINISHED"}
    assert active().name == "once"
    assert state.message_level == "WARNING" and "started again" in state.message

    os.environ["PHOTOBUST_PYTHON"] = str(folder / "no such python")
    assert "no such python" in error_of(ops.reconstruct, filepath=make_photo(folder, "fine"))
    preferences.engine_python = str(folder)
    assert "folder" in error_of(ops.reconstruct, filepath=make_photo(folder, "fine"))
    broken = folder / "broken-python"
    broken.write_bytes(b"\x7fELF not really")
    broken.chmod(0o755)
    preferences.engine_python = str(broken)
    words = error_of(ops.reconstruct, filepath=make_photo(folder, "fine"))
    assert "Traceback" not in words
    assert not ops.match_camera.poll() or active().photobust.is_head
    words = error_of(ops.match_camera)
    assert "without its photo's camera" in words
    assert "without landmarks" in error_of(ops.landmarks)
    bpy.context.view_layer.objects.active = None
    assert not ops.match_camera.poll() and not ops.show_confidence.poll() and not ops.cancel.poll()


def check_results_and_undo(folder):
    switch_on()
    ops = bpy.ops.photobust
    before = counts()
    bpy.context.scene.cursor.location = (1.0, 2.0, 0.5)
    bpy.ops.ed.undo_push(message="before")
    assert ops.reconstruct("EXEC_DEFAULT", True, filepath=make_photo(folder, "two faces")) == {"FINISHED"}
    heads = [active(), next(o for o in bpy.context.selected_objects if o != active())]
    assert [head.name for head in heads] == ["two faces_1", "two faces_2"]
    np.testing.assert_allclose(
        [head.location for head in heads], [(1.0, 2.0, 0.5), (1.3, 2.0, 0.5)], rtol=1e-6
    )
    assert {head.users_collection[0].name for head in heads} == {"two faces"}
    assert (Path(heads[0].photobust.folder) / "face.json").is_file()
    assert bpy.ops.ed.undo() == {"FINISHED"}
    assert nothing_new(before), "more than one step to undo"

    # In Edit Mode an object could not be taken back by itself.
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    assert not ops.reconstruct.poll()
    bpy.ops.object.mode_set(mode="OBJECT")
    # The second collection of the same name is another one; nobody's objects are touched.
    for number in range(2):
        ops.reconstruct(filepath=make_photo(folder, "Zoë"))
        assert active().users_collection[0].name == ("Zoë", "Zoë.001")[number]
    assert len(active().users_collection[0].objects) == 1

    # A photo that is dropped into the window, or picked, is the panel's.
    assert ops.choose_photo(filepath=make_photo(folder, "picked")) == {"FINISHED"}
    assert bpy.context.scene.photobust.photo == str(folder / "picked.jpg")
    assert "No photo was chosen" in error_of(ops.choose_photo, filepath="")
    bpy.context.scene.photobust.use_own_focal = True
    bpy.context.scene.photobust.focal_mm = 85.0
    assert ops.reconstruct() == {"FINISHED"} and active().name == "picked"
    document = json.loads((Path(active().photobust.folder) / "face.json").read_text("utf-8"))
    assert document["params"]["focal_mm"] == 85.0

    check_several_photos(folder)

    # Results beside a saved .blend.
    blend = folder / "work" / "scene.blend"
    blend.parent.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    ops.reconstruct(filepath=make_photo(folder, "beside"))
    assert Path(active().photobust.folder) == blend.parent / "photobust" / "beside"
    preferences = bpy.context.preferences.addons[NAME].preferences
    preferences.results_folder = "//heads"
    ops.reconstruct(filepath=make_photo(folder, "chosen"))
    assert Path(active().photobust.folder) == blend.parent / "heads" / "chosen"


def check_several_photos(folder):
    """Several photos of a person are one head; each photo has its camera, and those left out their reason."""
    ops, scene = bpy.ops.photobust, bpy.context.scene
    names = [Path(make_photo(folder, stem)).name for stem in ("left", "front", "unlike")]
    picture = bpy.data.images.new("picture", 60, 40)
    picture.file_format = "PNG"
    picture.filepath_raw = str(folder / "left.jpg")
    picture.save()
    bpy.data.images.remove(picture)
    files = [{"name": name} for name in names]
    assert ops.choose_photo(directory=str(folder), files=files[:2]) == {"FINISHED"}
    assert ops.add_photos(directory=str(folder), files=files) == {"FINISHED"}
    assert scene.photobust.photo == str(folder / "left.jpg")
    assert [Path(one.path).name for one in scene.photobust.further_photos] == names[1:]
    scene.photobust.force = True
    assert "leave out the faces" in error_of(ops.reconstruct, faces="1")
    before = counts()
    bpy.ops.ed.undo_push(message="before")
    assert ops.reconstruct("EXEC_DEFAULT", True) == {"FINISHED"}
    head = active()
    assert (head.name, Path(head.photobust.photo).name) == ("left", "front.jpg")
    params = json.loads((Path(head.photobust.folder) / "face.json").read_text("utf-8"))["params"]
    assert params["photos"] == [str(folder / name) for name in names] and params["force"]
    assert not scene.photobust.force, "the next photos may show somebody else by mistake"
    assert "faces" not in params or params["faces"] is None
    words = bpy.context.window_manager.photobust.message
    assert words == "Made a head from 2 of 3 photos. unlike.jpg seems to show somebody else."
    assert ops.match_camera(view=1) == {"FINISHED"}
    lens, camera = scene.camera.data, head.photobust.camera
    assert scene.camera == camera and lens.background_images[0].image.filepath.endswith("left.jpg")
    assert abs(lens.lens * 60 / lens.sensor_width - 50.0) < 1e-3
    np.testing.assert_allclose(camera.location - head.location, (0, -0.5, 0), atol=1e-6)
    # A duplicate gets a camera of its own.
    place, twin = camera.matrix_world.copy(), head.copy()
    scene.collection.objects.link(twin)
    twin.location.x += 1.0
    bpy.context.view_layer.objects.active = twin
    assert ops.match_camera(view=1) == {"FINISHED"}
    assert scene.camera == twin.photobust.camera != camera and camera.matrix_world == place
    bpy.context.view_layer.objects.active = head
    assert ops.match_camera(view=1) == {"FINISHED"} and scene.camera == camera
    assert "was left out: unlike.jpg" in error_of(ops.match_camera, view=3)
    assert "no photo 4" in error_of(ops.match_camera, view=4)
    assert bpy.ops.ed.undo() == {"FINISHED"}
    assert nothing_new(before), "more than one step to undo"

    scene = bpy.context.scene
    assert ops.remove_photo(number=0) == {"FINISHED"} and ops.remove_photo(number=1) == {"FINISHED"}
    assert scene.photobust.photo == str(folder / "front.jpg") and not scene.photobust.further_photos
    ops.add_photos(directory=str(folder), files=files)
    scene.photobust.force = True
    scene.photobust.photo = str(folder / "picked.jpg")
    assert not scene.photobust.further_photos and not scene.photobust.force, "those were of somebody else"


def check_placement(folder):
    """Heads stand beside those that are there already, or at the cursor if that is wanted."""
    switch_on()
    ops = bpy.ops.photobust
    cursor = Vector((1.0, 2.0, 0.5))
    bpy.context.scene.cursor.location = cursor
    properties = bpy.context.scene.photobust.bl_rna.properties
    assert properties["make"].default == "HEAD" and properties["placement"].default == "BESIDE"
    xs = []
    for name in ("one", "two faces", "three"):
        ops.reconstruct(filepath=make_photo(folder, name))
        xs += sorted(ob.location.x for ob in bpy.context.selected_objects)
    np.testing.assert_allclose(xs, [1.0, 1.3, 1.6, 1.9], rtol=1e-6)
    # A place that was left is free again; what is no head does not count.
    bpy.data.objects["one"].location.x = 9.0
    ops.reconstruct(filepath=make_photo(folder, "four"))
    assert (active().location - cursor).length < 1e-6
    ops.reconstruct(filepath=make_photo(folder, "five"), placement="CURSOR")
    assert (active().location - cursor).length < 1e-6
    assert "no placement" in error_of(ops.reconstruct, filepath=make_photo(folder, "x"), placement="moon")
    assert bpy.context.window_manager.photobust.message_level == "ERROR"


def check_messages(folder):
    """A message stands below its operator's button, and is forgotten with its file."""
    now = switch_on()
    ops = bpy.ops.photobust
    ops.reconstruct(filepath=make_photo(folder, "one"))
    assert (now.message.operator, now.message.text) == (
        "photobust.reconstruct",
        "Made a head from one.jpg.",
    )
    assert "without landmarks" in error_of(ops.landmarks)
    assert now.message.operator == "photobust.landmarks" and now.message.level == "ERROR"
    bpy.ops.wm.read_homefile(use_empty=True)
    assert now.message.text == "" and bpy.context.window_manager.photobust.message == ""
    bpy.context.scene.photobust.make = "SURFACE"

    # What goes into a bug report names neither the user nor this computer's folders.
    ops.report_bug()
    assert "clipboard" in now.message.text
    from blender_addon.state import links

    report = links.bug_report(bpy.app.version_string, now.log_path)
    assert "Photobust " in report and bpy.app.version_string in report and "Made a head" in report
    assert str(Path.home()) not in report
    assert links.documentation_file().is_file()

    # Windows and macOS have programs for few files' endings, and Blender raises what they answer.
    from blender_addon.operators import opening

    with patch.object(opening, "bpy") as blender:
        blender.ops.wm.path_open.side_effect = RuntimeError("Error: Python: Traceback")
        words = error_of(ops.open_documentation)
    assert "open it yourself" in words and str(links.documentation_file()) in words
    assert "Traceback" not in words

    assert_one_place_for_each_message(now)

    # Blender's own menus have the add-on's entries.
    for menu in (bpy.types.TOPBAR_MT_file_export, bpy.types.VIEW3D_MT_mesh_add):
        assert any("blender_addon" in draw.__module__ for draw in menu._dyn_ui_initialize())


def assert_one_place_for_each_message(now):
    """What an operator says stands below its button or in the photo's panel, never in both."""
    from blender_addon.operators import CLASSES
    from blender_addon.operators.reporting import dotted_name
    from blender_addon.state.session import Message
    from blender_addon.ui import photo_panel, sidebar

    spoken = now.message
    places = {}
    for operator in map(dotted_name, CLASSES):
        now.message = Message("INFO", "Said.", operator)
        with patch.object(sidebar, "draw_message") as below, patch.object(photo_panel, "draw_message") as top:
            photo_panel.PHOTOBUST_PT_photo.draw(SimpleNamespace(layout=MagicMock()), bpy.context)
            for panel in sidebar.panels():
                for name in panel.__dict__.get("buttons", ()):
                    panel.draw_button(panel, MagicMock(), bpy.context, name)
        places[operator] = (below.call_count, top.call_count)
    now.message = spoken
    assert {operator: found for operator, found in places.items() if sum(found) != 1} == {}
    assert places["photobust.adjust_pins"] == (1, 0) and places["photobust.reset_pins"] == (0, 1)


def check_results_folder(folder):
    """Without a .blend, results go into the user's documents, if there is such a folder."""
    switch_on()
    from blender_addon.state import settings

    assert settings.results_folder(bpy.context) == settings.user_folder() / "results"
    documents = Path.home() / "Documents"
    documents.mkdir()
    assert settings.results_folder(bpy.context) == documents / "Photobust"
    bpy.ops.photobust.reconstruct(filepath=make_photo(folder, "one"))
    assert Path(active().photobust.folder) == documents / "Photobust" / "one"


def check_setup(folder):
    """The engine's set-up as far as the add-on goes; what it downloads is another test's business."""
    now = switch_on()
    from blender_addon import errors
    from blender_addon.blender import compat
    from blender_addon.engine import setup as engine_setup
    from blender_addon.operators import setup_engine

    ops = bpy.ops.photobust
    preferences = bpy.context.preferences.addons[NAME].preferences
    if not compat.online_access():  # asked since 4.2, and not granted to a new user
        assert not ops.setup_engine.poll()
        assert "Online Access" in error_of(ops.setup_engine)
        setup_engine.compat.online_access = lambda: True
    plan = setup_engine._plan()
    words = " ".join(plan.lines())
    assert "MB" in words and str(plan.folder) in words

    class Installed(engine_setup.EngineSetup):
        problem = None

        def start(self):
            assert now.engine_pid is None, "an engine that is being replaced has to be stopped"

        def wait(self, *arguments):
            if self.problem:
                raise self.problem

    setup_engine.EngineSetup = Installed
    ops.reconstruct(filepath=make_photo(folder, "one"))
    preferences.engine_python = str(folder)  # wrong, and put right by setting up
    assert ops.setup_engine() == {"FINISHED"}
    assert preferences.engine_python == "" and now.engine_state.ready, now.engine_state
    state = bpy.context.window_manager.photobust
    assert state.engine_ready and state.message == "The engine is set up." and not state.setting_up
    Installed.problem = errors.SetupError("pip found no network")
    assert "pip found no network" in error_of(ops.setup_engine)
    assert state.message == "pip found no network" and state.message_level == "ERROR"
    # What is grayed when the engine is known to be unusable says why.
    preferences.engine_python = str(folder / "nothing")
    ops.check_engine()
    assert not state.engine_ready and "nothing" in state.message
    assert not ops.reconstruct.poll()
    assert "nothing" in error_of(ops.reconstruct, filepath=make_photo(folder, "one"))
    preferences.engine_python = ""
    ops.check_engine()
    assert state.engine_ready and ops.reconstruct.poll()


def check_orphan(folder):
    switch_on()
    bpy.ops.photobust.reconstruct(filepath=make_photo(folder, "one"))
    print("pids", os.getpid(), engine_pid(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def reconstruct_real(photo):
    assert bpy.ops.photobust.reconstruct(filepath=photo) == {"FINISHED"}
    return active()


def positions(mesh):
    values = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", values)
    return values.reshape(-1, 3)


def check_real(folder, photo):
    switch_on()
    scene = bpy.context.scene
    scene.cursor.location = (0.5, -0.25, 1.5)
    cube = next(o for o in bpy.data.objects if o.type == "MESH")
    cube.location = (0.5, -0.25, 1.5)
    head = reconstruct_real(photo)
    state = bpy.context.window_manager.photobust
    bpy.ops.photobust.match_camera()
    assert f'"{cube.name}" is around' in state.message and state.message_level == "WARNING"
    bpy.data.objects.remove(cube)
    assert head.name == "astronaut" and head.users_collection[0].name == "astronaut"
    assert (head.location - Vector((0.5, -0.25, 1.5))).length < 1e-6
    check_object(head)
    check_camera(head, photo)
    # The fit holds wherever the head is: the camera goes with it when it is matched again.
    head.location, head.rotation_euler, head.scale = (3, 1, -2), Euler((0.3, -0.5, 2.0)), (2.5,) * 3
    check_camera(head, photo)
    assert len([o for o in bpy.data.objects if o.type == "CAMERA" and "astronaut" in o.name]) == 1
    check_confidence(head)
    check_landmarks(head)
    check_saved(head, folder)
    check_killed(photo)


def check_object(head):
    mesh = head.data
    co = positions(mesh)
    size = co.max(0) - co.min(0)
    assert 0.18 < size[2] < 0.35 and 0.12 < size[0] < 0.30, size  # a head in meters, upright
    record = json.loads(head.photobust.manifest)
    points = record["landmarks"]["mediapipe478"]
    nose = np.array(points[1])
    assert nose[1] < np.percentile(co[:, 1], 10), "the face looks along -y"
    assert mesh.color_attributes.active_color.name == "Color"
    (material,) = mesh.materials
    link = material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].links[0]
    assert link.from_node.layer_name == "Color"
    values = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes["confidence"].data.foreach_get("value", values)
    assert 0 <= values.min() < 0.3 and 0.7 < values.max() <= 1
    assert not mesh.validate(verbose=True)
    from blender_addon.heads.verdict import verdict

    found = verdict(record["quality"])
    assert found.summary and any("focal length" in remark for remark in found.remarks)


def check_camera(head, photo):
    scene = bpy.context.scene
    before = head.matrix_world.copy()
    assert bpy.ops.photobust.match_camera() == {"FINISHED"}
    bpy.context.view_layer.update()
    camera = scene.camera
    assert (scene.render.resolution_x, scene.render.resolution_y) == (512, 512)
    assert abs(camera.data.lens - 50.0) < 0.01  # as face.json says, by the diagonal
    (background,) = camera.data.background_images
    assert bpy.path.abspath(background.image.filepath) == photo and camera.data.show_background_images
    document = json.loads((Path(head.photobust.folder) / "face.json").read_text("utf-8"))
    pose, lens = document["pose"], document["camera"]
    points = np.array([p or [np.nan] * 3 for p in document["landmarks"]["mediapipe478"]])
    seen = points @ np.array(pose["rotation_head_to_camera"]).T + np.array(pose["translation_m"])
    expected = seen[:, :2] / seen[:, 2:] * lens["focal_length_px"] + lens["principal_point_px"]
    there = projected(scene, camera, head, points)
    missing = np.isnan(points[:, 0])
    assert missing.sum() < 20
    assert np.abs(there - expected)[~missing].max() < 0.1
    # And on the face in the picture: within what the landmarks were moved by the fit.
    detected = np.array(document["detection"]["landmarks_photo_px"])[:, :2]
    face = np.ptp(detected[:, 1])
    assert np.median(np.linalg.norm(there - detected, axis=1)[~missing]) < 0.03 * face
    assert before == head.matrix_world or head.matrix_world.median_scale > 2


def projected(scene, camera, head, points):
    size = np.array([scene.render.resolution_x, scene.render.resolution_y])
    views = [world_to_camera_view(scene, camera, head.matrix_world @ Vector(p)) for p in points]
    return np.array([(view.x, 1.0 - view.y) for view in views]) * size - 0.5


def check_confidence(head):
    from blender_addon.heads import confidence as materials

    mesh = head.data
    assert bpy.ops.photobust.show_confidence() == {"FINISHED"}
    assert materials.shows_confidence(head)
    assert mesh.color_attributes.active_color.name == "Confidence"
    colors = np.empty(len(mesh.vertices) * 4, np.float32)
    mesh.color_attributes["Confidence"].data.foreach_get("color", colors)
    confidence = np.empty(len(mesh.vertices), np.float32)
    mesh.attributes["confidence"].data.foreach_get("value", confidence)
    green = colors.reshape(-1, 4)[:, 1]
    assert np.corrcoef(green, confidence)[0, 1] > 0.9  # the ramp's green grows all the way
    assert bpy.ops.photobust.show_confidence() == {"FINISHED"}
    assert not materials.shows_confidence(head)
    assert mesh.color_attributes.active_color.name == "Color"
    assert "Confidence" not in mesh.color_attributes and "confidence" in mesh.attributes


def check_landmarks(head):
    bpy.data.collections.new(f"{head.name} landmarks")  # an artist's own: Blender counts the next one
    objects, collections = len(bpy.data.objects), len(bpy.data.collections)
    points = json.loads(head.photobust.manifest)["landmarks"]
    for option, kind, first in (("478", "mediapipe478", 0), ("68", "ibug68", 1)):
        assert bpy.ops.photobust.landmarks(points=option) == {"FINISHED"}
        bpy.context.view_layer.update()
        empties = {o["photobust_landmark"]: o for o in head.children}
        assert len(empties) == sum(p is not None for p in points[kind])
        for number, empty in list(empties.items())[::7]:
            expected = head.matrix_world @ Vector(points[kind][number - first])
            assert (empty.matrix_world.translation - expected).length < 1e-4
        bpy.context.view_layer.objects.active = empties[1]  # buttons work from here too
        assert bpy.ops.photobust.landmarks() == {"FINISHED"}
        bpy.context.view_layer.objects.active = head
        assert (len(bpy.data.objects), len(bpy.data.collections)) == (objects, collections)


def check_saved(head, folder):
    name, vertices = head.name, len(head.data.vertices)
    camera = head.photobust.camera.matrix_world.copy()
    blend = folder / "saved.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    from blender_addon.state import session

    session.current().corrected_photos[name] = 2
    bpy.ops.wm.read_homefile(use_empty=True)
    assert not bpy.data.objects and not session.current().corrected_photos
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    head = bpy.data.objects[name]
    assert head.photobust.is_head and len(head.data.vertices) == vertices
    bpy.context.view_layer.objects.active = head
    head.photobust.camera.location = (9, 9, 9)
    # Without the folder of its files: the .blend knows enough.
    head.photobust.folder = "/nowhere"
    assert bpy.ops.photobust.match_camera() == {"FINISHED"}
    assert (bpy.context.scene.camera.matrix_world.translation - camera.translation).length < 1e-4
    assert "not there any more" in error_of(bpy.ops.photobust.open_folder)
    check_confidence(head)


def check_killed(photo):
    """The engine is killed while it works: the head comes all the same, and the user is told."""
    from blender_addon.state import session

    now = session.current()
    first = now.engine_pid
    killed = []

    def kill():
        while not killed:
            if now.run is not None and now.run.progress.step in ("detect", "guidance", "network", "surface"):
                killed.append(now.engine_pid)
                os.kill(now.engine_pid, signal.SIGKILL)
            time.sleep(0.001)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    head = reconstruct_real(photo)
    assert killed == [first] and now.engine_pid != first
    assert len(head.data.vertices) > 10_000
    state = bpy.context.window_manager.photobust
    assert state.message_level == "WARNING" and "started again" in state.message


def tiff_bytes(pixels, orientation):
    """A TIFF of one strip that says how it lies."""
    height, width = pixels.shape[:2]
    fields = [
        (256, width),
        (257, height),
        (259, 1),
        (262, 2),
        (273, 8),
        (274, orientation),
        (277, 3),
        (278, height),
    ]
    bits_at = 8 + pixels.nbytes
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in [*fields, (279, pixels.nbytes)]]
    entries.insert(2, struct.pack("<HHII", 258, 3, 3, bits_at))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    bits = struct.pack("<3H", 8, 8, 8)
    return b"II*\0" + struct.pack("<I", bits_at + 6) + pixels.tobytes() + bits + directory


def check_turned_photos(folder):
    """Blender does not heed EXIF: the photo behind the camera has to be turned by us."""
    switch_on()
    from blender_addon.blender import images as pictures
    from blender_addon.viewport import backdrop

    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:20, :30], upright[:20, 30:], upright[20:, :30] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    # How a picture lies in the file, for each of EXIF's numbers (CIPA DC-008).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    paths = []
    for orientation, pixels in stored.items():
        pixels = np.ascontiguousarray(pixels)
        paths.append((orientation, pictures.save_png(folder / f"lies {orientation}.png", pixels)))
        # Some Blenders flip a TIFF by its own tag, and never by more than that.
        paths.append((orientation, folder / f"tiff {orientation}.tif"))
        paths[-1][1].write_bytes(tiff_bytes(pixels, orientation))
    for orientation, path in paths:
        image = backdrop.load_backdrop(path, orientation)
        assert tuple(image.size) == (60, 40), orientation
        values = np.empty(60 * 40 * 4, np.float32)
        image.pixels.foreach_get(values)
        shown = np.rint(values.reshape(40, 60, 4)[::-1, :, :3] * 255).astype(int)
        assert np.abs(shown - upright).max() <= 1, orientation
        backdrop.pack_backdrop(image, path)
        assert backdrop.load_backdrop(path, orientation) == image
        assert [one for one in bpy.data.images if one.packed_file] == [image]
        assert_no_path_of(path)
        bpy.data.images.remove(image)
    (folder / "broken.jpg").write_bytes(b"no picture")
    for name, words in (("broken.jpg", "cannot show"), ("none.jpg", "not there any more")):
        try:
            backdrop.load_backdrop(folder / name, 1)
        except backdrop.BackdropError as error:
            assert words in str(error) and name in str(error)
        else:
            raise AssertionError(name)


if __name__ == "__main__":
    main(globals())
