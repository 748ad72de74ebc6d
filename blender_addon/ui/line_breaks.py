"""Breaks text into lines of a width. No bpy."""

from collections.abc import Callable


def wrapped(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """Lines of a text that are no wider than `width` as `measure` has it; long words are broken."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if measure(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while len(word) > 1 and measure(word) > width:
            end = next((k for k in range(len(word) - 1, 1, -1) if measure(word[:k]) <= width), 1)
            lines.append(word[:end])
            word = word[end:]
        line = word
    return [*lines, line] if line else lines
