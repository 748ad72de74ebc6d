"""More that people wear: brimmed hats, bands, hoods, scarves around the neck, masks, necklaces, earrings.

As in `accessories`, shells are made of the head's own skin; jewelry is drawn into the picture. Head frame,
meters.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from ...geometry.frames import Camera, HeadPose
from .accessories import Garment, Patterns, Wearer, shell_garment, smooth_waves
from .occluders import alpha_blend, fill_polygon, hidden_points, stroke

#: Where the lobe of the average left ear is.
EAR_LOBE = np.array([0.076, 0.078, -0.058])
#: Middle of the neck, and its half axes, at the height of a necklace.
NECK_MIDDLE = np.array([0.0, 0.072])
NECK_AXES = np.array([0.062, 0.064])
#: Gold, silver, copper: sRGB.
METALS = np.array([[205, 165, 80], [190, 190, 195], [180, 115, 85]], np.float64)


def _ring(
    inner: np.ndarray, outer: np.ndarray, texture: np.ndarray, matte: float, scale: float = 4.0
) -> Garment:
    """A closed band between two rings (N, 3)."""
    count = len(inner)
    points = np.concatenate([inner, outer]).astype(np.float32)
    i = np.arange(count)
    j = (i + 1) % count
    triangles = np.concatenate([np.stack([i, i + count, j], 1), np.stack([j, i + count, j + count], 1)])
    uv = (0.5 + points[:, :2] * scale).astype(np.float32)
    return Garment(
        points, triangles.astype(np.int32), uv[triangles], texture, np.ones(2 * count, np.float32), 0.0, matte
    )


def brimmed_hat(rng: np.random.Generator, wearer: Wearer) -> list[Garment]:
    """A hat with a brim all around: straw hats, bowlers, bucket hats."""
    p = wearer.points
    height, tilt = rng.uniform(0.035, 0.07), rng.uniform(-0.35, 0.1)
    cover = p[:, 2] - height - tilt * p[:, 1]
    direction = wearer.directions
    thick = 0.012 + rng.uniform(0.0, 0.09) * np.clip(cover / 0.09, 0, 1) ** rng.uniform(0.4, 1.5)
    moved = p + direction * 0.012 + np.array([0, 0, 1.0]) * (thick - 0.012)[:, None]
    texture = wearer.patterns.dye_cloth(rng)
    angle = np.arange(40) / 40 * 2 * np.pi
    around = np.stack([np.sin(angle), -np.cos(angle)], 1)
    half = np.array([0.088, 0.108])
    middle = np.array([0.0, 0.075])
    reach = rng.uniform(0.025, 0.09)
    droop = rng.uniform(-0.6, 0.4)
    inner_xy = middle + around * half
    outer_xy = middle + around * (half + reach)
    wave = 0.01 * rng.uniform(0, 1) * np.sin(2 * angle + rng.uniform(0, 6))
    inner = np.column_stack([inner_xy, height + tilt * inner_xy[:, 1] + 0.004])
    outer = np.column_stack([outer_xy, height + tilt * outer_xy[:, 1] - droop * reach + wave])
    return [shell_garment(wearer.skin, moved, cover, texture, 0.0, 0.9), _ring(inner, outer, texture, 0.9)]


def headband(rng: np.random.Generator, wearer: Wearer) -> Garment:
    """A band around the head."""
    p = wearer.points
    height, tilt, width = rng.uniform(0.045, 0.09), rng.uniform(-0.5, 0.8), rng.uniform(0.012, 0.045)
    level = p[:, 2] - height - tilt * p[:, 1]
    cover = np.minimum(level, width - level)
    moved = p + wearer.directions * rng.uniform(0.006, 0.03)
    return shell_garment(wearer.skin, moved, cover, wearer.patterns.dye_cloth(rng), 0.0, 0.9)


def hood(rng: np.random.Generator, wearer: Wearer) -> Garment:
    """A hood that stands away from the face, of cloth or fur."""
    p, direction = wearer.points, wearer.directions
    folds = smooth_waves(rng, direction, rng.uniform(5, 20))
    opening = rng.uniform(-0.01, 0.03)
    cover = p[:, 1] - opening - 0.25 * np.clip(0.06 - p[:, 2], 0, 0.1)
    cover = np.maximum(cover, p[:, 2] - rng.uniform(0.06, 0.09))
    thick = rng.uniform(0.015, 0.05) * (1 + 0.25 * folds)
    moved = p + direction * thick[:, None] + np.array([0, -1.0, 0]) * rng.uniform(0.0, 0.03)
    fur = rng.random() < 0.25
    texture = wearer.patterns.dye_hair(rng) if fur else wearer.patterns.dye_cloth(rng)
    return shell_garment(wearer.skin, moved, cover, texture, 0.01 if fur else 0.0, 0.95)


def neck_scarf(rng: np.random.Generator, patterns: Patterns) -> list[Garment]:
    """A scarf or a high collar around the neck: rings around its axis.

    Args:
        rng: random numbers.
        patterns: of cloth.

    Returns:
        Its bands, head frame, meters.
    """
    texture = patterns.dye_cloth(rng)
    angle = np.arange(36) / 36 * 2 * np.pi
    around = np.stack([np.sin(angle), -np.cos(angle)], 1)
    top, bottom = rng.uniform(-0.15, -0.095), -0.22
    bulge = rng.uniform(0.008, 0.04)
    rings = []
    for fraction in np.linspace(0, 1, 5):
        size = NECK_AXES + 0.004 + bulge * np.sin(np.pi * (0.15 + 0.7 * fraction)) + 0.03 * fraction
        xy = NECK_MIDDLE + around * size * (1 + 0.05 * np.sin(5 * angle + rng.uniform(0, 6)))[:, None]
        z = top + (bottom - top) * fraction + 0.012 * np.sin(2 * angle + rng.uniform(0, 6))
        rings.append(np.column_stack([xy, z + 0.03 * np.clip(xy[:, 1] - 0.07, 0, 1) / 0.07]))
    return [_ring(a, b, texture, 0.95) for a, b in pairwise(rings)]


def face_mask(rng: np.random.Generator, wearer: Wearer) -> Garment:
    """A mask over mouth and nose."""
    p = wearer.points
    top, back = rng.uniform(-0.03, -0.008), rng.uniform(0.035, 0.07)
    cover = np.minimum(top + 0.25 * np.clip(np.abs(p[:, 0]) - 0.02, 0, 1) * -1 - p[:, 2], back - p[:, 1])
    cover = np.minimum(cover, p[:, 2] + rng.uniform(0.1, 0.125))
    direction = wearer.directions
    garment = shell_garment(
        wearer.skin,
        p + direction * (0.003 + 0.006 * rng.random()),
        cover,
        wearer.patterns.dye_cloth(rng),
        0.0,
        0.9,
    )
    if rng.random() < 0.6:  # plain, light or black
        plain = rng.uniform(160, 245, 3) if rng.random() < 0.7 else rng.uniform(10, 50, 3)
        texture = np.clip(garment.texture * 0.08 + plain - 10, 0, 255).astype(np.uint8)
        garment = replace(garment, texture=texture)
    return garment


def _jewelry_color(rng: np.random.Generator) -> np.ndarray:
    """(3,) sRGB, 0..255: a metal's, or any."""
    return METALS[rng.integers(len(METALS))] if rng.random() < 0.6 else rng.uniform(10, 245, 3)


def necklace(
    rng: np.random.Generator, rgb: np.ndarray, depth: np.ndarray, pose: HeadPose, camera: Camera
) -> None:
    """Draw a chain, a string of beads or a choker, in place.

    Args:
        rng: random numbers.
        rgb: (H, W, 3) uint8, changed in place.
        depth: (H, W) meters, of everything drawn so far, 0 = nothing.
        pose: of the head.
        camera: of the picture.
    """
    drop, height = rng.uniform(0.0, 0.09), rng.uniform(-0.165, -0.125)
    angle = np.linspace(-0.75, 0.75, 90) * np.pi
    size = NECK_AXES + 0.004 + 0.5 * drop * (np.cos(angle[:, None]) + 1) / 2
    xy = NECK_MIDDLE + np.stack([np.sin(angle), -np.cos(angle)], 1) * size
    z = height - drop * ((np.cos(angle) + 1) / 2) ** rng.uniform(1.0, 2.5)
    points = pose.head_to_camera(np.column_stack([xy, z]))
    shown = ~hidden_points(points - np.array([0, 0, 0.02]), depth, camera)
    flat = camera.project(points)
    scale = camera.focal_px / float(pose.head_to_camera(np.zeros(3))[2])
    width = rng.uniform(0.0012, 0.009) * scale
    layer = np.zeros(rgb.shape[:2], np.uint8)
    beads = rng.random() < 0.4
    for i in range(len(flat) - 1):
        if not (shown[i] and shown[i + 1]) or (beads and i % 2):
            continue
        stroke(layer, flat[i : i + 2], width)
    if rng.random() < 0.4 and shown[45]:
        t = np.linspace(0, 2 * np.pi, 20)[:, None]
        half = rng.uniform(0.004, 0.015, 2) * scale
        at = flat[45] + np.array([0, half[1]])
        fill_polygon(layer, at + np.concatenate([np.cos(t) * half[0], np.sin(t) * half[1]], 1))
    color = _jewelry_color(rng)
    light = rng.uniform(0.5, 1.3, rgb.shape[:2])[..., None].astype(np.float32)
    alpha_blend(rgb, np.clip(color * light, 0, 255).astype(np.float32), layer)


def earrings(
    rng: np.random.Generator, rgb: np.ndarray, depth: np.ndarray, pose: HeadPose, camera: Camera
) -> None:
    """Draw studs, drops or hoops at both ears where these are seen, in place.

    Args:
        rng: random numbers.
        rgb: (H, W, 3) uint8, changed in place.
        depth: (H, W) meters, of everything drawn so far, 0 = nothing.
        pose: of the head.
        camera: of the picture.
    """
    scale = camera.focal_px / float(pose.head_to_camera(np.zeros(3))[2])
    kind, length = rng.integers(3), rng.uniform(0.01, 0.055)
    thick = rng.uniform(0.0015, 0.004) * scale
    color = _jewelry_color(rng)
    half = rng.uniform(0.003, 0.014, 2) * scale
    for side in (-1, 1):
        lobe = pose.head_to_camera(EAR_LOBE * [side, 1, 1])[None]
        if hidden_points(lobe - np.array([0, 0, 0.012]), depth, camera)[0]:
            continue
        at = camera.project(lobe)[0]
        layer = np.zeros(rgb.shape[:2], np.uint8)
        end = at + np.array([0, length * scale])
        t = np.linspace(0, 2 * np.pi, 24)
        circle = np.stack([np.cos(t), np.sin(t)], 1)
        if kind == 0:
            fill_polygon(layer, at + circle * max(half[0] * 0.4, 1.0))
        elif kind == 1:
            stroke(layer, np.stack([at, end]), thick)
            fill_polygon(layer, end + circle * half)
        else:
            radius = length * scale * 0.6
            stroke(layer, at + np.array([0, radius]) + circle * [radius * 0.7, radius], thick)
        alpha_blend(rgb, color * rng.uniform(0.7, 1.2), layer)
