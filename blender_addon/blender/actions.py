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
#: What a curve has beside its keys and modifiers; the mode last, or a color would not be the artist's own.
CURVE_CHOICES = ("extrapolation", "auto_smoothing", "mute", "lock", "hide", "color", "color_mode")


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
def tweaking_left(owners: Sequence[bpy.types.ID]) -> Iterator[None]:
    """NLA strips of these are not in tweak mode, in which Blender lets nobody give them another action.

    Afterward, those that were are in tweak mode again, unless Blender would now tweak another action.
    """
    tweaked = [one for one in owners if one.animation_data is not None and one.animation_data.use_tweak_mode]
    before = [assignment(owner) for owner in tweaked]
    try:
        for owner in tweaked:
            owner.animation_data.use_tweak_mode = False
        yield
    finally:
        for owner, assigned in zip(tweaked, before, strict=True):
            owner.animation_data.use_tweak_mode = True
            if assignment(owner) != assigned:
                owner.animation_data.use_tweak_mode = False


@contextmanager
def kept(owners: Sequence[bpy.types.ID]) -> Iterator[None]:
    """What is done to the actions that move these is done to copies, which are gone afterward."""
    with tweaking_left(owners):
        before = [assignment(owner) for owner in owners]
        there = set(bpy.data.actions)
        copies = []
        try:
            for owner, (action, slot) in zip(owners, before, strict=True):
                if action is not None:
                    copies.append(action.copy())
                    same = None if slot is None else copies[-1].slots[slot.identifier]
                    assign_again(owner, (copies[-1], same))
            yield
        finally:
            made = {assignment(owner)[0] for owner in owners} - there - {None}
            for owner, assigned in zip(owners, before, strict=True):
                assign_again(owner, assigned)
            for action in made.union(copies):
                bpy.data.actions.remove(action)


@contextmanager
def switched_off(owner: bpy.types.ID) -> Iterator[None]:
    """Nothing moves a data-block, of which no strip is in tweak mode: no action, no strips, no drivers."""
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


def copy_curve(source: bpy.types.ID, path: str, target: bpy.types.ID, target_path: str) -> bool:
    """Let the curve that moves a property move another data-block's too.

    The copy has all keys or samples, all modifiers, and the original's group, color and switches.

    Args:
        source: The data-block that the curve moves; if none moves this property, nothing happens.
        path: What it moves, from there.
        target: The data-block that a copy moves afterward; it gets an action if it has none.
        target_path: What that moves, from there.

    Returns:
        Whether the original can go: False if the target's action is another file's, which cannot be changed.
    """
    curve = _curve_of(source, path)
    action, slot = assignment(target)
    if curve is None:
        return True
    if action is not None and action.library is not None:
        return False
    if action is None or (has_slots() and slot is None):
        curves = assign(target, action or bpy.data.actions.new(f"{target.name} sliders"))
    else:
        curves = _curves(action, slot)
    stale = curves.find(target_path)
    if stale is not None:
        curves.remove(stale)
    made = curves.new(target_path)
    _copy_content(curve, made)
    if curve.group is not None:
        groups = _groups(*assignment(target))
        made.group = groups.get(curve.group.name) or groups.new(curve.group.name)
    return True


def remove_curve(owner: bpy.types.ID, path: str) -> None:
    """Take away the curve that moves a property, unless it moves another data-block too."""
    curve = _curve_of(owner, path)
    action, slot = assignment(owner)
    if curve is None or action is None:
        return
    users = len(slot.users()) if slot is not None else action.users - action.use_fake_user
    if action.library is None and users < 2:
        _curves(action, slot).remove(curve)


def _curve_of(owner: bpy.types.ID, path: str) -> bpy.types.FCurve | None:
    """The curve that moves a property of a data-block."""
    return next((curve for curve in curves_of(owner) if curve.data_path == path), None)


def _groups(action: bpy.types.Action, slot: Any) -> Any:
    """The collection of the groups of an action's curves that move what has the slot."""
    return action.layers[0].strips[0].channelbag(slot).groups if has_slots() else action.groups


def _copy_content(curve: bpy.types.FCurve, made: bpy.types.FCurve) -> None:
    """Give a new curve what another one has, but for its group."""
    if len(curve.sampled_points):
        _copy_samples(curve, made)
    else:
        _copy_keys(curve, made)
    for choice in CURVE_CHOICES:
        setattr(made, choice, getattr(curve, choice))
    for modifier in curve.modifiers:
        _copy_modifier(modifier, made.modifiers.new(modifier.type))
    made.update()


def _copy_keys(curve: bpy.types.FCurve, made: bpy.types.FCurve) -> None:
    """Give a new curve the keys of another one."""
    count = len(curve.keyframe_points)
    made.keyframe_points.add(count)
    for key, copied in zip(curve.keyframe_points, made.keyframe_points, strict=True):
        for choice in KEY_CHOICES:
            setattr(copied, choice, getattr(key, choice))
    for part, numbers in KEY_NUMBERS.items():
        values = np.empty(numbers * count, np.float32)
        curve.keyframe_points.foreach_get(part, values)
        made.keyframe_points.foreach_set(part, values)


def _copy_samples(curve: bpy.types.FCurve, made: bpy.types.FCurve) -> None:
    """Give a new curve the samples of another one, which was baked: one in every frame."""
    count = len(curve.sampled_points)
    points = np.empty(2 * count, np.float32)
    curve.sampled_points.foreach_get("co", points)
    # Blender samples only curves that have keys; the values themselves are set then.
    made.keyframe_points.insert(points[0], points[1])
    first = round(float(points[0]))
    made.convert_to_samples(first, first + count)  # without the end
    made.sampled_points.foreach_set("co", points)


def _copy_modifier(modifier: bpy.types.FModifier, made: bpy.types.FModifier) -> None:
    """Give a new modifier the settings of another one, and its control points."""
    for point in modifier.control_points if modifier.type == "ENVELOPE" else ():
        copied = made.control_points.add(point.frame)
        copied.min, copied.max = point.min, point.max
    for known in modifier.bl_rna.properties:
        if not known.is_readonly:
            setattr(made, known.identifier, getattr(modifier, known.identifier))
