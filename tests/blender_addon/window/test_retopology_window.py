"""Retopologize from the panel, in a real window: asked for the number, beside Blender, after Esc, undone."""

import pytest

from scripts.build.addon import build
from tests.blender_addon.window.test_window import (  # noqa: F401  (the fixtures)
    display,
    ended,
    install,
    open_sidebar,
    window,
)

pytestmark = [pytest.mark.slow, pytest.mark.long]

STATE = "bpy.context.window_manager.photobust"
RUNNING = f"{STATE}.retopologizing"
MESSAGE = f"{STATE}.message"
MESHES = "{o.name: [len(o.data.polygons), o.hide_get()] for o in bpy.data.objects if o.type == 'MESH'}"
BLOCKS = "[len(bpy.data.scenes), len(bpy.data.meshes), len(bpy.data.objects), len(bpy.data.libraries)]"
BALL = """
bpy.data.objects.remove(bpy.data.objects['Cube'])
bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=5)
ball = bpy.context.active_object
ball.name = 'Ball'
ball.data.materials.append(bpy.data.materials.new('red'))
group = ball.vertex_groups.new(name='all')
group.add(range(len(ball.data.vertices)), 0.5, 'REPLACE')
bpy.ops.ed.undo_push(message='ball')
"""


def test_quads_from_the_panel(window, tmp_path):  # noqa: F811
    module = install(window, build(tmp_path))
    window.execute(BALL)
    before = window.ask(MESHES)
    open_sidebar(window)
    # Blender remembers for good that Esc was pressed, whatever for.
    window.display.key("Escape")
    press(window, quads=500)
    window.wait_until(lambda: window.ask(RUNNING) or window.ask(MESHES) != before, 60, "the run")
    meshes = finished(window)
    count, hidden = meshes["Ball quads"]
    assert abs(count - 500) <= 75 and not hidden and meshes["Ball"] == [before["Ball"][0], True]
    assert window.ask("bpy.context.object.name") == "Ball quads"
    assert window.ask("[m.name for m in bpy.context.object.data.materials]") == ["red"]
    assert window.ask("[g.name for g in bpy.context.object.vertex_groups]") == ["all"]
    assert window.ask("abs(bpy.context.object.data.vertices[0].groups[0].weight - 0.5) < 1e-3")
    assert window.ask("len(bpy.data.libraries)") == 0

    # Another number in "Adjust Last Operation": what was made is replaced.
    blocks = window.ask(BLOCKS)
    window.execute("bpy.context.window_manager.operators[-1].properties.quads = 900\nbpy.ops.ed.undo_redo()")
    window.wait_until(lambda: window.ask(RUNNING) or window.ask(MESHES) != meshes, 60, "the run")
    running, shown = window.ask(f"[bool({RUNNING}), {MESHES}]")
    assert not running or shown == meshes, "what was there has to stay until the new one is there"
    first, meshes = meshes, finished(window)
    assert abs(meshes["Ball quads"][0] - 900) <= 135 and len(meshes) == 2
    assert window.ask(BLOCKS) == blocks

    # Two steps back, two forward.
    over_the_view(window)
    for keys, expected in (
        ("ctrl+z", first),
        ("ctrl+z", before),
        ("ctrl+shift+z", first),
        ("ctrl+shift+z", meshes),
    ):
        window.display.key(keys)
        window.wait_until(lambda wanted=expected: window.ask(MESHES) == wanted, 60, keys)

    # Esc stops it, and nothing is changed.
    window.execute("bpy.context.view_layer.objects.active = bpy.data.objects['Ball quads']")
    press(window, quads=100_000)
    window.wait_until(lambda: window.ask(f"{STATE}.retopology_percent") > 5, 60, "it to begin")
    window.display.key("Escape")
    window.wait_until(lambda: not window.ask(RUNNING), 60, "it to stop")
    assert window.ask(MESHES) == meshes and window.ask(BLOCKS) == blocks
    assert "ancelled" in window.ask(MESSAGE), window.ask(MESSAGE)

    # Blender is killed: the process ends with it.
    press(window, quads=100_000)
    window.wait_until(lambda: window.ask(f"{STATE}.retopology_percent") > 5, 60, "it to begin")
    process = window.ask(f"sys.modules['{module}.state.session'].current().retopology.pid")
    assert not ended(process)
    window.process.kill()
    window.wait_until(lambda: ended(process), 60, "the process to end with Blender")
    log = window.log.read_text(errors="replace")
    assert not any(word in log for word in ("Traceback", 'File "')), log


def press(window, quads):  # noqa: F811
    """The button, and Enter for what it asks."""
    window.execute(
        f"bpy.context.window_manager.operator_properties_last('photobust.retopologize').quads = {quads}"
    )
    window.click(*window.find_button("photobust.retopologize"))
    window.wait_until_drawn()
    assert not window.ask(RUNNING), "it has to ask first"
    window.display.key("Return")


def over_the_view(window):  # noqa: F811
    left, top, right, bottom = window.region("VIEW_3D", "WINDOW")
    window.display.move((left + right) / 2, (top + bottom) / 2)


def finished(window):  # noqa: F811
    window.wait_until(lambda: not window.ask(RUNNING), 120, "the quads")
    meshes = window.ask(MESHES)
    assert any(name.endswith("quads") for name in meshes), window.ask(MESSAGE)
    return meshes
