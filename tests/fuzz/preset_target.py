"""Presets of exports, which a studio passes around."""

import json
import os
from pathlib import Path
from unittest.mock import patch

from blender_addon.errors import PresetError
from blender_addon.heads.bone_names import NAMINGS
from blender_addon.heads.presets import (
    ENVIRONMENT_VARIABLE,
    FORMATS,
    HAIR,
    MAPS,
    MAX_LODS,
    PICTURES,
    PRESET_FOLDER,
    SCALE_RANGE,
    SHAPES,
    TEXTURE_RANGE,
    Preset,
    load_preset,
    parse_preset,
)
from tests.fuzz.target import Target


def seeds() -> list[bytes]:
    """The project's own, and one that says everything."""
    whole = Preset(
        "all", ("glb", "fbx"), 100.0, "z", maps=("normal",), lods=(1.0, 0.5), pose={"jawOpen": 0.2}
    )
    own = [path.read_bytes() for path in sorted(PRESET_FOLDER.glob("*.json"))]
    return [*own, json.dumps(whole.as_json()).encode()]


def check(data: bytes, folder: Path) -> None:
    """A preset is refused in words, or has what exporters understand."""
    (folder / "mutant.json").write_bytes(data)
    try:
        with patch.dict(os.environ, {ENVIRONMENT_VARIABLE: str(folder)}):
            preset = load_preset("mutant")
    except PresetError as error:
        str(error).encode()  # as a terminal and Blender take it
        return
    assert not set(preset.formats) - set(FORMATS) and preset.formats
    assert not set(preset.maps) - set(MAPS)
    for several in (preset.formats, preset.maps, preset.lods):
        assert len(set(several)) == len(several), "it would be written twice"
    assert SCALE_RANGE[0] <= preset.scale <= SCALE_RANGE[1]
    assert preset.up in ("y", "z") and preset.bones in (*NAMINGS, "none")
    assert 0 < len(preset.lods) <= MAX_LODS and all(0 < one <= 1 for one in preset.lods)
    assert type(preset.texture_size) is int
    assert TEXTURE_RANGE[0] <= preset.texture_size <= TEXTURE_RANGE[1]
    assert preset.texture_format in PICTURES and preset.shapes in SHAPES and preset.hair in HAIR
    assert all(0 <= value <= 1 for value in preset.pose.values())
    assert type(preset.quantized) is bool
    for text in (preset.description, *preset.pose):
        text.encode()  # as Blender takes it
        assert "\0" not in text
    assert parse_preset(json.loads(json.dumps(preset.as_json())), "again") == preset


PRESET = Target(seeds, check)
