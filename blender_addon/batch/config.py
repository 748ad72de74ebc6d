"""Options from a TOML or JSON file, as arguments of the command line. No bpy."""

import argparse
import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..blender.regular_file import read_regular
from ..errors import BatchError

#: Options whose values are paths, in a file relative to its folder, and inside of it.
PATHS = ("out", "asset_library", "pins")
#: Options that make no sense in a file.
REFUSED = ("config", "help")
#: Options that a file cannot set, for it may come from somebody else: they start programs, overwrite files or
#: send photos elsewhere.
COMMAND_LINE_ONLY = ("engine_python", "blender", "engine_log", "blender_log", "scheduler")
#: Larger files are not read.
MAX_BYTES = 256 << 10
#: Longer lines of TOML are refused, characters: reading a key takes memory by the square of its parts.
MAX_LINE = 2000


def read_config(path: Path) -> dict[str, Any]:
    """What the file says, its names with "_" for "-". Raises BatchError."""
    try:
        text = read_regular(path, MAX_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise BatchError(f"the configuration {path} cannot be read: {reason}.") from error
    if path.suffix.lower() not in (".toml", ".json"):
        raise BatchError(f"the configuration {path} has to be a .toml or a .json file.")
    try:
        values = json.loads(text) if path.suffix.lower() == ".json" else _toml(path, text)
    except (ValueError, RecursionError) as error:
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
    if any(len(line) > MAX_LINE for line in text.split("\n")):
        raise ValueError(f"it has a line of more than {MAX_LINE} characters: write lists over several lines")
    return tomllib.loads(text)


def as_arguments(
    parser: argparse.ArgumentParser, values: Mapping[str, Any], source: Path
) -> tuple[list[str], list[str]]:
    """What a file says, as arguments of the command line.

    Args:
        parser: Knows the options.
        values: Options by name.
        source: The file.

    Returns:
        (arguments, photos)

    Raises:
        BatchError: An option does not exist, may not stand in a file, or has a value that makes no sense.
    """
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
        if action.dest in COMMAND_LINE_ONLY:
            raise BatchError(f"{name} can be named on the command line only: a file may come from anybody")
        if name == "photos":
            listed = [value] if isinstance(value, str) else value
            if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
                raise BatchError("photos has to be a text or a list of texts")
            photos = [_inside(source.parent, "photos", entry) for entry in listed]
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
        value = _inside(source.parent, name, str(value))
    return [f"{option}={value}"]


def _inside(folder: Path, name: str, value: str) -> str:
    """The path `value` of the option `name`, which has to be in `folder`. Raises BatchError."""
    path = Path(value)
    if path.is_absolute() or ".." in path.parts or "\0" in value or not is_inside(folder, folder / path):
        raise BatchError(
            f"{name} has to be inside the folder of the file, and {value!r} leads out of it: name it on the "
            "command line"
        )
    return str(folder / path)


def is_inside(folder: Path, path: Path) -> bool:
    """Whether `path` is `folder` or below it, links resolved."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle
        return False
