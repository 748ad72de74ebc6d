"""Actions and their curves, before and after Blender 4.4 gave actions slots. Needs bpy."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import bpy
import numpy as np

#: Where Blender's enumeration has linear interpolation; `foreach_set` takes numbers.
LINEAR = "LINEAR"
#: What a key chooses; `foreach_get` of Blender 3.4 gives no such numbers of handles.
KEY_CHOICES = ("interpolation", "easing", "handle_left_type", "handle_right_type")
#: The numbers of a key, and how many each has; handles last, which the choices would move.
KEY_NUMBERS = {"back": 1, "amplitude": 1, "period": 1, "co": 2, "handle_left": 2, "handle_right": 2}


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
    if has_slots():
        data.action_slot = action.slots.new(owner.id_type, owner.name)
    return _curves(action, getattr(data, "action_slot", None))


def _curves(action: bpy.types.Action, slot: Any) -> Any:
    """The collection of an action's curves that move what has the slot; it is made if need be."""
    if not has_slots():
        return action.fcurves
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


def assignment(owner: bpy.types.ID) -> tuple[bpy.types.Action | None, Any]:
    """The action that moves a data-block, and which slot of it; None where there is none."""
    data = owner.animation_data
    return (None, None) if data is None else (data.action, getattr(data, "action_slot", None))


def assign_again(owner: bpy.types.ID, kept: tuple[bpy.types.Action | None, Any]) -> None:
    """Let a data-block be moved by what `assignment` said of it."""
    action, slot = kept
    if owner.animation_data is None:
        return
    owner.animation_data.action = action
    if slot is not None:
        owner.animation_data.action_slot = slot


@contextmanager
def kept(owners: Sequence[bpy.types.ID]) -> Iterator[None]:
    """What is done to the actions that move these is done to copies, which are gone afterward."""
    before = [assignment(owner) for owner in owners]
    made = set(bpy.data.actions)
    for owner, (action, slot) in zip(owners, before, strict=True):
        if action is not None:
            copied = action.copy()
            assign_again(owner, (copied, None if slot is None else copied.slots[slot.identifier]))
    try:
        yield
    finally:
        used = {assignment(owner)[0] for owner in owners} - made - {None}
        for owner, assigned in zip(owners, before, strict=True):
            assign_again(owner, assigned)
        for action in used:
            bpy.data.actions.remove(action)


@contextmanager
def switched_off(owner: bpy.types.ID) -> Iterator[None]:
    """Nothing moves a data-block: neither an action, nor strips, nor drivers."""
    data = owner.animation_data
    if data is None:
        yield
        return
    before, strips = assignment(owner), data.use_nla
    drivers = [driver for driver in data.drivers if not driver.mute]
    try:
        data.action, data.use_nla = None, False
        for driver in drivers:
            driver.mute = True
        yield
    finally:
        for driver in drivers:
            driver.mute = False
        data.use_nla = strips
        assign_again(owner, before)


def copy_curve(source: bpy.types.ID, path: str, target: bpy.types.ID, target_path: str) -> None:
    """Let the curve that moves a property move another data-block's too, with all its keys.

    Args:
        source: The data-block that the curve moves; if none moves this property, nothing happens.
        path: What it moves, from there.
        target: The data-block that a copy moves afterward; it gets an action if it has none.
        target_path: What that moves, from there.
    """
    curve = next((one for one in curves_of(source) if one.data_path == path), None)
    action, slot = assignment(target)
    if curve is None or (action is not None and action.library is not None):
        return
    if action is None or (has_slots() and slot is None):
        curves = assign(target, action or bpy.data.actions.new(f"{target.name} sliders"))
    else:
        curves = _curves(action, slot)
    stale = curves.find(target_path)
    if stale is not None:
        curves.remove(stale)
    _copy_keys(curve, curves.new(target_path))


def remove_curve(owner: bpy.types.ID, path: str) -> None:
    """Take away the curve that moves a property, if there is one, and nothing else is moved by it."""
    curve = next((one for one in curves_of(owner) if one.data_path == path), None)
    action, slot = assignment(owner)
    if curve is None or action is None:
        return
    users = len(slot.users()) if slot is not None else action.users - action.use_fake_user
    if action.library is None and users < 2:
        _curves(action, slot).remove(curve)


def _copy_keys(curve: bpy.types.FCurve, made: bpy.types.FCurve) -> None:
    """Give a new curve what another one has: keys, what is before and after them, and modifiers."""
    count = len(curve.keyframe_points)
    made.keyframe_points.add(count)
    for key, copied in zip(curve.keyframe_points, made.keyframe_points, strict=True):
        for choice in KEY_CHOICES:
            setattr(copied, choice, getattr(key, choice))
    for part, numbers in KEY_NUMBERS.items():
        values = np.empty(numbers * count, np.float32)
        curve.keyframe_points.foreach_get(part, values)
        made.keyframe_points.foreach_set(part, values)
    made.extrapolation = curve.extrapolation
    for modifier in curve.modifiers:
        copy = made.modifiers.new(modifier.type)
        for known in modifier.bl_rna.properties:
            if not known.is_readonly:
                setattr(copy, known.identifier, getattr(modifier, known.identifier))
    made.update()
