"""The steps that the Blender worker knows, by name. No bpy, until one of them is loaded.

A step is the function `run(folder, options)` of a module: it makes files of a face's complete folder
(docs/head.md lists what is in one) in that folder, under another name first, leaves bpy.data as it found it,
and says what it has made. It raises an AddonError, StepError if there is none that fits better.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import StepError
from ..result import StepResult

#: `folder` is a face's folder, `options` are as JSON can hold them.
Step = Callable[[Path, dict[str, Any]], StepResult]

#: Name -> module, which is imported when the step is first asked for.
MODULES = {
    "preview": ".preview",
    "render": ".render",
    "turntable": ".turntable",
    "retopo": ".retopo",
    "lods": ".lods",
    "export": ".export",
    "preset": ".preset",
    "asset": ".asset",
}


def load_step(name: str) -> Step:
    """The step of that name. Raises StepError if there is none."""
    module = MODULES.get(name)
    if module is None:
        raise StepError(f"There is no step {name!r}: choose from {', '.join(MODULES)}.")
    return importlib.import_module(module, __name__).run
