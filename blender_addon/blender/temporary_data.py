"""Data-blocks that are there for a while, and are remembered by name. Needs bpy.

A reference to a data-block is worth nothing, or worse, once the user has undone something.
"""

import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import TypeVar

import bpy

#: Scenes first: what is in them has no users then. Shape keys go with their mesh.
KINDS = (
    "scenes",
    "worlds",
    "collections",
    "objects",
    "armatures",
    "cameras",
    "lights",
    "meshes",
    "hair_curves",
    "materials",
    "node_groups",
    "images",
)

One = TypeVar("One", bound="Closing")


class Closing:
    """Has what undoes its work on `_stack`; to be used in a `with`, or closed."""

    _stack: contextlib.ExitStack

    def __enter__(self: One) -> One:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Undo it."""
        self._stack.close()


def block_names() -> set[tuple[str, str]]:
    """Kind and name of all data-blocks that are not from another file."""
    return {(kind, block.name) for kind in KINDS for block in getattr(bpy.data, kind) if not block.library}


def remove_blocks(names: set[tuple[str, str]]) -> None:
    """Remove those that are still there."""
    for kind, name in sorted(names, key=lambda one: KINDS.index(one[0])):
        blocks = getattr(bpy.data, kind)
        block = next((block for block in blocks if block.name == name and not block.library), None)
        if block is not None:
            blocks.remove(block)


@contextlib.contextmanager
def temporary_blocks() -> Iterator[None]:
    """What is made inside is removed at the end."""
    before = block_names()
    try:
        yield
    finally:
        remove_blocks(block_names() - before)
