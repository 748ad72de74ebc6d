"""When operators are available, and what their grayed buttons say otherwise. Needs bpy.

An operator's tests are listed above it:

    @polls.requires(polls.object_mode, polls.head)
    class PHOTOBUST_OT_landmarks(bpy.types.Operator):
"""

from collections.abc import Callable
from typing import Any, TypeVar

import bpy

from ..blender import compat
from ..engine.locate import PROJECT_ROOT
from ..engine.wheel_lock import WHEELS_FOLDER
from ..heads import confidence as confidence_display
from ..heads.armature import rig_of
from ..heads.lookup import active_head, is_animation_ready
from ..state import session
from ..state.settings import PACKAGE

Operator = TypeVar("Operator", bound=bpy.types.Operator)
#: Why an operator is not available, as a sentence without a full stop; None if it is.
Test = Callable[[bpy.types.Context], str | None]


def requires(*tests: Test) -> Callable[[type[Operator]], type[Operator]]:
    """Give an operator a `poll` that passes if all tests do.

    Args:
        tests: Functions of this module, in the order in which they are asked.

    Returns:
        A decorator of the operator's class.
    """

    def with_poll(operator: type[Operator]) -> type[Operator]:
        operator.poll = classmethod(lambda cls, context: available(cls, context, *tests))  # type: ignore
        return operator

    return with_poll


def available(operator: Any, context: bpy.types.Context, *tests: Test) -> bool:
    """Whether an operator passes all tests; the first that fails becomes its button's message.

    Args:
        operator: The operator's class.
        context: Blender's.
        tests: Functions of this module, in the order in which they are asked.
    """
    for test in tests:
        reason = test(context)
        if reason:
            operator.poll_message_set(reason)
            return False
    return True


def head(context: bpy.types.Context) -> str | None:
    """A reconstructed head is the active object."""
    return None if active_head(context) else "Select a head that was reconstructed from a photo"


def local_head(context: bpy.types.Context) -> str | None:
    """The active head, its mesh and its bones are this file's own: changes of linked ones are not saved."""
    found = active_head(context)
    if found is None:
        return None
    rig = rig_of(found)
    blocks = [found, found.data, *([rig, rig.data] if rig is not None else [])]
    if all(block is None or block.library is None for block in blocks):
        return None
    return "This head is linked from another file: choose Object > Relations > Make Local > All first"


def animation_ready(context: bpy.types.Context) -> str | None:
    """The active head has blendshapes."""
    if is_animation_ready(active_head(context)):
        return None
    return 'This is a surface: reconstruct the photo as "Head" to export one'


def bones(context: bpy.types.Context) -> str | None:
    """The active head has bones, and is not being edited."""
    found = active_head(context)
    if found is None or rig_of(found) is None:
        return "This head has no bones: reconstruct the photo again"
    # Weights cannot be changed while a mesh is in Edit Mode; bones may be posed.
    return None if context.mode in ("OBJECT", "POSE") else "Switch to Object Mode or Pose Mode first"


def confidence(context: bpy.types.Context) -> str | None:
    """The active head has something to show of its confidence."""
    found = active_head(context)
    if found is not None and confidence_display.has_confidence(found):
        return None
    return "This head has lost its confidence attribute, or its own material"


def photo_chosen(context: bpy.types.Context) -> str | None:
    """The panel has a photo."""
    return None if context.scene.photobust.photo else "Choose a photo first"


def mesh(context: bpy.types.Context) -> str | None:
    """The active object is a mesh."""
    active = context.active_object
    return None if active is not None and active.type == "MESH" else "Select a mesh object"


def object_mode(context: bpy.types.Context) -> str | None:
    """Object Mode: elsewhere, adding objects could not be undone in one step."""
    return None if context.mode == "OBJECT" else "Switch to Object Mode first"


def nothing_running(context: bpy.types.Context) -> str | None:
    """No photo is being reconstructed, and the engine is not being set up."""
    now = session.current()
    if now.run is not None:
        return "A photo is being reconstructed: wait for it, or press Cancel"
    if now.setup is not None and not now.setup.done:
        return "The engine is being set up: wait until that is finished"
    return None


def run_in_progress(context: bpy.types.Context) -> str | None:
    """A photo is being reconstructed."""
    return None if session.current().run is not None else "No photo is being reconstructed"


def setup_in_progress(context: bpy.types.Context) -> str | None:
    """The engine is being set up."""
    setup = session.current().setup
    return None if setup is not None and not setup.done else "The engine is not being set up"


def retopology_in_progress(context: bpy.types.Context) -> str | None:
    """A mesh is being retopologized."""
    return None if session.current().retopology is not None else "Nothing is being retopologized"


def engine_usable(context: bpy.types.Context) -> str | None:
    """The engine is not known to be unusable."""
    state = session.current().engine_state
    return None if state is None or state.ready else state.message


def engine_running(context: bpy.types.Context) -> str | None:
    """The engine process is there."""
    return None if session.current().engine_pid is not None else "The engine is not running"


def online(context: bpy.types.Context) -> str | None:
    """Blender may use the network."""
    if compat.online_access():
        return None
    return "Blender is set to stay offline: tick Preferences > System > Network > Allow Online Access"


def online_or_offline_addon(context: bpy.types.Context) -> str | None:
    """Blender may use the network, or the add-on has the engine's packages in it."""
    return None if (PROJECT_ROOT / WHEELS_FOLDER).is_dir() else online(context)


def has_preferences(context: bpy.types.Context) -> str | None:
    """The add-on is switched on in the preferences, and not only registered by a script."""
    if PACKAGE in context.preferences.addons:
        return None
    return "The add-on is not switched on in the preferences"
