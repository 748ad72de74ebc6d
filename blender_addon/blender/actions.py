"""Actions and their curves, before and after Blender 4.4 gave actions slots. Needs bpy."""

from collections.abc import Sequence
from typing import Any

import bpy
import numpy as np

#: Where Blender's enumeration has linear interpolation; `foreach_set` takes numbers.
LINEAR = "LINEAR"


def has_slots() -> bool:
    """Whether one action can move several data-blocks."""
    return hasattr(bpy.types, "ActionSlot")


def assign(owner: bpy.types.ID, action: bpy.types.Action) -> Any:
    """Let an action move a data-block, which gets a slot of its own where there are such.

    Args:
        owner: What is moved, such as an object or a mesh' shape keys.
        action: The action.

    Returns:
        The collection of the action's curves that move it.
    """
    data = owner.animation_data or owner.animation_data_create()
    data.action = action
    if not has_slots():
        return action.fcurves
    slot = action.slots.new(owner.id_type, owner.name)
    data.action_slot = slot
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True).fcurves


def curves_of(owner: bpy.types.ID | None) -> list[bpy.types.FCurve]:
    """The curves of the action that moves a data-block; none if none does."""
    data = owner.animation_data if owner is not None else None
    if data is None or data.action is None:
        return []
    if not has_slots():
        return list(data.action.fcurves)
    slot = data.action_slot
    strips = [strip for layer in data.action.layers for strip in layer.strips]
    bags = [strip.channelbag(slot) for strip in strips if slot is not None]
    return [curve for bag in bags if bag is not None for curve in bag.fcurves]


def all_curves(action: bpy.types.Action) -> list[bpy.types.FCurve]:
    """All curves of an action, whatever they move."""
    if not has_slots():
        return list(action.fcurves)
    strips = [strip for layer in action.layers for strip in layer.strips]
    return [curve for strip in strips for bag in strip.channelbags for curve in bag.fcurves]


def set_keys(
    curves: Any, path: str, frames: Sequence[float] | np.ndarray, values: np.ndarray, index: int = 0
) -> bpy.types.FCurve:
    """Add a curve with linear keys.

    Args:
        curves: A collection of curves that has none for this path and index.
        path: What it moves, from its data-block.
        frames: (N,) when.
        values: (N,) what.
        index: Of the component, where the path leads to several.

    Returns:
        The curve.
    """
    curve = curves.new(path, index=index)
    curve.keyframe_points.add(len(values))
    points = np.stack([np.asarray(frames, np.float32), np.asarray(values, np.float32)], 1)
    curve.keyframe_points.foreach_set("co", points.ravel())
    for key in curve.keyframe_points:
        key.interpolation = LINEAR
    curve.update()
    return curve
