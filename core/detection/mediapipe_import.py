"""Imports MediaPipe without what it draws charts and records sound with: half of its import's time."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

#: What MediaPipe imports, but landmarks do not need.
UNUSED = ("matplotlib", "matplotlib.pyplot", "sounddevice")
#: Held while it is imported: a second thread would take its placeholders for the modules.
IMPORTING = threading.Lock()


@contextmanager
def placeholders(names: tuple[str, ...]) -> Iterator[None]:
    """Have imports find empty modules instead of some that are not loaded yet; not so afterward.

    Args:
        names: Of the modules, packages before what is in them.
    """
    made = [name for name in names if name not in sys.modules]
    sys.modules.update({name: ModuleType(name) for name in made})
    try:
        yield
    finally:
        for name in made:
            sys.modules.pop(name, None)


def import_mediapipe() -> ModuleType:
    """The module `mediapipe`, whole, whichever thread asks first."""
    with IMPORTING, placeholders(() if "mediapipe" in sys.modules else UNUSED):
        return import_module("mediapipe")
