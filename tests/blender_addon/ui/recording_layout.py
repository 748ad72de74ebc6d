"""A layout as Blender's panels have it, that records which words are wider than the room they get. Needs bpy.

Blender tells no script where its buttons are. So the sizes are counted as its own layout does: what stands
in a row gets equal shares, beside icons alone, which keep their size; words are measured in Blender's own
font. All sizes are in units of the interface, pixels at scale 1. Held against a window of Blender 3.4.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import bpy

from blender_addon.blender import compat

#: Width of a sidebar that nobody has dragged.
SIDEBAR = 220.0
#: What of it a panel's contents have not: tabs and margins.
BESIDE_CONTENTS = 54.0
#: An icon, and a button with nothing else.
ICON = 20.0
#: What a button's words have beside them, if they are in its middle or begin at its left.
MIDDLE_MARGIN = 8.0
LEFT_MARGIN = 12.0
#: What a label's words have beside them, its icon left out.
LABEL_MARGIN = 5.0
#: What name and value of a field have beside them and between each other.
FIELD_MARGIN = 32.0
#: A box's frame, and the space in a row whose items are not aligned.
BOX_MARGIN = 10.0
GAP = 8.0
#: A field's words stand before it, in this share of its width.
LABEL_SHARE = 0.245
#: What a panel's header has beside its name: the arrow and the handle.
HEADER_MARGIN = 40.0


@dataclass(frozen=True)
class Clipped:
    """Words that do not fit: how wide they are with what belongs to them, and their room."""

    text: str
    need: float
    room: float


@dataclass
class Leaf:
    """A button, a field or a label.

    Attributes:
        text: Its words; empty for one that is an icon.
        need: What it takes to show all.
        fixed: Whether it has that size and no other.
    """

    text: str
    need: float
    fixed: bool = False

    def clipped(self, room: float) -> list[Clipped]:
        """What is cut in this room."""
        return [Clipped(self.text, self.need, room)] if self.text and self.need > room else []


@dataclass
class Layout:
    """Stands for a `UILayout`: `kind` is "column", "row" or "grid", whose rows have `columns` items."""

    kind: str = "column"
    align: bool = False
    margin: float = 0.0
    columns: int = 0
    children: "list[Layout | Leaf]" = field(default_factory=list)
    scale_x: float = 1.0
    scale_y: float = 1.0
    alert: bool = False
    active: bool = True
    enabled: bool = True
    alignment: str = "EXPAND"
    operator_context: str = "INVOKE_DEFAULT"
    use_property_split: bool = False

    def clipped(self, room: float) -> list[Clipped]:
        """What is cut of all that is in it."""
        room -= self.margin
        if self.kind == "column":
            return [one for child in self.children for one in child.clipped(room)]
        count = self.columns or len(self.children)
        lines = [self.children[at : at + count] for at in range(0, len(self.children), max(count, 1))]
        return [one for line in lines for one in self._clipped_in_row(line, room, count)]

    def _clipped_in_row(self, line: "list[Layout | Leaf]", room: float, count: int) -> list[Clipped]:
        fixed = [child.need for child in line if isinstance(child, Leaf) and child.fixed]
        room -= sum(fixed) + (0.0 if self.align else GAP * (count - 1))
        share = room / max(count - len(fixed), 1)
        return [
            one
            for child in line
            for one in child.clipped(child.need if isinstance(child, Leaf) and child.fixed else share)
        ]

    def _inside(self, **options: Any) -> "Layout":
        inside = Layout(**options)
        self.children.append(inside)
        return inside

    def _leaf(self, text: str, beside: float) -> None:
        self.children.append(Leaf(text, width(text) + beside))

    def _icon(self, size: float = ICON) -> None:
        self.children.append(Leaf("", size, fixed=True))

    def row(self, align: bool = False, heading: str = "") -> "Layout":
        return self._inside(kind="row", align=align)

    def column(self, align: bool = False, heading: str = "") -> "Layout":
        return self._inside(align=align)

    def box(self) -> "Layout":
        return self._inside(margin=BOX_MARGIN)

    def grid_flow(self, columns: int = 0, align: bool = False, **_: Any) -> "Layout":
        return self._inside(kind="grid", columns=columns, align=align)

    def separator(self, **_: Any) -> None:
        """Nothing to read."""

    def label(self, text: str = "", icon: str = "NONE", **_: Any) -> None:
        self._leaf(text, (ICON if icon != "NONE" else 0.0) + LABEL_MARGIN)

    def operator(self, name: str, text: str | None = None, icon: str = "NONE", **_: Any) -> SimpleNamespace:
        module, function = name.split(".")
        words = getattr(getattr(bpy.ops, module), function).get_rna_type().name if text is None else text
        if words:
            self._leaf(words, (ICON if icon != "NONE" else 0.0) + MIDDLE_MARGIN)
        else:
            self._icon()
        return SimpleNamespace()

    def operator_menu_enum(self, name: str, _property: str, text: str = "", icon: str = "NONE") -> None:
        self._leaf(text, ICON * (1 + (icon != "NONE")) + LEFT_MARGIN)

    def template_icon(self, icon: int, scale: float = 1.0) -> None:
        self._icon(ICON * scale)

    def progress(self, text: str = "", **_: Any) -> None:
        self._leaf(text, MIDDLE_MARGIN)

    def prop(
        self,
        owner: Any,
        name: str,
        text: str | None = None,
        icon: str = "NONE",
        expand: bool = False,
        toggle: bool = False,
        **_: Any,
    ) -> None:
        about = owner.bl_rna.properties[name]
        words = about.name if text is None else text
        if about.type == "ENUM":
            self._enum([item.name for item in about.enum_items], words, expand)
        elif about.type == "BOOLEAN":
            beside = (ICON if icon != "NONE" else 0.0) + MIDDLE_MARGIN if toggle else ICON + LEFT_MARGIN
            self._leaf(words, beside) if words else self._icon()
        elif about.type in ("FLOAT", "INT") and not about.is_array:
            self._leaf(f"{words} {value_text(owner, about)}".strip(), FIELD_MARGIN)
        else:
            self._leaf(words, LEFT_MARGIN)

    def prop_enum(self, owner: Any, name: str, value: str, **_: Any) -> None:
        self._leaf(owner.bl_rna.properties[name].enum_items[value].name, MIDDLE_MARGIN)

    def _enum(self, items: list[str], words: str, expand: bool) -> None:
        if expand:
            for item in items:
                self._leaf(item, MIDDLE_MARGIN)
            return
        widest = max(items, key=width)
        need = width(widest) + ICON + LEFT_MARGIN
        if words:
            need = max(need / (1 - LABEL_SHARE), (width(words) + MIDDLE_MARGIN) / LABEL_SHARE)
        self.children.append(Leaf(f"{words}: {widest}" if words else widest, need))


def width(text: str) -> float:
    """Width of words in Blender's font."""
    points = bpy.context.preferences.ui_styles[0].widget.points
    return compat.text_width(text, points)


def value_text(owner: Any, about: Any) -> str:
    """A number as its field shows it."""
    value = getattr(owner, about.identifier)
    if about.type == "INT":
        return str(value)
    if about.unit == "NONE":
        return f"{value:.{about.precision}f}"
    return f"{value:g}" + {"CAMERA": " mm", "ROTATION": "°"}.get(about.unit, " m")
