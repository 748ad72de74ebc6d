"""The turntable from the panel, in a real window: the folder is asked for, pictures come, Esc stops it."""

import pytest

from scripts.build.addon import build
from tests.blender_addon.window.test_window import (  # noqa: F401  (the fixtures)
    display,
    install,
    open_sidebar,
    window,
)

pytestmark = pytest.mark.slow

LAST = "bpy.context.window_manager.operator_properties_last('photobust.turntable')"
MESSAGE = "bpy.context.window_manager.photobust.message"
UNTOUCHED = (
    "([s.name for s in bpy.data.scenes], sorted(o.name for o in bpy.data.objects), len(bpy.data.meshes))"
)


@pytest.mark.long
def test_a_turntable_from_the_panel(window, tmp_path):  # noqa: F811
    install(window, build(tmp_path))
    out = tmp_path / "out"
    out.mkdir()
    window.execute(
        "cube = bpy.data.objects['Cube']\n"
        f"cube.photobust.is_head, cube.photobust.folder = True, {str(out)!r}\n"
        f"last = {LAST}\n"
        "last.frames, last.size, last.film = 5, 64, True"
    )
    before = window.ask(UNTOUCHED)
    open_sidebar(window)
    press(window)
    window.wait_until(lambda: "Wrote" in window.ask(MESSAGE), 120, "the pictures")
    assert sorted(path.name for path in (out / "Cube_turntable").iterdir()) == [
        f"{k:03d}.png" for k in range(5)
    ]
    assert (out / "Cube_turntable.mp4").stat().st_size > 500
    assert window.ask(UNTOUCHED) == before

    # Stopped with Esc, it leaves what was there before.
    window.execute(f"last = {LAST}\nlast.frames = 500")
    press(window)
    window.wait_until(lambda: len(list(out.glob(".photobust-*/[0-9]*.png"))) > 1, 60, "a picture")
    window.display.key("Escape")
    window.wait_until(lambda: "was stopped" in window.ask(MESSAGE), 60, "it to stop")
    assert not list(out.glob(".*")) and len(list((out / "Cube_turntable").iterdir())) == 5
    assert window.ask(UNTOUCHED) == before
    log = window.log.read_text(errors="replace")
    assert not any(word in log for word in ("Traceback", 'File "')), log


def press(window):  # noqa: F811
    """The button, and then the file browser's."""
    window.click(*window.find_button("photobust.turntable"))
    window.wait_until(
        lambda: any(place["area"] == "FILE_BROWSER" for place in window.ask("places()")), 20, "a file browser"
    )
    window.wait_until_drawn()
    window.click(*window.find_accept_button())
