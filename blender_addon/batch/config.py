"""Options from a TOML or JSON file, as arguments of the command line. No bpy."""

import argparse
import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BatchError

#: Options whose values are paths, in a file relative to its folder.
PATHS = ("out", "asset_library", "engine_python", "blender", "engine_log", "blender_log")
PROGRAMS = ("engine_python", "blender")
#: Options that make no sense in a file.
REFUSED = ("config", "help")


def read_config(path: Path) -> dict[str, Any]:
    """What the file says, its names with "_" for "-". Raises BatchError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise BatchError(f"the configuration {path} cannot be read: {reason}.") from error
    if path.suffix.lower() not in (".toml", ".json"):
        raise BatchError(f"the configuration {path} has to be a .toml or a .json file.")
    try:
        values = json.loads(text) if path.suffix.lower() == ".json" else _toml(path, text)
    except ValueError as error:
        raise BatchError(f"the configuration {path} cannot be understood: {error}.") from error
    if not isinstance(values, dict):
        raise BatchError(f"the configuration {path} has to hold options by their names.")
    return {name.replace("-", "_"): value for name, value in values.items()}


def _toml(path: Path, text: str) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:
        raise BatchError(
            f"this Python, of a Blender before 4.1, cannot read TOML: write {path.name} as JSON, or run the "
            "batch with .venv/bin/python."
        ) from None
    return tomllib.loads(text)


def as_arguments(
    parser: argparse.ArgumentParser, values: Mapping[str, Any], source: Path
) -> tuple[list[str], list[str]]:
    """(arguments of the command line, photos) for what the file `source` says. Raises BatchError."""
    actions = {
        option.lstrip("-").replace("-", "_"): action
        for action in parser._actions
        if action.dest not in REFUSED
        for option in action.option_strings or [action.dest]
    }
    arguments: list[str] = []
    photos: list[str] = []
    for name, value in values.items():
        action = actions.get(name)
        if action is None:
            near = difflib.get_close_matches(name, actions, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise BatchError(f"there is no option {name!r}{hint}")
        if name == "photos":
            listed = [value] if isinstance(value, str) else value
            if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
                raise BatchError("photos has to be a text or a list of texts")
            photos = [str(source.parent / one) for one in listed]
        else:
            arguments += _argument(action, value, source)
    return arguments, photos


def _argument(action: argparse.Action, value: Any, source: Path) -> list[str]:
    option, name = action.option_strings[0], action.dest
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise BatchError(f"{name} has to be true or false")
        return [option] if value else []
    if value is False and action.nargs == "?":
        return []
    if value is True and action.nargs == "?":
        value = action.const
    if isinstance(value, list):
        value = ",".join(map(str, value))
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise BatchError(f"{name} has to be a number, a text or a list of them")
    if name in PATHS:
        # A bare name of a program is looked for in the PATH.
        value = placed(name, str(value), source.parent)
    return [f"{option}={value}"]


def placed(name: str, value: str, folder: Path) -> str:
    """The path of the option `name`, relative to `folder`; a program's bare name stays one, for the PATH."""
    if name in PROGRAMS and os.path.basename(value) == value:
        return value
    return str(folder / Path(value).expanduser())
