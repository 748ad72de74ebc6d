"""Presets of exports: what a program wants of a head, in small JSON files. No bpy.

Those of the project stand in `preset_files/`, a user's own in the folder that `own_folder` names;
docs/handoff.md describes their fields.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..blender.regular_file import read_regular
from ..errors import PresetError
from .bone_names import NAMINGS
from .checked_arrays import is_text

PRESET_FOLDER = Path(__file__).with_name("preset_files")
#: The environment variable that names the folder of a user's own presets.
ENVIRONMENT_VARIABLE = "PHOTOBUST_PRESETS"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
MAX_BYTES = 64 << 10
FORMATS = ("glb", "fbx", "obj", "usd", "blend")
PICTURES = ("png", "jpeg", "webp")
SHAPES = ("all", "arkit", "visemes", "vrm", "none")
HAIR = ("none", "cards", "shell", "strands")
MAPS = ("normal", "roughness", "occlusion", "thickness")
TEXTURE_RANGE = (64, 8192)
SCALE_RANGE = (0.001, 1000.0)
MAX_LODS = 5


@dataclass(frozen=True)
class Preset:
    """What is written.

    Attributes:
        description: One line for menus.
        formats: Of FORMATS.
        scale: Units of the file for a meter.
        up: "y" or "z", the axis that points up, where the format lets one choose (FBX, OBJ).
        bones: Their names, a key of NAMINGS; "none" for a head without bones.
        lods: Fractions of the triangles: 1, 0.5 and 0.25 are there.
        texture_size: Side of the pictures, texels; larger ones are made smaller.
        texture_format: Of PICTURES; WebP and JPEG in GLB files, others have PNG.
        maps: Of MAPS: pictures beside the color that are written where the head has them.
        shapes: Which blendshapes, of SHAPES.
        pose: Blendshape -> value that is part of the neutral head.
        hair: The product of hair that is written where the head has it, of HAIR.
        quantized: Whether GLB files have short integers for normals, texture coordinates and skin weights
            (KHR_mesh_quantization): smaller, and not for every reader.
    """

    description: str = ""
    formats: tuple[str, ...] = ("glb",)
    scale: float = 1.0
    up: str = "y"
    bones: str = "blender"
    lods: tuple[float, ...] = (1.0,)
    texture_size: int = 2048
    texture_format: str = "png"
    maps: tuple[str, ...] = ()
    shapes: str = "all"
    pose: Mapping[str, float] = field(default_factory=dict)
    hair: str = "none"
    quantized: bool = False

    def as_json(self) -> dict[str, Any]:
        """The preset as JSON can hold it, as `parse_preset` takes it."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }


def own_folder() -> Path:
    """Where a user's own presets are looked for."""
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA")
    return (Path(base) if base else Path.home() / ".config") / "photobust" / "presets"


def preset_names() -> tuple[str, ...]:
    """The presets that there are, the project's first."""
    found = [
        path.stem
        for folder in (PRESET_FOLDER, own_folder())
        for path in sorted(folder.glob("*.json"))
        if NAME.fullmatch(path.stem)
    ]
    return tuple(dict.fromkeys(found))


def load_preset(name: str) -> Preset:
    """A preset by its name; a user's own wins over the project's.

    Raises:
        PresetError: There is none of that name, or it makes no sense.
    """
    if NAME.fullmatch(name):
        for folder in (own_folder(), PRESET_FOLDER):
            path = folder / f"{name}.json"
            if path.is_file():
                return _read(path)
    raise PresetError(
        f"There is no preset {name!r}: choose {', '.join(preset_names())}, or put {name}.json into "
        f"{own_folder()}."
    )


def _read(path: Path) -> Preset:
    try:
        document = json.loads(read_regular(path, MAX_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PresetError(f"The preset {path} cannot be read ({error}).") from error
    return parse_preset(document, path.name)


def parse_preset(document: Any, name: str) -> Preset:
    """A preset of its JSON object.

    Args:
        document: As `json` reads it.
        name: What messages call it.

    Raises:
        PresetError: A field does not exist or makes no sense.
    """
    if not isinstance(document, dict):
        raise PresetError(f"The preset {name} has to be a JSON object.")
    known = {field.name for field in fields(Preset)}
    for key in document:
        if key not in known:
            raise PresetError(f"The preset {name} has a field {key!r}: there are {', '.join(sorted(known))}.")
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in document.items()
    }
    for key, good in _CHECKS.items():
        if key in values and not good(values[key]):
            raise PresetError(
                f"The preset {name} has {key} = {document[key]!r}: docs/handoff.md says what may be."
            )
    return Preset(**values)


def _some_of(allowed: tuple[str, ...], least: int = 0) -> Any:
    return lambda value: (
        isinstance(value, tuple)
        and least <= len(value) == len(set(map(str, value)))
        and all(isinstance(entry, str) and entry in allowed for entry in value)
    )


def _one_of(allowed: tuple[str, ...]) -> Any:
    return lambda value: isinstance(value, str) and value in allowed


def _text(value: Any, most: int = 500) -> bool:
    """Whether a value is a text that Blender can show: Unicode, without NUL."""
    return isinstance(value, str) and len(value) < most and (not value or is_text(value))


def _number(value: Any, least: float, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


_CHECKS: dict[str, Any] = {
    "description": _text,
    "formats": _some_of(FORMATS, 1),
    "scale": lambda value: _number(value, *SCALE_RANGE),
    "up": _one_of(("y", "z")),
    "bones": _one_of((*NAMINGS, "none")),
    "lods": lambda value: (
        isinstance(value, tuple)
        and 0 < len(value) <= MAX_LODS
        and all(_number(entry, 0.01, 1.0) for entry in value)
        and len(set(value)) == len(value)
    ),
    "texture_size": lambda value: isinstance(value, int) and _number(value, *TEXTURE_RANGE),
    "texture_format": _one_of(PICTURES),
    "maps": _some_of(MAPS),
    "shapes": _one_of(SHAPES),
    "pose": lambda value: (
        isinstance(value, dict)
        and all(_text(key) and _number(entry, 0.0, 1.0) for key, entry in value.items())
    ),
    "hair": _one_of(HAIR),
    "quantized": lambda value: isinstance(value, bool),
}
