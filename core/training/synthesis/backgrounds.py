"""What is behind training heads."""

import cv2
import numpy as np

from .lighting import LightLibrary, SceneLight
from .texture_library import Split, TextureLibrary, encode_srgb

#: Colors of leaves, grass, bark and autumn leaves, sRGB.
LEAF_COLORS = np.array(
    [[58, 82, 36], [92, 112, 52], [44, 60, 40], [104, 84, 58], [140, 92, 40], [120, 128, 76]]
)


def background(
    rng: np.random.Generator,
    size: int,
    split: Split,
    lights: LightLibrary,
    textures: TextureLibrary,
    light: SceneLight | None = None,
) -> np.ndarray:
    """What is behind a head: a cut of a panorama, what was behind a portrait's person, a studio gradient or
    clutter.

    Args:
        rng: random numbers.
        size: side, pixels.
        split: of the panoramas and portraits.
        lights: the panoramas.
        textures: what was behind the portraits.
        light: on the head; half of the panoramas' cuts are of its own.

    Returns:
        (size, size, 3) uint8 sRGB.
    """
    kind = rng.random()
    if kind < 0.4:
        if light is not None and light.panorama >= 0 and rng.random() < 0.5:
            index, rotation = light.panorama, light.rotation
        else:
            index = int(rng.choice(lights.indices(split)))
            angle = rng.uniform(0, 2 * np.pi)
            cos, sin = np.cos(angle), np.sin(angle)
            rotation = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
        picture = lights.cut(rng, size, index, rotation)
        gain = np.exp(rng.normal(0, 0.5)) * 0.35 / max(float(picture[::8, ::8].mean()), 1e-4)
        return encode_srgb(picture, gain)
    if kind < 0.75:
        picture = textures.backgrounds[int(rng.choice(textures.people(split)))]
        side = picture.shape[0]
        cut = int(rng.uniform(0.45, 1.0) * side)
        y, x = rng.integers(0, side - cut + 1, 2)
        picture = picture[y : y + cut, x : x + cut]
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        return cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
    return plain(rng, size) if kind < 0.9 else _clutter(rng, size)


def foliage(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size, 3) uint8 sRGB: leaves, grass or bushes, sharp or out of focus, with light between them."""
    grain = rng.uniform(1.0, 7.0)
    fields = []
    for sigma in (grain, 3 * grain, 30.0):
        field = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), sigma)
        fields.append(field / field.std())
    height = fields[0] + 0.8 * fields[1] + 0.6 * fields[2]
    base = LEAF_COLORS[rng.integers(len(LEAF_COLORS))] * rng.uniform(0.5, 1.4)
    picture = base * np.exp(rng.uniform(0.25, 0.8) * height)[..., None]
    picture = picture * (1 + 0.12 * fields[1][..., None] * np.array([1.0, 0.0, -1.0]))
    gaps = np.clip((height - rng.uniform(1.2, 3.0)) * 3, 0, 1)[..., None] * (rng.random() < 0.6)
    picture = picture * (1 - gaps) + np.array([225.0, 232.0, 235.0]) * gaps
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 8)) if rng.random() < 0.7 else picture


def plain(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size, 3) uint8 sRGB: a studio's gradient."""
    corners = _color(rng) + rng.normal(0, 25, (2, 2, 1)) + rng.normal(0, 8, (2, 2, 3))
    return cv2.resize(np.clip(corners, 0, 255).astype(np.uint8), (size, size), interpolation=cv2.INTER_LINEAR)


def _clutter(rng: np.random.Generator, size: int) -> np.ndarray:
    """Boxes, lines and blobs on noise: what a room or a street amounts to when it is out of focus."""
    cells = int(rng.integers(3, 24))
    base = _color(rng)
    small = np.clip(
        base + rng.normal(0, rng.uniform(5, 50), (cells, cells, 1)) + rng.normal(0, 12, (cells, cells, 3)),
        0,
        255,
    ).astype(np.uint8)
    picture = cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(3, 16))):
        color = tuple(float(c) for c in np.clip(base + rng.normal(0, 50) + rng.normal(0, 20, 3), 0, 255))
        a, b = (tuple(int(v) for v in rng.integers(-size // 4, size * 5 // 4, 2)) for _ in range(2))
        kind = rng.random()
        if kind < 0.5:
            cv2.rectangle(picture, a, b, color, -1)
        elif kind < 0.75:
            cv2.line(picture, a, b, color, int(rng.integers(1, 12)))
        else:
            cv2.circle(picture, a, int(rng.integers(3, size // 4)), color, -1)
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 6))


def _color(rng: np.random.Generator) -> np.ndarray:
    """(3,) sRGB 0..255, mostly dull."""
    color = rng.uniform(10, 245, 3)
    return color.mean() + (color - color.mean()) * rng.beta(1.2, 2.0)
