"""The step "export": the animation-ready head in formats that the engine does not write. Needs bpy."""

from pathlib import Path
from typing import Any

import bpy

from ...errors import StepError
from ...heads.bone_names import NAMINGS
from ...heads.export import export_folder, formats
from ..result import StepResult


def run(folder: Path, options: dict[str, Any]) -> StepResult:
    """Options: formats, a list of names as `head_export.formats` gives them; bones, whose names bones get.

    Raises StepError, HeadFileError or ExportError.
    """
    wanted = list(options["formats"])
    missing = sorted(set(wanted) - set(formats()))
    if missing:
        raise StepError(f"This Blender cannot write {', '.join(missing)}: leave it out of --export.")
    bones = str(options.get("bones") or "blender")
    if bones not in NAMINGS:
        raise StepError(f"There are no bone names {bones!r}: choose {', '.join(NAMINGS)}.")
    return StepResult(export_folder(bpy.context, folder, wanted, bones=bones))
