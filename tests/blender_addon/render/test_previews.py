"""What needs bpy, in fresh processes: with the bpy module, and in Debian's Blender."""

from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("inside_previews.py")
NO_OPENGL = {"LIBGL_DRIVERS_PATH": "/nonexistent", "__EGL_VENDOR_LIBRARY_DIRS": "/nonexistent"}

pytestmark = pytest.mark.slow


def test_previews(run_in_blender, tmp_path):
    checks = ("import", "views", "preview", "nothing_of_the_users_is_touched", "pictures_that_cannot_be")
    done = run_in_blender(SCRIPT, "--check", ",".join(checks), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{check} passed" in done.stdout for check in checks)


@pytest.mark.parametrize(("extra", "renderer"), [({}, "BLENDER_WORKBENCH"), (NO_OPENGL, "CYCLES")])
def test_probe_finds_what_can_render(run_in_blender, tmp_path, extra, renderer):
    done = run_in_blender(SCRIPT, "--check", "probe", tmp_path, renderer, **extra)
    assert done.returncode == 0, done.stdout + done.stderr
