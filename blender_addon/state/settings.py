"""What the user has set in the preferences, and the folders that follow from it. Needs bpy."""

import sys
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..blender import compat
from ..engine.locate import environment_folder
from . import session
from .documents import documents_folder
from .session import EngineChoice

#: What Blender calls this add-on: depends on how it was installed.
PACKAGE = (__package__ or "photobust.state").rpartition(".")[0]


@dataclass(frozen=True)
class PreferenceValues:
    """The preferences as plain values."""

    engine_python: str = ""
    results_folder: str = ""
    show_colors: bool = True
    frame_head: bool = True


def current(context: bpy.types.Context) -> PreferenceValues:
    """The preferences; their defaults if the add-on was registered without being switched on."""
    addon = context.preferences.addons.get(PACKAGE)
    if addon is None or addon.preferences is None:
        return PreferenceValues()
    found = addon.preferences
    return PreferenceValues(found.engine_python, found.results_folder, found.show_colors, found.frame_head)


def forget_engine_python(context: bpy.types.Context) -> None:
    """Let the engine that was just set up be used, not an interpreter that was chosen before."""
    addon = context.preferences.addons.get(PACKAGE)
    if addon is not None and addon.preferences is not None:
        addon.preferences.engine_python = ""


def user_folder() -> Path:
    """Where the add-on may keep things: log, private engine, results without a .blend."""
    return compat.extension_user_folder(PACKAGE)


def engine_choice(context: bpy.types.Context) -> EngineChoice:
    """What decides which interpreter runs the engine."""
    explicit = current(context).engine_python
    return EngineChoice(
        explicit=bpy.path.abspath(explicit) if explicit else None,
        private=environment_folder(user_folder()),
        current=sys.executable if compat.is_plain_python() else None,
    )


def check_engine(context: bpy.types.Context, again: bool = False) -> session.EngineCheck:
    """Find out on a thread whether the engine can be used, if that is not known yet or `again`."""
    return session.current().check_engine(engine_choice(context), again)


def results_folder(context: bpy.types.Context) -> Path:
    """Where results go: as chosen, else beside the .blend, else into the user's documents.

    Where those cannot be found or written to, with the add-on's own data.
    """
    chosen = current(context).results_folder
    # "//heads" is beside the .blend file, which may not be saved yet.
    if chosen and not (chosen.startswith("//") and not bpy.data.filepath):
        return Path(bpy.path.abspath(chosen))
    if bpy.data.filepath:
        return Path(bpy.data.filepath).parent / "photobust"
    documents = documents_folder()
    return documents / "Photobust" if documents else user_folder() / "results"
