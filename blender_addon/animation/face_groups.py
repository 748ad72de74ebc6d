"""The blendshapes by what they move, and which are a pair. No bpy."""

from collections.abc import Sequence

#: Group -> the beginnings of its shapes' names; the first that fits counts.
GROUPS: dict[str, tuple[str, ...]] = {
    "Brows": ("brow",),
    "Eyes": ("eye",),
    "Mouth": ("mouth",),
    "Jaw": ("jaw",),
    "Tongue": ("tongue",),
    "Cheeks and Nose": ("cheek", "nose"),
    "Visemes": ("viseme_",),
}
LEFT, RIGHT = "Left", "Right"
#: Shapes that are a pair and are not the same movement of either half.
DIRECTIONS = {"jawLeft": "jawRight", "mouthLeft": "mouthRight"}


def group_of(shape: str) -> str | None:
    """The group that a shape belongs to; None for others' shapes."""
    return next((group for group, starts in GROUPS.items() if shape.startswith(starts)), None)


def mirrored(shape: str) -> str:
    """The shape that moves the other half of the face as this one moves its own; itself if it is whole.

    What goes to the left, such as jawLeft, becomes what goes to the right.
    """
    if shape.endswith(LEFT):
        return shape[: -len(LEFT)] + RIGHT
    if shape.endswith(RIGHT):
        return shape[: -len(RIGHT)] + LEFT
    return shape


def paired(shape: str) -> bool:
    """Whether the shape moves one half of the face, and there is one that moves the other."""
    directions = {*DIRECTIONS, *DIRECTIONS.values()}
    return mirrored(shape) != shape and shape not in directions


def stem(shape: str) -> str:
    """A paired shape's name without its side."""
    return shape.removesuffix(LEFT).removesuffix(RIGHT) if paired(shape) else shape


def rows(shapes: Sequence[str]) -> list[tuple[str, ...]]:
    """The shapes of a group as a panel shows them: left and right of a pair together."""
    found: list[tuple[str, ...]] = []
    for shape in shapes:
        if not paired(shape):
            found.append((shape,))
        elif shape.endswith(LEFT):
            found.append(tuple(name for name in (shape, mirrored(shape)) if name in shapes))
        elif mirrored(shape) not in shapes:
            found.append((shape,))
    return found
