"""A head corrected with the mouse in a real window: points dragged, locked, reset, undone; the brush."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.geometry.frames import FRONTAL, Camera, HeadPose
from core.io.head_npz import head_npz_bytes
from core.lifting.person import USED
from core.lifting.shape_model import FaceShapeModel
from core.template.topology import HeadTopology
from core.wrapping.pin_solver import MAX_SIGMAS, PinSolver
from scripts.build.addon import build
from tests.blender_addon.heads.head_file_samples import ply_bytes
from tests.blender_addon.window.display import SIZE
from tests.blender_addon.window.test_window import display, install, window  # noqa: F401  (fixtures)
from tests.core.head_samples import MODELS, rigged_head

pytestmark = [pytest.mark.slow, pytest.mark.long]

INSIDE = Path(__file__).with_name("inside_pins.py")
CAMERA = Camera(2000.0, 511.5, 511.5)
POSE = HeadPose(FRONTAL, np.array([0.0, 0.05, 0.9]))
#: Of the further photo, in which the head is turned.
SIDE_TURN = np.array([[0.5, 0.0, 0.75**0.5], [0.0, 1.0, 0.0], [-(0.75**0.5), 0.0, 0.5]])
SIDE_POSE = HeadPose(SIDE_TURN @ FRONTAL, np.array([0.0, 0.02, 1.0]))
#: Its number, as Match Camera counts views.
SIDE = 2
#: Stands for the photo's SHA-256.
DIGEST = "5a" * 32
#: Points that are dragged, and how far on the screen.
DRAGS = (
    ("nose_tip", 9, -7),
    ("brow_arch_left", 3, 11),
    ("mouth_corner_right", -9, 5),
    ("jaw_angle_left", 11, 2),
    ("ear_top_right", -8, 8),
)
#: How often each is dragged and undone again.
ROUNDS = 4
#: How long a busy Blender is given to see the mouse over a point before it is moved there again.
LIT_SECONDS = 3.0
#: How much larger Blender and the engine may be after the last drags than after the first, megabytes: heaps
#: are not exactly level.
GROWTH_MB = 25

#: What `posed` says of the posed head, and of it while it is corrected.
AS_POSED = [True, False, 0.0, 0.5]
AS_PHOTOGRAPHED = [False, True, 0.0, 0.5]
#: Presses Adjust Pins, which may refuse.
PINS_TOO = """
try:
    bpy.ops.photobust.adjust_pins('INVOKE_DEFAULT')
except RuntimeError:
    pass
"""


@pytest.fixture
def folder(tmp_path):
    """The folder of the average head, as far as corrections need it."""
    folder = tmp_path / "average"
    folder.mkdir()
    head = rigged_head(HeadTopology.load(MODELS))
    (folder / "head.npz").write_bytes(head_npz_bytes(head, {}, (), None))
    (folder / "surface.ply").write_bytes(ply_bytes())
    for name, color in (("photo", (90, 120, 150)), ("side", (150, 120, 90))):
        Image.new("RGB", (1024, 1024), color).save(folder / f"{name}.png")
    count = len(FaceShapeModel.from_pretrained(MODELS).expression)
    views = [
        {
            "name": name,
            "verdict": USED,
            "main": pose is POSE,
            "width": 1024,
            "height": 1024,
            "camera": CAMERA.document(1024, 1024),
            "pose": pose.document(),
            "expression": [expression] * count,
        }
        for name, pose, expression in (("photo.png", POSE, 0.0), ("side.png", SIDE_POSE, 0.5))
    ]
    document = {
        "schema_version": 1,
        "input": {"name": "photo.png", "width": 1024, "height": 1024, "sha256": DIGEST},
        "pose": POSE.document(),
        "camera": CAMERA.document(1024, 1024),
        "views": views,
    }
    (folder / "face.json").write_text(json.dumps(document))
    return folder


def test_points_are_dragged_with_the_mouse(window, folder, tmp_path):  # noqa: F811
    window.execute("bpy.data.objects.remove(bpy.data.objects['Cube'])")
    module = install(window, build(tmp_path))
    window.execute(INSIDE.read_text())
    window.execute(f"show_head({module!r}, {str(folder)!r})")
    solver = PinSolver(HeadTopology.load(MODELS))
    window.execute("pose()")
    window.execute("bpy.ops.photobust.adjust_pins('INVOKE_DEFAULT')")
    window.wait_until(lambda: window.ask("len(pins()) > 40"), 30, "the pins")
    before = window.ask("shapes()")
    start = np.array(window.ask("photo_vertices().tolist()"))

    sizes = []
    for name, dx, dy in DRAGS * ROUNDS:
        drag(window, name, dx, dy)
        if len(sizes) < len(DRAGS):
            moved = np.linalg.norm(np.array(window.ask("photo_vertices().tolist()")) - start, axis=1)
            assert moved[solver.pins[name].vertex] > 0.001
            assert (moved <= MAX_SIGMAS * solver.sigma + 1e-6).all()
        window.display.key("ctrl+z")
        window.wait_until(lambda: window.ask("shapes()") == before, 20, f"{name} to be undone, bit for bit")
        sizes.append(window.ask("megabytes()"))
    assert max(sizes[-5:]) < max(sizes[:5]) + GROWTH_MB, sizes

    # All of that over the head as photographed, whatever its pose is.
    window.wait_until(lambda: window.ask("posed()") == AS_PHOTOGRAPHED, 20, "the head as photographed")

    # A locked point stays while its neighbor moves; reset, the head is as before.
    place = hover(window, "lip_upper_middle")
    window.display.key("l")
    window.wait_until(lambda: window.ask("len(head().photobust.pins)") == 1, 20, "the lock")
    drag(window, "lip_lower_middle", 0, -6)
    kept = window.ask("pins()")["lip_upper_middle"]
    assert max(abs(kept[0] - place[0]), abs(kept[1] - place[1])) < 0.5
    hover(window, "lip_upper_middle")
    window.display.key("x")
    done = "overlay().up_to_date and len(head().photobust.pins) == 1"
    window.wait_until(lambda: window.ask(done), 20, "the reset")
    end_pins(window)
    assert window.ask("posed()") == AS_POSED

    # An engine that answers nobody holds up neither Blender nor the end of the pins.
    window.execute("import os, signal\nengine = rooms['session'].current().engine_pid")
    window.execute("os.kill(engine, signal.SIGSTOP)\nbpy.ops.photobust.adjust_pins('INVOKE_DEFAULT')")
    depth = "head().photobust.camera.data.background_images[0].display_depth"
    assert window.ask(depth) == "FRONT" and window.ask("rooms['session'].current().adjusting")
    end_pins(window)
    assert window.ask(depth) == "BACK"
    window.execute("bpy.ops.photobust.reset_pins('INVOKE_DEFAULT', what='PINS')")
    assert window.ask("len(head().photobust.pins)") == 0
    assert np.abs(np.array(window.ask("photo_vertices().tolist()")) - start).max() > 0.001
    window.execute("os.kill(engine, signal.SIGCONT)")

    def is_reset():
        return np.abs(np.array(window.ask("photo_vertices().tolist()")) - start).max() < 1e-6

    window.wait_until(is_reset, 30, "the reset of all pins")
    assert window.ask("rooms['session'].current().engine_pid == engine")

    # A slider, of which the eyes' clear surfaces know only by what they lie on.
    unslid = window.ask("shapes()")
    window.execute("head().photobust.sliders.eye_spacing = 1.0\nbpy.ops.ed.undo_push(message='slid')")
    moved = np.array(window.ask("photo_vertices().tolist()")) - start
    topology = solver.topology
    eye, cornea = (moved[topology.vertices_of(name), 0].mean() for name in ("eye_left", "cornea_left"))
    assert eye > 0.0005 and abs(cornea - eye) < 0.0005, (eye, cornea)
    left, top, right, bottom = window.region("VIEW_3D", "WINDOW")
    window.display.move((left + right) / 2, (top + bottom) / 2)
    window.display.key("ctrl+z")
    window.wait_until(lambda: window.ask("shapes()") == unslid, 20, "the slider to be undone, bit for bit")
    assert window.ask("head().photobust.sliders.eye_spacing") == 0.0

    # Steps from amid the pins show the head's own pose.
    assert window.ask("posed()") == AS_POSED

    # The brush, beside which no pins are.
    window.execute("bpy.ops.photobust.ignore_here('INVOKE_DEFAULT')")
    window.execute(PINS_TOO)
    message = "rooms['session'].current().message.text"
    assert "End the other correction first" in window.ask(message)
    assert window.ask("overlay() is None") and window.ask("posed()") == AS_PHOTOGRAPHED
    window.display.key("Return")
    window.wait_until(lambda: window.ask("posed()") == AS_POSED, 20, "the pose to be back")
    assert window.ask(message) == ""
    window.execute("bpy.ops.photobust.ignore_here('INVOKE_DEFAULT')")
    x, y = window.ask("pins()")["cheekbone_right"]
    window.display.stroke((x, SIZE[1] - 1 - y), (x + 20, SIZE[1] - 1 - y))
    window.wait_until(lambda: window.ask("head().photobust.ignored_png"), 20, "what is painted")
    # A press that Blender comes to late counts where it was.
    columns = "painting().mask.any(0).nonzero()[0][[0, -1]].tolist()"
    first, last = window.ask(columns)
    blender = window.ask("os.getpid()")
    os.kill(blender, signal.SIGSTOP)
    window.display.click(x - 60, SIZE[1] - 1 - y)
    window.display.move(x + 120, SIZE[1] - 1 - y)
    os.kill(blender, signal.SIGCONT)
    window.wait_until(lambda: window.ask(columns) != [first, last], 20, "what is painted late")
    window.wait_until(lambda: window.ask("painting().last is None"), 20, "the end of the stroke")
    assert window.ask(columns)[0] < first and window.ask(columns)[1] == last
    # A thing is taken whole: here the wall, which is all that there is. Blender does not wait for the engine.
    window.execute("os.kill(engine, signal.SIGSTOP)")
    painted = len(window.ask("head().photobust.ignored_png"))
    window.click(x - 120, SIZE[1] - 1 - y, held="shift")
    window.wait_until(lambda: window.ask("painting().question is not None"), 20, "the question")
    assert window.ask("len(head().photobust.ignored_png)") == painted
    window.execute("os.kill(engine, signal.SIGCONT)")
    grown = f"len(head().photobust.ignored_png) != {painted}"
    window.wait_until(lambda: window.ask(grown), 60, "what the engine sees there")
    assert "Ignored: " in window.ask(message)
    # A further photo has its own.
    window.execute(f"bpy.ops.photobust.correct_in_photo(view={SIDE})")
    window.wait_until(lambda: window.ask("painting().photo") == "side.png", 20, "the further photo")
    assert not window.ask("bool(painting().mask.any())")
    x, y = window.ask("pins()")["cheekbone_left"]
    window.display.stroke((x, SIZE[1] - 1 - y), (x - 20, SIZE[1] - 1 - y))
    further = "len(head().photobust.further_ignored)"
    window.wait_until(lambda: window.ask(further) == 1, 20, "what is painted over the further photo")
    # Enter is not forgotten if another photo is chosen while the engine is waited for.
    window.execute("os.kill(engine, signal.SIGSTOP)")
    window.click(x + 120, SIZE[1] - 1 - y, held="shift")
    window.wait_until(lambda: window.ask("painting().question is not None"), 20, "the question")
    window.display.key("Return")
    window.wait_until(lambda: window.ask("painting().ending"), 20, "the wish to end")
    window.execute("bpy.ops.photobust.correct_in_photo(view=0)")
    window.wait_until(lambda: window.ask("painting().photo") == "", 20, "the main photo")
    window.execute("os.kill(engine, signal.SIGCONT)")
    window.wait_until(lambda: window.ask("painting() is None"), 20, "the end of the brush")
    several_photos(window)
    document = window.ask("rooms['adjustments'].document(head())")
    assert [(pin["name"], pin.get("photo")) for pin in document["pins"]] == [
        ("chin", "side.png"),
        ("mouth_corner_right", None),
    ]
    assert len(document["ignored_png"]) > 100 and len(document["further_ignored"]["side.png"]) > 100
    # What is saved for a batch says which photo's corrections these are.
    saved = tmp_path / "corrections.json"
    window.execute(f"bpy.ops.photobust.save_adjustments(filepath={str(saved)!r})")
    window.wait_until(saved.is_file, 20, "the file of the corrections")
    assert json.loads(saved.read_text()) == [{"photo": "photo.png", "sha256": DIGEST, "face": 0, **document}]
    log = window.log.read_text(errors="replace")
    assert not any(word in log for word in ("Traceback", 'File "')), log


def several_photos(window):  # noqa: F811
    """Drag points over a further photo, and over the main one: one head that meets both."""
    window.execute("head().photobust.pins_correct = 'SHAPE'")
    window.execute("bpy.ops.photobust.adjust_pins('INVOKE_DEFAULT')")
    show_photo(window, SIDE)
    before, of_main = window.ask("shapes()"), window.ask("photo_vertices().tolist()")
    drag(window, "chin", 8, -6)
    moved = np.abs(np.array(window.ask("photo_vertices().tolist()")) - of_main).max()
    assert 0.001 < moved < 0.03
    window.display.key("ctrl+z")
    undone = "len(head().photobust.pins) == 0"
    window.wait_until(lambda: window.ask(undone) and window.ask("shapes()") == before, 20, "the undoing")
    window.wait_until(lambda: window.ask(f"is_shown({SIDE})"), 20, "the further photo, as it was chosen")
    drag(window, "chin", 8, -6)
    place = window.ask("pins()")["chin"]
    show_photo(window, 0)
    drag(window, "mouth_corner_right", -6, 4)
    corner = window.ask("pins()")["mouth_corner_right"]
    show_photo(window, SIDE)
    window.wait_until(
        lambda: np.abs(np.subtract(window.ask("pins()")["chin"], place)).max() < 1, 20, "the pin to be met"
    )
    # A point is not left where no head can be meant: the engine would refuse it.
    window.execute("zoom(-15.0)")
    wait_drawn(window)
    left, top, *_ = window.region("VIEW_3D", "WINDOW")
    middle = hover(window, "jaw_angle_left")
    end = (left + 40, top + 60)
    window.display.stroke((middle[0], SIZE[1] - 1 - middle[1]), end)
    message = "rooms['session'].current().message.text"
    window.wait_until(lambda: "Far outside the photo" in window.ask(message), 20, "the refusal")
    window.wait_until(lambda: window.ask("overlay().up_to_date"), 20, "the pins as before")
    assert window.ask("len(head().photobust.pins)") == 2
    window.execute("zoom(0.0)")
    wait_drawn(window)
    show_photo(window, 0)
    assert np.abs(np.subtract(window.ask("pins()")["mouth_corner_right"], corner)).max() < 1
    end_pins(window)
    assert window.ask("rooms['photographed'].VIEW_SHAPE not in head().data.shape_keys.key_blocks")
    assert window.ask("posed()") == AS_POSED


def show_photo(window, number):  # noqa: F811
    """Choose a photo while points are dragged."""
    window.execute(f"bpy.ops.photobust.correct_in_photo(view={number})")
    window.wait_until(lambda: window.ask(f"is_shown({number})"), 30, f"photo {number}")
    wait_drawn(window)


def wait_drawn(window):  # noqa: F811
    """Until the view is drawn as it is by now: places on the screen are those of the last drawing."""
    before = window.ask("redraw()")
    window.wait_until(lambda: window.ask("draws[0]") > before, 20, "the view to be drawn")


def end_pins(window):  # noqa: F811
    """Press Enter, which ends the dragging of points."""
    window.display.key("Return")
    window.wait_until(
        lambda: not window.ask("rooms['session'].current().adjusting"), 20, "the end of the pins"
    )


def hover(window, name):  # noqa: F811
    """Put the mouse over a point; where the point is in the window, pixels, y up."""
    is_lit = f"overlay().hovered == {name!r}"

    def lit():
        place = window.ask("pins()")[name]
        # Blender hears only of a mouse that moves.
        window.display.move(place[0] + 2, SIZE[1] - 1 - place[1])
        window.display.move(place[0], SIZE[1] - 1 - place[1])
        deadline = time.monotonic() + LIT_SECONDS
        while not (found := window.ask(is_lit)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return place if found else None

    return window.wait_until(lit, 30, f"{name} to light up")


def drag(window, name, dx, dy):  # noqa: F811
    """Drag a point by pixels of the screen, y up, and see that it is where the mouse is."""
    place = hover(window, name)
    end = (round(place[0]) + dx, round(place[1]) + dy)
    pins = window.ask("len(head().photobust.pins)")
    window.display.stroke((place[0], SIZE[1] - 1 - place[1]), (end[0], SIZE[1] - 1 - end[1]))
    done = f"overlay().up_to_date and len(head().photobust.pins) == {pins + 1}"
    window.wait_until(lambda: window.ask(done), 30, f"{name} to be moved")
    x, y = window.ask("pins()")[name]
    assert max(abs(x - end[0]), abs(y - end[1])) < 1, (name, (x, y), end)
