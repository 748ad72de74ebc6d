"""Checks of the panels, run by test_panels.py in a fresh process: `inside_panels.py --check NAME FOLDER`.

FOLDER has a head with hair. Prints "NAME passed" at the end.
"""

import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock, patch

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

import bpy

from blender_addon.blender_worker.open_head import open_head
from tests.blender_addon.inside import main
from tests.blender_addon.ui.recording_layout import (
    BESIDE_CONTENTS,
    HEADER_MARGIN,
    ICON,
    SIDEBAR,
    Layout,
    width,
)

ROOM = SIDEBAR - BESIDE_CONTENTS


class SidebarContext:
    """Blender's context, as a panel in a sidebar that nobody has dragged gets it."""

    def __init__(self):
        self.region = SimpleNamespace(width=SIDEBAR)
        preferences = bpy.context.preferences
        # In background, the interface's scale is 0.
        self.preferences = SimpleNamespace(
            system=SimpleNamespace(ui_scale=1.0), ui_styles=preferences.ui_styles, addons=preferences.addons
        )

    def __getattr__(self, name):
        return getattr(bpy.context, name)


def cut_in(draw):
    """What is cut of that which `draw` puts into the layout that it gets."""
    layout = Layout()
    draw(layout)
    return {f"{one.text!r} takes {one.need:.0f} of {one.room:.0f}" for one in layout.clipped(ROOM)}


def cut_in_panels():
    """What is cut in all panels that are there now."""
    context, found = SidebarContext(), set()
    for panel in panels_there():
        name = panel.bl_label
        buttons = ICON if hasattr(panel, "draw_header_preset") else 0.0
        found |= {
            f"{name}: {one}" for one in cut_in(lambda layout, panel=panel: drawn(panel, layout, context))
        }
        if width(name) + HEADER_MARGIN + buttons > ROOM:
            found.add(f"the panel's name {name!r}")
    return found


def drawn(panel, layout, context):
    """Have a panel draw into a layout."""
    from blender_addon.ui.sidebar import SidebarPanel

    this = SimpleNamespace(layout=layout, buttons=getattr(panel, "buttons", {}))
    this.draw_button = lambda *arguments, **options: SidebarPanel.draw_button(this, *arguments, **options)
    panel.draw(this, context)


def check_words_fit(folder):
    """In a sidebar that nobody has dragged, every word of every panel can be read, whatever it shows."""
    import addon_utils

    assert addon_utils.enable("blender_addon", default_set=True)
    from blender_addon.engine.state import EngineAction, EngineState, EngineStatus
    from blender_addon.state import session

    chosen, now = bpy.context.scene.photobust, session.current()
    cut = {"no photo": cut_in_panels()}
    photo = folder / "IMG_2041.jpg"
    photo.write_bytes(b"a photo, says its name")
    head = open_head(folder, "IMG_2041")
    note = head.photobust
    note.is_head, note.folder, note.photo, note.seconds = True, str(folder), str(photo), 123.0
    chosen.photo = str(photo)
    assert "Hair" in {panel.bl_label for panel in panels_there()}
    for make in ("HEAD", "SURFACE", "BOTH"):
        chosen.make = make
        cut[make] = cut_in_panels()
    chosen.use_own_focal, chosen.focal_mm, note.mirror_shapes = True, 135.0, False
    cut["own focal length, sliders of both sides"] = cut_in_panels()
    further = chosen.further_photos.add()
    further.path = str(folder / "IMG_2042.jpg")
    cut["two photos"] = cut_in_panels()
    now.setup_log = folder / "log.txt"
    for action in EngineAction:
        state = EngineState(EngineStatus.BROKEN, "The engine is not set up.", action)
        with patch.object(type(now), "engine_state", state):
            cut[f"no engine, {action.name}"] = cut_in_panels()
    cut["busy"] = cut_while_busy()
    words = {one for found in cut.values() for one in found}
    assert not words, "\n".join(sorted(words))


def panels_there():
    """The panels that Blender would draw now, were they open."""
    from blender_addon.ui import sidebar

    context = SidebarContext()
    classes = [panel for panel in sidebar.panels() if issubclass(panel, bpy.types.Panel)]
    there = {panel for panel in classes if getattr(panel, "poll", lambda _: True)(context)}
    names = {panel.__name__ for panel in there}
    return [
        panel
        for panel in classes
        if panel in there and getattr(panel, "bl_parent_id", None) in names | {None}
    ]


def cut_while_busy():
    """What is cut of the parts that are there while something runs."""
    from blender_addon.ui import engine_box, mesh_panel, photo_panel, result_panel

    context = SidebarContext()
    state = bpy.context.window_manager.photobust
    names = ("percent", "setup_percent", "retopology_percent", *(f"legend_{n}" for n in range(3)))
    shown = SimpleNamespace(
        bl_rna=state.bl_rna, **{name: getattr(state, name) for name in names},
        running=True, setting_up=True, retopologizing=True,
        step="Completing the texture", setup_step="Downloading torch", retopology_step="Remeshing",
    )  # fmt: skip
    context.window_manager = SimpleNamespace(photobust=shown)
    found = cut_in(lambda layout: photo_panel._draw_run(layout, context))
    found |= cut_in(lambda layout: engine_box._draw_setup(layout.box(), context))
    found |= cut_in(lambda layout: drawn(mesh_panel.PHOTOBUST_PT_mesh, layout, context))
    found |= cut_in(lambda layout: result_panel._draw_legend(layout, context))
    return found


def check_faces_left_out_are_told(folder):
    """Who chooses among many faces is told that there are more."""
    import addon_utils

    assert addon_utils.enable("blender_addon", default_set=True)
    from blender_addon.ui import photo_panel

    for _ in range(2):
        bpy.context.window_manager.photobust.faces.add()
    for omitted, said in (
        (0, None),
        (1, "At least 1 smaller face left"),
        (3, "At least 3 smaller faces left"),
    ):
        with patch.object(photo_panel, "draw_text") as told:
            photo_panel._draw_faces(MagicMock(), bpy.context, {"faces_omitted": omitted})
        texts = [call.args[1] for call in told.call_args_list]
        assert len(texts) == (said is not None) and all(text.startswith(said) for text in texts), texts


def check_long_words_are_found(folder):
    """The check above can fail: by a label, a button, a row that is too full."""
    import addon_utils

    assert addon_utils.enable("blender_addon", default_set=True)
    for draw in (
        lambda layout: layout.label(text="A label that no sidebar is wide enough for"),
        lambda layout: layout.operator(
            "photobust.add_photos", text="Add More Photos of This Person", icon="ADD"
        ),
        lambda layout: layout.row().prop(bpy.context.scene.photobust, "make", text="To Make"),
        lambda layout: [
            layout.row().label(text="Not too long for one"),
            layout.children[0].label(text="Two"),
        ],
        lambda layout: layout.box().prop(bpy.context.scene.photobust, "facial_hair"),
    ):
        assert cut_in(draw)
    from blender_addon.ui import mesh_panel

    with patch.object(mesh_panel.PHOTOBUST_PT_mesh, "bl_label", "Mesh and Everything about It"):
        bpy.ops.mesh.primitive_cube_add()
        assert cut_in_panels()


if __name__ == "__main__":
    main(globals())
