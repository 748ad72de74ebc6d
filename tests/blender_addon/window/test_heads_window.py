"""Two photos after each other in a real window, in the default scene: where heads stand and what shows.

Pictures are left in tests/artifacts/window-<version>/, or below PHOTOBUST_ARTIFACTS.
"""

import pytest

from scripts.build.addon import build
from tests.blender_addon.window.test_window import (  # noqa: F401  (the fixtures)
    STATE,
    display,
    install,
    keep,
    open_sidebar,
    photo,
    window,
)

pytestmark = [pytest.mark.slow, pytest.mark.long]

SPACE = "bpy.context.space_data"
#: How far the view is turned from Blender's front view, radians.
TURNED = (
    f"__import__('mathutils').Quaternion((1, 0, 0), 1.5707963).rotation_difference("
    f"{SPACE}.region_3d.view_rotation).angle"
)
NAMES = "[o.name for o in bpy.context.scene.objects]"


def test_a_surface_and_then_a_head(window, photo, keep, tmp_path):  # noqa: F811
    other = photo.with_name("colleague.jpg")
    other.write_bytes(photo.read_bytes())
    module = install(window, build(tmp_path))
    open_sidebar(window)
    keep("panel_empty")
    objects = window.ask(NAMES)

    # The default cube is around the first head, which is shown alone; the cube itself is not touched.
    reconstruct(window, module, photo, "SURFACE")
    assert window.ask(f"{SPACE}.shading.color_type") == "VERTEX"
    assert window.ask(f"{SPACE}.local_view is not None") and window.ask(TURNED) < 1e-3
    assert window.ask("not bpy.data.objects['Cube'].hide_get()")
    assert '"Cube" is around it' in window.ask(f"{STATE}.message")
    keep("panel_surface")

    # The second stands beside it, in its own colors, seen from the front; its surface comes back with Alt-H.
    reconstruct(window, module, other, "HEAD", keep)
    assert window.ask(f"{SPACE}.shading.color_type") == "TEXTURE"
    # Where it would lie over the pupils, there is no highlight.
    highlight = f"{SPACE}.shading.show_specular_highlight"
    assert window.ask(highlight) == window.ask("bpy.app.version >= (4, 0, 0)")
    assert (
        abs(window.ask("bpy.context.object.matrix_world.translation.x") - 0.3) < 1e-6
        and window.ask(TURNED) < 1e-3
    )
    assert window.ask("bpy.context.object.visible_get(viewport=bpy.context.space_data)")
    hidden = "bpy.data.objects['colleague surface'].hide_get()"
    assert window.ask(hidden)
    keep("panel_head")

    # Confidence shows in the same view, and goes again.
    window.click(*window.find_button("photobust.show_confidence"))
    window.wait_until(lambda: window.ask(f"{SPACE}.shading.color_type") == "VERTEX", 20, "the confidence")
    assert window.ask(highlight)  # only textures go without
    keep("panel_confidence")
    window.execute("bpy.ops.photobust.show_confidence()")
    assert window.ask(f"{SPACE}.shading.color_type") == "TEXTURE"

    # Whoever chooses other colors by hand has the highlight, too.
    window.execute(f"{SPACE}.shading.color_type = 'MATERIAL'")
    window.wait_until(lambda: window.ask(highlight), 20, "the highlight")
    window.execute("bpy.ops.photobust.show_colors()")
    assert window.ask(f"{SPACE}.shading.color_type") == "TEXTURE"
    assert window.ask(highlight) == window.ask("bpy.app.version >= (4, 0, 0)")

    # What an operation says is below its button.
    window.execute(f"bpy.ops.photobust.export_head(filepath={str(tmp_path / 'colleague.glb')!r})")
    assert "Wrote colleague.glb" in window.ask(f"{STATE}.message")
    keep("panel_exported")

    left, top, right, bottom = window.region("VIEW_3D", "WINDOW")
    window.display.move((left + right) / 3, (top + bottom) / 2)
    window.display.key("alt+h")
    window.wait_until(lambda: not window.ask(hidden), 20, "the surface")

    # Undone, the view is as it was: nothing stays hidden behind an empty Local View.
    window.execute("undone = []\nbpy.app.handlers.undo_post.append(lambda *_: undone.append(1))")
    for count in range(1, 13):
        if window.ask(NAMES) == objects:
            break
        window.display.key("ctrl+z")
        window.wait_until(lambda count=count: window.ask("len(undone)") >= count, 20, "a step to be undone")
    window.wait_until(lambda: window.ask(NAMES) == objects, 10, "all to be undone")
    window.wait_until(lambda: window.ask(f"{SPACE}.local_view is None"), 10, "Local View to end")

    # Photos are chosen by their pictures.
    window.execute("bpy.ops.photobust.choose_photo('INVOKE_DEFAULT')")
    areas = "(a for w in bpy.context.window_manager.windows for a in w.screen.areas)"
    browser = f"next((a for a in {areas} if a.type == 'FILE_BROWSER'), None)"
    window.wait_until(lambda: window.ask(f"{browser} is not None"), 20, "a file browser")
    assert window.ask(f"{browser}.spaces.active.params.display_type") == "THUMBNAIL"
    window.wait_until_drawn()
    log = window.log.read_text(errors="replace")
    assert not any(word in log for word in ("Traceback", 'File "')), log


def reconstruct(window, module, path, product, picture=None):  # noqa: F811
    window.execute(
        f"bpy.context.scene.photobust.photo = {str(path)!r}\nbpy.context.scene.photobust.make = {product!r}"
    )
    searching = f"sys.modules['{module}.state.face_search'].is_searching()"
    window.wait_until(lambda: window.ask(f"{STATE}.engine_ready and not {searching}"), 120, "the engine")
    window.wait_until_drawn()  # rows have come and gone
    window.click(*window.find_button("photobust.reconstruct"))
    window.wait_until(lambda: window.ask(f"{STATE}.running"), 10, "the run to begin")
    if picture is not None:
        window.wait_until(lambda: window.ask(f"{STATE}.percent") > 25.0, 60, "progress")
        picture("panel_running", wait=False)
    window.wait_until(lambda: not window.ask(f"{STATE}.running"), 240, "the head")
    window.wait_until_drawn()
