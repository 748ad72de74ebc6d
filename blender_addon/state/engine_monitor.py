"""Follows the engine's set-up and checks from a timer, while no operator is there to do it. Needs bpy."""

import threading

import bpy

from ..blender import redraw
from ..blender.log import LOGGER
from ..engine import environment
from ..engine.locate import environment_folder
from ..engine.setup import EngineSetup
from ..errors import AddonError, SetupCancelledError
from . import session, settings
from .session import Message

TICK = 0.1


def start() -> None:
    """Keep panels up to date until nothing goes on any more."""
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK, persistent=True)


def remove_leftovers() -> None:
    """Remove what a killed set-up has left, on a thread: it may be most of a gigabyte."""
    folder = environment_folder(settings.user_folder())

    def remove() -> None:
        try:
            environment.remove_leftovers(folder)
        except (AddonError, OSError) as error:
            LOGGER.warning("leftovers of a set-up: %s", error)

    threading.Thread(target=remove, name="photobust-leftovers", daemon=True).start()


def unregister() -> None:
    """Stop following."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)


def ensure_checked(context: bpy.types.Context) -> None:
    """Have the engine checked if it was not yet; called while panels are drawn, so it must not wait."""
    check = settings.check_engine(context)
    if not check.done:
        start()


def _tick() -> float | None:
    now = session.current()
    redraw.sidebars()
    setup = now.setup
    if setup is not None:
        setup.poll()
        if not setup.done:
            return TICK
        now.setup = None
        _show_end(setup)
    check = settings.check_engine(bpy.context)
    return None if check.done else TICK


def _show_end(setup: EngineSetup) -> None:
    try:
        setup.result()
    except SetupCancelledError as error:
        message = Message("INFO", str(error))
    except AddonError as error:
        message = Message("ERROR", str(error))
    else:
        message = Message("INFO", "The engine is set up.")
        settings.forget_engine_python(bpy.context)
    LOGGER.info("set-up: %s", message.text)
    session.current().message = message
    settings.check_engine(bpy.context, again=True)
