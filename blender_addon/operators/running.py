"""Modal operators that run: what ends them with the add-on, what they say in the status bar. Needs bpy."""

import contextlib
from typing import Any

import bpy

from ..blender.log import LOGGER

#: The operators, in the order in which they began.
_operators: list[Any] = []


def began(operator: Any) -> None:
    """A modal operator runs from now on; it has a method `cancel`, as Blender wants it."""
    _operators.append(operator)


def ended(operator: Any) -> None:
    """It has ended. May be called again."""
    _operators[:] = [other for other in _operators if other is not operator]


def cancel_all(context: bpy.types.Context) -> None:
    """End all: Blender drops operators whose class it forgets, and leaves it to the add-on to clean up."""
    for operator in reversed(_operators.copy()):
        try:
            with contextlib.suppress(ReferenceError):  # Blender has ended it without a word
                operator.cancel(context)
        except Exception:  # noqa: BLE001 (the add-on has to end whatever one of them does)
            LOGGER.exception("an operator could not be ended")
    _operators.clear()


class StatusText:
    """What a modal operator says in the status bar.

    Blender keeps that by workspace: one that the user has changed to gets it too, and all are cleared.
    """

    def __init__(self) -> None:
        self._text = ""
        self._shown: dict[str, str] = {}

    def show(self, context: bpy.types.Context, text: str) -> None:
        """Say something, in the place of what was said before."""
        self._text = text
        self.follow(context)

    def follow(self, context: bpy.types.Context) -> None:
        """Say it in this workspace too, if it is another one than before."""
        workspace = context.workspace
        if workspace is not None and self._shown.get(workspace.name) != self._text:
            self._shown[workspace.name] = self._text
            workspace.status_text_set(self._text)

    def clear(self, context: bpy.types.Context) -> None:
        """Say nothing any more."""
        for workspace in filter(None, map(bpy.data.workspaces.get, self._shown)):
            with context.temp_override(workspace=workspace):
                workspace.status_text_set(None)
        self._shown.clear()
