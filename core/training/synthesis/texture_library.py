"""Skin textures for training heads: a library lifted from portraits, endlessly varied, and purely painted
ones.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numba
import numpy as np

from ...errors import PhotobustError
from ...image.color import linear_of_bytes_float32, linear_to_srgb
from ..face_models.atlas import ATLAS_SIZE, SKIN_HEIGHT

Split = Literal["train", "eval"]
#: Fraction of skins that are purely procedural.
PROCEDURAL_FRACTION = 0.06
#: Fraction of the others that mix two people.
MIX_FRACTION = 0.5
#: Skin tones, sRGB, from light to dark.
_TONES = np.array(
    [[238, 200, 180], [224, 178, 150], [198, 146, 112], [160, 108, 78], [112, 72, 50], [70, 44, 34]]
)
#: Hair, sRGB: black, brown, lighter, fair, blond, gray, red.
HAIR_COLORS = np.array(
    [[24, 20, 18], [48, 34, 26], [86, 60, 40], [140, 104, 66], [196, 166, 116], [150, 148, 146], [96, 46, 26]]
)
_LUT_SIZE = 4096


def _srgb_table() -> np.ndarray:
    """SRGB bytes of the square root of linear values: finer in the dark, where the curve is steep."""
    return (linear_to_srgb((np.arange(_LUT_SIZE) / (_LUT_SIZE - 1)) ** 2) * 255 + 0.5).astype(np.uint8)


LINEAR = linear_of_bytes_float32().copy()  # numba compiles anew for what cannot be written to
_SRGB = _srgb_table()


@numba.njit(cache=True, fastmath=True)
def _encode_srgb(linear: np.ndarray, table: np.ndarray, gain: np.float32, out: np.ndarray) -> None:
    top = len(table) - 1
    for i in range(linear.shape[0]):
        for j in range(linear.shape[1]):
            for c in range(3):
                x = linear[i, j, c] * gain
                if x > 0.7:  # a soft shoulder instead of hard clipping
                    x = 0.7 + 0.3 * (1.0 - np.exp(-(x - 0.7) / 0.3))
                out[i, j, c] = table[int(np.sqrt(max(x, 0.0)) * top + 0.5)]


def encode_srgb(linear: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Encode linear colors, highlights rolled off softly.

    Args:
        linear: (H, W, 3) float32 linear RGB, 1 = white.
        gain: by which they are multiplied.

    Returns:
        (H, W, 3) uint8 sRGB.
    """
    out = np.empty(linear.shape, np.uint8)
    _encode_srgb(np.ascontiguousarray(linear, np.float32), _SRGB, np.float32(gain), out)
    return out


@numba.njit(cache=True, fastmath=True)
def _sample_texture(
    texture: np.ndarray, u: np.ndarray, v: np.ndarray, mask: np.ndarray, table: np.ndarray, out: np.ndarray
) -> None:
    h, w = texture.shape[0], texture.shape[1]
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            if not mask[i, j]:
                continue
            x = u[i, j] * w - 0.5
            y = min(max(v[i, j] * h - 0.5, 0.0), h - 1.001)
            x0, y0 = int(np.floor(x)), int(y)
            fx, fy = x - x0, y - y0
            a, b = x0 % w, (x0 + 1) % w
            for c in range(3):
                top = table[texture[y0, a, c]] * (1 - fx) + table[texture[y0, b, c]] * fx
                low = table[texture[y0 + 1, a, c]] * (1 - fx) + table[texture[y0 + 1, b, c]] * fx
                out[i, j, c] = top * (1 - fy) + low * fy


def sample_texture(texture: np.ndarray, uv: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Sample an sRGB texture, bilinearly; u wraps.

    Args:
        texture: (S, S, 3) uint8 sRGB.
        uv: (H, W, 2) float32 atlas coordinates.
        mask: (H, W) bool, where to sample.

    Returns:
        (H, W, 3) float32 linear RGB, 0 outside the mask.
    """
    out = np.zeros((*mask.shape, 3), np.float32)
    _sample_texture(texture, uv[..., 0], uv[..., 1], mask, LINEAR, out)
    return out


@dataclass(frozen=True)
class TextureLibrary:
    """Textures (N, S, S, 3) uint8 sRGB in the atlas; low (N, S/8, S/8, 3) uint8 their low frequencies;
    held_out (N,) bool; masks: name -> (S, S) uint8 (face, scalp, ears, lips, brows, beard, lids); noise: a
    few (2S, 2S) float32 fields; backgrounds (N, B, B, 3) uint8: what was behind the people.
    """

    textures: np.ndarray
    low: np.ndarray
    held_out: np.ndarray
    masks: dict[str, np.ndarray]
    noise: tuple[np.ndarray, ...]
    backgrounds: np.ndarray

    @classmethod
    def load(cls, path: str | Path) -> "TextureLibrary":
        """Read the file that `scripts/training/build_textures.py` wrote."""
        if not Path(path).is_file():
            raise PhotobustError(
                f"No texture library at {path}: make it with scripts/training/build_textures.py first."
            )
        with np.load(path) as data:
            textures = data["textures"]
            masks = {k[:-5]: _to_byte(data[k]) for k in data.files if k.endswith("_mask")}
            held_out = data["held_out"].astype(bool)
            backgrounds = data["backgrounds"] if "backgrounds" in data else textures[:, :64, :64]
        small = ATLAS_SIZE // 8
        low = np.stack([_low_frequencies(t, small) for t in textures])
        rng = np.random.default_rng(0)
        noise = tuple(_noise(rng, 2 * ATLAS_SIZE, sigma) for sigma in (0.8, 2.0, 6.0, 24.0))
        return cls(textures, low, held_out, masks, noise, backgrounds)

    def people(self, split: Split) -> np.ndarray:
        """Indices of the people of a split."""
        return np.flatnonzero(self.held_out if split == "eval" else ~self.held_out)

    def sample(self, rng: np.random.Generator, split: Split = "train") -> np.ndarray:
        """(S, S, 3) uint8 sRGB: a person's skin, or a mix, or a painted one, varied in tone and marks."""
        people = self.people(split)
        if rng.random() < PROCEDURAL_FRACTION:
            texture = self._painted(rng, int(rng.choice(people)))
        else:
            one = int(rng.choice(people))
            texture = self.textures[one]
            if rng.random() < MIX_FRACTION:
                texture = self._mix(rng, one, int(rng.choice(people)))
        texture = self._recolor(rng, texture)
        if rng.random() < 0.5:
            texture = np.ascontiguousarray(texture[:, ::-1])
            self._keep_tiles(texture)
        self._mark(rng, texture)
        return texture

    def _mix(self, rng: np.random.Generator, one: int, two: int) -> np.ndarray:
        """Details of one person on the colors of another."""
        fraction = rng.uniform(0.3, 1.0)
        size = (ATLAS_SIZE, ATLAS_SIZE)
        shift = cv2.addWeighted(self.low[two], 0.5 * fraction, self.low[one], -0.5 * fraction, 128)
        shift = cv2.resize(shift, size, interpolation=cv2.INTER_LINEAR)
        mixed = cv2.addWeighted(self.textures[one], 1.0, shift, 2.0, -256.0)
        tiles = int(SKIN_HEIGHT * ATLAS_SIZE)
        mixed[tiles:] = self.textures[two][tiles:]
        return mixed

    def _recolor(self, rng: np.random.Generator, texture: np.ndarray) -> np.ndarray:
        """Tone, warmth and contrast through one table a channel."""
        x = np.arange(256)[:, None] / 255.0
        gamma = np.exp(rng.normal(0, 0.22)) * np.exp(rng.normal(0, 0.05, 3))
        gain = np.exp(rng.normal(0, 0.06)) * np.exp(rng.normal(0, 0.03, 3))
        y = np.clip(x**gamma * gain, 0, 1)
        table = (y * 255 + 0.5).astype(np.uint8).reshape(1, 256, 3)
        out = cv2.LUT(texture, table)
        tiles = int(SKIN_HEIGHT * ATLAS_SIZE)
        out[tiles:] = texture[tiles:]
        return out

    @staticmethod
    def _keep_tiles(texture: np.ndarray) -> None:
        """After a flip, bring the tiles below the skin back to their places (in place)."""
        tiles = int(SKIN_HEIGHT * ATLAS_SIZE)
        texture[tiles:] = texture[tiles:, ::-1].copy()

    def _field(self, rng: np.random.Generator, which: int, height: int, width: int) -> np.ndarray:
        y, x = rng.integers(0, 2 * ATLAS_SIZE - height + 1), rng.integers(0, 2 * ATLAS_SIZE - width + 1)
        return self.noise[which][y : y + height, x : x + width]

    def _tint(
        self, texture: np.ndarray, mask: np.ndarray, color: np.ndarray, strength: np.ndarray | float
    ) -> None:
        """Blend a color into the mask's bounding box, in place."""
        x, y, w, h = cv2.boundingRect(mask)
        if w == 0:
            return
        box = (slice(y, y + h), slice(x, x + w))
        alpha = (mask[box].astype(np.float32) / 255 * strength)[..., None]
        texture[box] = (texture[box] * (1 - alpha) + np.asarray(color, np.float32) * alpha).astype(np.uint8)

    def _box_field(self, rng: np.random.Generator, name: str, which: int) -> np.ndarray:
        _, _, w, h = cv2.boundingRect(self.masks[name])
        return self._field(rng, which, h, w)

    def _mark(self, rng: np.random.Generator, texture: np.ndarray) -> None:
        """Beard, brows, make-up, freckles and pores, in place, each at random."""
        hair = HAIR_COLORS[rng.integers(len(HAIR_COLORS))] * rng.uniform(0.7, 1.1)
        if "beard" in self.masks and rng.random() < 0.12:
            rough = np.clip(self._box_field(rng, "beard", 0) * 0.35 + rng.uniform(0.25, 0.9), 0, 1)
            self._tint(texture, self.masks["beard"], hair, rough)
        if "brows" in self.masks and rng.random() < 0.2:
            rough = np.clip(self._box_field(rng, "brows", 0) * 0.3 + rng.uniform(0.2, 0.8), 0, 0.95)
            self._tint(texture, self.masks["brows"], hair, rough)
        if "lips" in self.masks and rng.random() < 0.2:
            color = np.array([rng.uniform(90, 200), rng.uniform(20, 90), rng.uniform(30, 110)])
            self._tint(texture, self.masks["lips"], color, rng.uniform(0.2, 0.7))
        if "lids" in self.masks and rng.random() < 0.1:
            self._tint(texture, self.masks["lids"], rng.uniform(20, 160, 3), rng.uniform(0.15, 0.5))
        if rng.random() < 0.08:
            spots = np.clip(self._box_field(rng, "face", 1) - rng.uniform(1.0, 1.8), 0, 1)
            self._tint(texture, self.masks["face"], np.array([110, 62, 44]), spots * rng.uniform(0.3, 0.9))
        if "scalp" in self.masks and rng.random() < 0.25:
            rough = np.clip(self._box_field(rng, "scalp", 0) * 0.2 + rng.uniform(0.5, 1.0), 0, 1)
            self._tint(texture, self.masks["scalp"], hair, rough)

    def _painted(self, rng: np.random.Generator, person: int) -> np.ndarray:
        """A skin from no portrait: one tone with blotches, painted lips, brows and scalp."""
        size = ATLAS_SIZE
        position = rng.uniform(0, len(_TONES) - 1)
        low = int(min(position, len(_TONES) - 2))
        tone = _TONES[low] * (1 - (position - low)) + _TONES[low + 1] * (position - low)
        field = 1 + 0.05 * self._field(rng, 3, size, size) + 0.03 * self._field(rng, 1, size, size)
        texture = np.clip(tone.astype(np.float32) * field[..., None], 0, 255).astype(np.uint8)
        tiles = int(SKIN_HEIGHT * size)
        texture[tiles:] = self.textures[person][tiles:]
        hair = HAIR_COLORS[rng.integers(len(HAIR_COLORS))]
        for name, color, strength in (
            ("ears", tone * [1.0, 0.8, 0.8], 0.6),
            ("lips", tone * [0.85, 0.55, 0.55], 0.8),
            ("lids", tone * [0.75, 0.65, 0.65], 0.4),
            ("brows", hair, 0.75),
            ("scalp", hair, 0.95),
        ):
            if name in self.masks:
                self._tint(texture, self.masks[name], color, strength)
        return texture


def _to_byte(mask: np.ndarray) -> np.ndarray:
    return np.clip(mask.astype(np.float32) * 255, 0, 255).astype(np.uint8)


def _low_frequencies(texture: np.ndarray, size: int) -> np.ndarray:
    small = cv2.resize(texture, (size, size), interpolation=cv2.INTER_AREA)
    padded = np.concatenate([small[:, -8:], small, small[:, :8]], 1)
    return cv2.GaussianBlur(padded, (0, 0), 2.5)[:, 8:-8]


def _noise(rng: np.random.Generator, size: int, sigma: float) -> np.ndarray:
    field = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), sigma)
    return field / field.std()
