"""What needs bpy, each check in a fresh process: with the bpy module, and in Debian's Blender."""

from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("inside_previews.py")
NO_OPENGL = {"LIBGL_DRIVERS_PATH": "/nonexistent", "__EGL_VENDOR_LIBRARY_DIRS": "/nonexistent"}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "check",
    ["import", "views", "preview", "nothing_of_the_users_is_touched", "pictures_that_cannot_be"],
)
def test_check(run_in_blender, tmp_path, check):
    done = run_in_blender(SCRIPT, "--check", check, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{check} passed" in done.stdout


@pytest.mark.parametrize(("extra", "renderer"), [({}, "BLENDER_WORKBENCH"), (NO_OPENGL, "CYCLES")])
def test_probe_finds_what_can_render(run_in_blender, tmp_path, extra, renderer):
    done = run_in_blender(SCRIPT, "--check", "probe", tmp_path, renderer, **extra)
    assert done.returncode == 0, done.stdout + done.stderr
