"""Light from panoramas: smooth irradiance as spherical harmonics, a key light for shadows and highlights,
backgrounds.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import PhotobustError
from ...geometry.spherical_harmonics import sh_basis
from .texture_library import Split

#: Panoramas kept for evaluation (positions in the file's sorted order).
EVAL_PANORAMAS = (3, 9, 15)
#: Radiance above this multiple of a panorama's mean is taken out of the harmonics and becomes the key light.
_KEY_LEVEL = 12.0
#: Cosine-lobe convolution of each harmonic, divided by pi: turns radiance into what a white matte surface
#: reflects.
_COSINE_LOBE = np.array([1.0, *[2 / 3] * 3, *[1 / 4] * 5])


def panorama_directions(height: int, width: int) -> np.ndarray:
    """(H, W, 3) unit vectors of an equirectangular picture's pixels in axes x right, y down, z forward (its
    middle).
    """
    theta = (np.arange(height) + 0.5) / height * np.pi
    phi = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    sin = np.sin(theta)[:, None]
    return np.stack(
        [sin * np.sin(phi), np.broadcast_to(-np.cos(theta)[:, None], (height, width)), sin * np.cos(phi)], -1
    )


@dataclass(frozen=True)
class SceneLight:
    """Light in the camera frame. coefficients (9, 3): what a white matte surface reflects, by its normal;
    key_direction (3,) toward the key light and key_color (3,) what it adds to a matte white surface facing
    it; rotation (3, 3): panorama -> camera; panorama: its index, -1 for none.
    """

    coefficients: np.ndarray
    key_direction: np.ndarray
    key_color: np.ndarray
    rotation: np.ndarray
    panorama: int


@dataclass(frozen=True)
class LightLibrary:
    """panoramas (N, H, W, 3) float32 linear; coefficients (N, 9, 3), key_directions (N, 3), key_colors (N,
    3) in the panoramas' own axes.
    """

    panoramas: np.ndarray
    coefficients: np.ndarray
    key_directions: np.ndarray
    key_colors: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def load(cls, path: str | Path) -> "LightLibrary":
        """Read an .npz of linear equirectangular pictures, one array each."""
        if not Path(path).is_file():
            raise PhotobustError(f"No panoramas at {path}: give the folder with the training data by --data.")
        with np.load(path) as data:
            names = tuple(sorted(data.files))
            pictures = np.stack([np.clip(data[n].astype(np.float32), 0, None) for n in names])
        directions = panorama_directions(*pictures.shape[1:3])
        height, width = pictures.shape[1:3]
        sin = np.sin((np.arange(height) + 0.5) / height * np.pi)[:, None]
        area = np.broadcast_to(sin * (np.pi / height) * (2 * np.pi / width), (height, width))
        basis = sh_basis(directions)
        coefficients, keys, colors = [], [], []
        for i, picture in enumerate(pictures):
            luminance = picture @ np.array([0.25, 0.6, 0.15], np.float32)
            level = _KEY_LEVEL * float((luminance * area).sum() / area.sum())
            fraction = np.minimum(1, level / np.maximum(luminance, 1e-6))[..., None]
            soft, sharp = picture * fraction, picture * (1 - fraction)
            # What is left of a lamp in backgrounds is as bright as it may be, and white.
            pictures[i] = soft * fraction + luminance[..., None] * fraction * (1 - fraction)
            radiance = np.einsum("hwk,hwc,hw->kc", basis, soft, area)
            coefficients.append(radiance * _COSINE_LOBE[:, None])
            center = (directions * (sharp.mean(-1) * area)[..., None]).sum((0, 1))
            length = np.linalg.norm(center)
            keys.append(center / length if length > 1e-6 else np.array([0.0, -1.0, 0.0]))
            colors.append((sharp * area[..., None]).sum((0, 1)) / np.pi)
        return cls(pictures, np.array(coefficients), np.array(keys), np.array(colors), names)

    def indices(self, split: Split) -> np.ndarray:
        """Panoramas of a split."""
        held = np.isin(np.arange(len(self.panoramas)), EVAL_PANORAMAS)
        return np.flatnonzero(held if split == "eval" else ~held)

    def sample(self, rng: np.random.Generator, split: Split = "train") -> SceneLight:
        """A panorama turned at random about the vertical and a little about the rest, exposure and color
        evened out.
        """
        index = int(rng.choice(self.indices(split)))
        rotation = _turn(rng.uniform(0, 2 * np.pi), rng.normal(0, 0.2), rng.normal(0, 0.1))
        coefficients = rotate_harmonics(self.coefficients[index], rotation)
        key = rotation @ self.key_directions[index]
        color = self.key_colors[index] * rng.choice([0.0, 0.5, 1.0, 1.0])
        kind = rng.random()
        if kind < 0.3:  # a lamp or window in front of or beside the face
            key = np.array([rng.uniform(-1.2, 1.2), rng.uniform(-1.2, 0.3), -rng.uniform(0.1, 1.2)])
            warm = np.array([1.0, 0.9, 0.78]) if rng.random() < 0.5 else np.array([0.95, 1.0, 1.05])
            color = warm * rng.uniform(0.1, 1.5) * float(coefficients[0].mean()) * 0.28
        elif kind < 0.37:  # a flash at the camera
            key = np.array([rng.uniform(-0.1, 0.1), rng.uniform(-0.2, 0.0), -1.0])
            color = np.ones(3) * rng.uniform(0.5, 2.5) * float(coefficients[0].mean()) * 0.28
        key = key / np.linalg.norm(key)
        # Even out what a face turned to the camera would receive, as an automatic exposure does.
        views = np.array([[0, 0, -1], [0.6, 0, -0.8], [-0.6, 0, -0.8], [0, -0.6, -0.8], [0, 0.5, -0.866]])
        received = (sh_basis(views) @ coefficients).clip(0) + np.clip(views @ key, 0, None)[:, None] * color
        mean = received.mean(0) + 1e-6
        white = (mean / mean.mean()) ** -rng.uniform(0.3, 1.0)
        gain = np.exp(rng.normal(0, 0.25)) / mean.mean() * white
        color = (
            color * 0.6 + color.mean() * 0.4
        )  # a setting sun tints less than a camera's white balance takes out
        return SceneLight(
            (coefficients * gain).astype(np.float32),
            key.astype(np.float32),
            (color * gain).astype(np.float32),
            rotation.astype(np.float32),
            index,
        )

    def cut(self, rng: np.random.Generator, size: int, index: int, rotation: np.ndarray) -> np.ndarray:
        """The view of a camera in a panorama, with a random field of view.

        Args:
            rng: random numbers.
            size: side of the view, pixels.
            index: of the panorama.
            rotation: (3, 3) from the panorama's axes to the camera's.

        Returns:
            (size, size, 3) float32 linear RGB.
        """
        tangent = np.tan(np.radians(rng.uniform(15, 40)))
        grid = (np.arange(size, dtype=np.float32) - (size - 1) / 2) / (size / 2) * tangent
        gx, gy = np.meshgrid(grid, grid)
        rays = np.stack([gx, gy, np.ones_like(gx)], -1) @ rotation.astype(np.float32)
        height, width = self.panoramas.shape[1:3]
        x = (np.arctan2(rays[..., 0], rays[..., 2]) / (2 * np.pi) + 0.5) * width - 0.5
        y = (np.arctan2(rays[..., 1], np.hypot(rays[..., 0], rays[..., 2])) / np.pi + 0.5) * height - 0.5
        return cv2.remap(self.panoramas[index], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    cy, sy, cp, sp, cr, sr = (
        np.cos(yaw),
        np.sin(yaw),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(roll),
        np.sin(roll),
    )
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def _sample_directions() -> np.ndarray:
    i = np.arange(40) + 0.5
    z, phi = 1 - 2 * i / 40, i * np.pi * (3 - np.sqrt(5))
    return np.stack([np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z], 1)


_SAMPLE_DIRECTIONS = _sample_directions()
_SAMPLE_INVERSE = np.linalg.pinv(sh_basis(_SAMPLE_DIRECTIONS))


def rotate_harmonics(coefficients: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Rotate a function of directions, g(d) = f(rotation^T d). Exact for orders up to 2.

    Args:
        coefficients: (9, C) of the function's spherical harmonics.
        rotation: (3, 3).

    Returns:
        (9, C) of the rotated function.
    """
    return _SAMPLE_INVERSE @ (sh_basis(_SAMPLE_DIRECTIONS @ rotation) @ coefficients)
