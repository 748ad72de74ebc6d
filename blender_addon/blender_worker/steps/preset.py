"""The step "preset": the head as presets of programs want it. Needs bpy."""

from pathlib import Path
from typing import Any

import bpy

from ...heads.preset_export import export_preset
from ...heads.presets import parse_preset
from ..result import StepResult


def run(folder: Path, options: dict[str, Any]) -> StepResult:
    """Write head_NAME.fbx, .glb and so on, with their pictures, for each preset.

    Options: presets, name -> fields, as `presets.parse_preset` takes them.

    Raises PresetError, HeadFileError or ExportError.
    """
    files: dict[str, str] = {}
    for name, fields in options["presets"].items():
        files |= export_preset(bpy.context, folder, parse_preset(fields, name), name)
    return StepResult(files)
