"""What operators need before they can run, and what is said on their greyed buttons otherwise. Needs bpy."""

from typing import Any

import bpy

from ..heads.lookup import active_head
from ..state import session


def head(operator: Any, context: bpy.types.Context) -> bool:
    """A reconstructed head is the active object."""
    if active_head(context) is None:
        operator.poll_message_set("Select a head that was reconstructed from a photo")
        return False
    return True


def object_mode(operator: Any, context: bpy.types.Context) -> bool:
    """Object Mode: elsewhere, adding objects could not be undone in one step."""
    if context.mode != "OBJECT":
        operator.poll_message_set("Leave for Object Mode first")
        return False
    return True


def nothing_running(operator: Any) -> bool:
    """No photo is being reconstructed, and the engine is not being set up."""
    now = session.current()
    if now.run is not None:
        operator.poll_message_set("A photo is being reconstructed: wait for it, or press Cancel")
        return False
    if now.setup is not None and not now.setup.done:
        operator.poll_message_set("The engine is being set up: wait until that is finished")
        return False
    return True


def engine(operator: Any) -> bool:
    """The engine is not known to be unusable."""
    state = session.current().engine_state
    if state is not None and not state.ready:
        operator.poll_message_set(state.message)
        return False
    return True
