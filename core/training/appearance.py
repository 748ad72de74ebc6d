"""How a training head looks: skin, light, what is worn, what is behind it, and what the camera does to it all."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.geometry import Camera
from core.training.backgrounds import background
from core.training.damage import damage
from core.training.light import LightLibrary, shade
from core.training.render import Buffers
from core.training.textures import Split, TextureLibrary, encode, fetch


@dataclass(frozen=True)
class Appearance:
    """Everything that a training picture needs besides geometry."""

    textures: TextureLibrary
    lights: LightLibrary

    @classmethod
    def load(cls, textures: str | Path, panoramas: str | Path) -> "Appearance":
        """textures: the file of `scripts/build_textures.py`; panoramas: an .npz of linear equirectangular pictures."""
        return cls(TextureLibrary.load(textures), LightLibrary.load(panoramas))

    def picture(
        self,
        rng: np.random.Generator,
        buffers: Buffers,
        camera: Camera,
        eye_parts: tuple[int, ...],
        split: Split = "train",
        flawed: bool = True,
    ) -> np.ndarray:
        """(H, W, 3) uint8 sRGB picture of a drawn head.

        camera: in the pixels of the buffers; eye_parts: the values of buffers.part that are eyeballs; flawed: whether to
        add what cameras do to pictures.
        """
        light = self.lights.sample(rng, split)
        albedo = fetch(self.textures.sample(rng, split), buffers.uv, buffers.mask)
        eyes = np.isin(buffers.part, eye_parts).astype(np.float32)
        centre = (camera.cx, camera.cy)
        linear = shade(albedo, buffers.normals, buffers.depth, light, rng, camera.focal_px, centre, eyes)
        behind = background(rng, buffers.mask.shape[0], split, self.lights, self.textures, light)
        rgb = composite(encode(linear), behind, buffers.mask)
        return damage(rgb, rng) if flawed else rgb


def composite(front: np.ndarray, behind: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """front (H, W, 3) uint8 over behind where mask (H, W) bool, the edge softened by half a pixel."""
    alpha = cv2.GaussianBlur(mask.astype(np.uint8) * 255, (3, 3), 0)
    alpha = np.where(mask, np.maximum(alpha, 128), 0).astype(np.float32)[..., None] / 255
    return (behind + (front.astype(np.float32) - behind) * alpha + 0.5).astype(np.uint8)
