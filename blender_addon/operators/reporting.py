"""How operators report what went wrong: a report, a line in the panel, details in the log. Needs bpy."""

from collections.abc import Callable
from typing import Any

import bpy

from ..blender import redraw
from ..blender.log import LOGGER
from ..errors import AddonError, JobCancelledError, printable
from ..state import session
from ..state.session import Message

UNEXPECTED = "Something went wrong that nobody thought of ({}). Press Open Log, and report it with the log."


def report_message(operator: bpy.types.Operator, level: str, text: str) -> None:
    """Say something: in Blender's status bar, below the operator's button, and in the log.

    Args:
        operator: Who says it.
        level: INFO, WARNING or ERROR.
        text: A sentence.
    """
    text = printable(text)
    session.current().message = Message(level, text, dotted_name(operator))
    LOGGER.info("%s: %s", level, text)
    redraw.sidebars()
    operator.report({level}, text)


def dotted_name(operator: bpy.types.Operator) -> str:
    """The operator's name as buttons have it, photobust.cancel, of Blender's PHOTOBUST_OT_cancel."""
    module, _, name = operator.bl_idname.partition("_OT_")
    return f"{module.lower()}.{name}" if name else module


def report_error(operator: bpy.types.Operator, error: BaseException) -> set[str]:
    """Report an error as far as it is the user's business; returns what ends the operator."""
    if isinstance(error, JobCancelledError):
        report_message(operator, "INFO", str(error))
    elif isinstance(error, AddonError):
        report_message(operator, "ERROR", str(error))
    else:
        LOGGER.error("unexpected", exc_info=error)
        report_message(operator, "ERROR", UNEXPECTED.format(f"{type(error).__name__}: {error}"))
    return {"CANCELLED"}


def reports_errors(method: Callable[..., set[str]]) -> Callable[..., set[str]]:
    """Decorator of an operator's `execute` or `invoke`: its errors are reported, not raised."""

    def reporting(operator: bpy.types.Operator, *arguments: Any) -> set[str]:
        try:
            return method(operator, *arguments)
        except Exception as error:  # noqa: BLE001 (the last place before Blender shows a traceback)
            return report_error(operator, error)

    # Blender counts the arguments of what it registers, so they cannot be left open.
    if method.__name__ == "invoke":
        return lambda self, context, event: reporting(self, context, event)
    return lambda self, context: reporting(self, context)
