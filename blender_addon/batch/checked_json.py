"""JSON from elsewhere, whose types are checked before anything relies on them. No bpy.

Each function returns its argument as the type it is, and raises ValueError if it is none.
"""

import json
import math
from typing import Any

from .storage import is_safe_name

#: Larger whole numbers make no sense anywhere here.
MAX_WHOLE = 1 << 63


def parse(text: bytes) -> dict[str, Any]:
    """A JSON object; numbers in it that are not finite become None."""

    def finite(digits: str) -> float | None:
        value = float(digits)
        return value if math.isfinite(value) else None

    try:
        data = json.loads(text, parse_constant=lambda _: None, parse_float=finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return mapping(data)


def most_values(text: bytes) -> int:
    """How many values JSON has at most, unread: each has a comma, a colon or a bracket before it."""
    return sum(map(text.count, (b",", b"[", b"{", b":")))


def mapping(value: object) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def array(value: object) -> list[Any]:
    """A JSON array."""
    if not isinstance(value, list):
        raise ValueError("it is no JSON array")
    return value


def text(value: object) -> str:
    """Text without NUL, which no path may hold."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("it is no text")
    return value


def optional_text(value: object) -> str | None:
    """Text, or None."""
    return None if value is None else text(value)


def boolean(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("it is neither true nor false")
    return value


def number(value: object) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("it is no number")
    try:
        result = float(value)
    except OverflowError as error:
        raise ValueError("it is no finite number") from error
    if not math.isfinite(result):
        raise ValueError("it is no finite number")
    return result


def optional_number(value: object) -> float | None:
    """A finite number, or None."""
    return None if value is None else number(value)


def whole_number(value: object) -> int:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_WHOLE:
        raise ValueError("it is no whole number")
    return value


def texts(value: object) -> list[str]:
    """An array of texts."""
    return [text(item) for item in array(value)]


def names(value: object) -> list[str]:
    """An array of names of files below a folder."""
    items = array(value)
    if not all(map(is_safe_name, items)):
        raise ValueError("a file's name leads out of its folder")
    return items


def timings(value: object) -> dict[str, float]:
    """Seconds by step."""
    return {step: number(seconds) for step, seconds in mapping(value).items()}
