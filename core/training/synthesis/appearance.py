"""The appearance of a training head: skin, light, accessories, background, occluders and the camera's
degradations.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numba
import numpy as np

from ...geometry.frames import HEAD_CENTER, Camera, HeadPose
from ..rasterize import rasterize_perspective
from . import accessories, occluders
from .backgrounds import background, plain
from .degradations import degrade_picture
from .lighting import LightLibrary
from .render import Buffers, compiled_vertex_normals
from .shading import shade
from .texture_library import Split, TextureLibrary, encode_srgb, sample_texture

#: Fraction of heads with a mesh of hair; the others have what their skin texture shows.
HAIR_FRACTION = 0.5
#: Fraction of heads with a scarf instead.
SCARF_FRACTION = 0.07
#: Fraction of the heads without a scarf that have a hat.
HAT_FRACTION = 0.1
#: Fraction of heads with clothed shoulders.
SHOULDERS_FRACTION = 0.75
#: Linear brightness that automatic exposure aims at.
FACE_BRIGHTNESS = 0.22
#: Fraction of clay heads before a plain wall.
PLAIN_FRACTION = 0.6
#: Fractions of heads with things in front of them.
GLASSES_FRACTION = 0.2
WISPS_FRACTION = 0.12
HAND_FRACTION = 0.05
OBJECT_FRACTION = 0.05


@numba.njit(cache=True, fastmath=True)
def _overlay(  # noqa: PLR0913 (numba takes flat arguments)
    index: np.ndarray,
    bary: np.ndarray,
    depth: np.ndarray,
    triangles: np.ndarray,
    normals: np.ndarray,
    corner_uv: np.ndarray,
    cover: np.ndarray,
    noise: np.ndarray,
    fray: float,
    view: tuple[float, float, float],
    all_depth: np.ndarray,
    all_normals: np.ndarray,
    uv: np.ndarray,
    mask: np.ndarray,
) -> None:
    """Draw a garment into the buffers where it is nearer; uv and mask say where its texture is sampled."""
    focal, cx, cy = view
    size = noise.shape[0]
    for i in range(index.shape[0]):
        for j in range(index.shape[1]):
            t = index[i, j]
            if t < 0 or (all_depth[i, j] > 0 and all_depth[i, j] <= depth[i, j]):
                continue
            x, y, z, u, v, coverage = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(3):
                w = bary[i, j, k]
                n = triangles[t, k]
                x += w * normals[n, 0]
                y += w * normals[n, 1]
                z += w * normals[n, 2]
                u += w * corner_uv[t, k, 0]
                v += w * corner_uv[t, k, 1]
                coverage += w * cover[n]
            if fray > 0:
                coverage += fray * (noise[int(abs(v) * size) % size, int(abs(u) * size) % size] / 128.0 - 1.0)
            if coverage <= 0:
                continue
            # Both sides of cloth and hair are visible.
            sign = -1.0 if x * (j - cx) / focal + y * (i - cy) / focal + z > 0 else 1.0
            scale = sign / (np.sqrt(x * x + y * y + z * z) + 1e-9)
            all_normals[i, j, 0], all_normals[i, j, 1], all_normals[i, j, 2] = x * scale, y * scale, z * scale
            all_depth[i, j] = depth[i, j]
            uv[i, j, 0], uv[i, j, 1] = u, v
            mask[i, j] = True


@dataclass(frozen=True)
class DressedHead:
    """A head to dress: its vertices (V, 3) float32, head frame, meters; its pose; its skin from
    `Appearance.skin`.
    """

    head: np.ndarray
    pose: HeadPose
    skin: accessories.SkinMesh


@dataclass(frozen=True)
class Appearance:
    """Everything that a training picture needs besides the head."""

    textures: TextureLibrary
    lights: LightLibrary
    patterns: accessories.Patterns

    @classmethod
    def load(cls, textures: str | Path, panoramas: str | Path) -> "Appearance":
        """textures: the file of `scripts/training/build_textures.py`; panoramas: an .npz of linear
        equirectangular
        pictures.
        """
        patterns = accessories.Patterns.make(np.random.default_rng(0))
        return cls(TextureLibrary.load(textures), LightLibrary.load(panoramas), patterns)

    def skin(self, triangles: np.ndarray, corner_uv: np.ndarray, part: np.ndarray) -> accessories.SkinMesh:
        """The skin that hair and hats grow from: make it once for each mesh that is drawn.

        Args:
            triangles: (T, 3) int32 of the mesh.
            corner_uv: (T, 3, 2) float32 atlas coordinates of the triangles' corners.
            part: (T,) int8, 0 or 1 on skin.

        Returns:
            The skin.
        """
        return accessories.SkinMesh.of(triangles, corner_uv, part, self.textures.masks["face"])

    def garments(
        self, rng: np.random.Generator, skin: accessories.SkinMesh, head: np.ndarray
    ) -> list[accessories.Garment]:
        """Random hair, hats, scarves and clothes for a head.

        Args:
            rng: random numbers.
            skin: of the head.
            head: (V, 3) float32 vertices of the head, head frame, meters.

        Returns:
            The garments, head frame, meters.
        """
        garments = []
        wearer = accessories.Wearer.of(skin, head, self.patterns)
        kind = rng.random()
        if kind < HAIR_FRACTION:
            garments.append(accessories.hair(rng, wearer))
        elif kind < HAIR_FRACTION + SCARF_FRACTION:
            garments.append(accessories.scarf(rng, wearer))
        if not HAIR_FRACTION < kind < HAIR_FRACTION + SCARF_FRACTION and rng.random() < HAT_FRACTION:
            garments += accessories.hat(rng, wearer)
        if rng.random() < SHOULDERS_FRACTION:
            garments.append(accessories.shoulders(rng, self.patterns))
        return garments

    def picture(
        self,
        rng: np.random.Generator,
        buffers: Buffers,
        camera: Camera,
        eye_parts: tuple[int, ...] = (7, 8),
        split: Split = "train",
        dressed: DressedHead | None = None,
        flawed: bool = True,
        clay: bool = False,
    ) -> np.ndarray:
        """(H, W, 3) uint8 sRGB picture of a drawn head.

        Args:
            rng: random numbers.
            buffers: of the drawn head; accessories that hide it leave them as they are.
            camera: in the pixels of the buffers.
            eye_parts: values of buffers.part that are eyeballs.
            split: of the textures and lights.
            dressed: the head again, to dress it.
            flawed: whether to add what cameras do to pictures.
            clay: everything of one color and matte, as sculptures and scans without texture are.
        """
        light = self.lights.sample(rng, split)
        texture = self.textures.sample(rng, split)
        albedo = sample_texture(texture, buffers.uv, buffers.mask)
        depth, normals = buffers.depth.copy(), buffers.normals.copy()
        gloss = np.isin(buffers.part, eye_parts).astype(np.float32)
        if dressed is not None:
            for garment in self.garments(rng, dressed.skin, dressed.head):
                self.draw_garment(garment, dressed.pose, camera, depth, normals, albedo, gloss)
        if clay:
            albedo[:] = _clay(rng)
            gloss[:] = -rng.uniform(0.3, 1)
        center = (camera.cx, camera.cy)
        linear = shade(albedo, normals, depth, light, rng, camera.focal_px, center, gloss)
        if clay and rng.random() < PLAIN_FRACTION:
            behind = plain(rng, depth.shape[0])
        else:
            behind = background(rng, depth.shape[0], split, self.lights, self.textures, light)
        rgb = composite(encode_srgb(linear, exposure_gain(rng, linear, buffers.mask)), behind, depth > 0)
        if dressed is not None and not clay:
            self._draw_occluders(rng, rgb, depth, dressed, camera, texture)
        return degrade_picture(rgb, rng) if flawed else rgb

    def draw_garment(
        self,
        garment: accessories.Garment,
        pose: HeadPose,
        camera: Camera,
        depth: np.ndarray,
        normals: np.ndarray,
        albedo: np.ndarray,
        gloss: np.ndarray,
    ) -> None:
        """Draw a garment into the buffers, in place, where it is nearer than what they show.

        Args:
            garment: to draw.
            pose: of the head.
            camera: in the pixels of the buffers.
            depth: (H, W) float32 meters, 0 where there is nothing.
            normals: (H, W, 3) float32 unit vectors, camera frame.
            albedo: (H, W, 3) float32, linear.
            gloss: (H, W) float32, see `shade`.
        """
        vertices = pose.head_to_camera(garment.vertices).astype(np.float32)
        screen = np.column_stack([camera.project(vertices), vertices[:, 2]]).astype(np.float32)
        index, bary, nearest = rasterize_perspective(screen, garment.triangles, *depth.shape)
        mask = np.zeros(depth.shape, bool)
        uv = np.zeros((*depth.shape, 2), np.float32)
        facing = compiled_vertex_normals(vertices, garment.triangles)
        view = (float(camera.focal_px), float(camera.cx), float(camera.cy))
        noise = self.patterns.strands[0]
        edge = (garment.cover, noise, float(garment.fray))
        _overlay(
            index,
            bary,
            nearest,
            garment.triangles,
            facing,
            garment.corner_uv,
            *edge,
            view,
            depth,
            normals,
            uv,
            mask,
        )
        np.copyto(albedo, sample_texture(garment.texture, uv, mask), where=mask[..., None])
        gloss[mask] = -garment.matte

    def _draw_occluders(
        self,
        rng: np.random.Generator,
        rgb: np.ndarray,
        depth: np.ndarray,
        dressed: DressedHead,
        camera: Camera,
        texture: np.ndarray,
    ) -> None:
        """Glasses, strands of hair, hands and objects over the picture, in place, each at random."""
        pose = dressed.pose
        scale = camera.focal_px / float(pose.head_to_camera(HEAD_CENTER)[2])
        if rng.random() < GLASSES_FRACTION:
            occluders.glasses(rng, rgb, depth, dressed.head, pose, camera)
        if rng.random() < WISPS_FRACTION:
            occluders.wisps(rng, rgb, pose, camera, scale)
        for fraction, kind in ((HAND_FRACTION, "hand"), (OBJECT_FRACTION, "object")):
            if rng.random() >= fraction:
                continue
            point = occluders.point_before_face(rng, (0.04, 0.11), 0.02)
            at = camera.project(pose.head_to_camera(point))
            if kind == "hand":
                rows, columns = (np.array([0.4, 0.5]) * s for s in texture.shape[:2])
                cheeks = texture[
                    int(rows[0]) : int(rows[1]) : 6, int(0.38 * columns[1] * 2) : int(columns[1] * 1.24) : 6
                ]
                tone = np.median(cheeks.reshape(-1, 3), 0)
                occluders.hand(rng, rgb, at, scale, tone * rng.uniform(0.7, 1.15))
            else:
                occluders.handheld_object(rng, rgb, at, scale)


def _clay(rng: np.random.Generator) -> np.ndarray:
    """(3,) linear color of clay, plaster, stone, bronze, or what viewers give scans."""
    tint = np.array([1.0, rng.uniform(0.65, 1.0), rng.uniform(0.4, 1.05)])
    return rng.uniform(0.12, 0.75) * (tint if rng.random() < 0.7 else np.ones(3))


def exposure_gain(rng: np.random.Generator, linear: np.ndarray, mask: np.ndarray) -> float:
    """A gain that brings the head some of the way to middle brightness, as cameras with face detection do.

    Args:
        rng: random numbers.
        linear: (H, W, 3) float32, the picture.
        mask: (H, W) bool, the head.

    Returns:
        By what to multiply the picture.
    """
    head = linear[::4, ::4][mask[::4, ::4]]
    if not len(head):
        return 1.0
    gain = FACE_BRIGHTNESS / max(float(head.mean()), 1e-3)
    return float(np.clip(gain ** rng.uniform(0.2, 0.9), 0.5, 5.0))


@numba.njit(cache=True)
def _composite(
    front: np.ndarray, behind: np.ndarray, alpha: np.ndarray, mask: np.ndarray, out: np.ndarray
) -> None:
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            a = max(float(alpha[i, j]), 128.0) / 255.0 if mask[i, j] else 0.0
            for c in range(3):
                out[i, j, c] = np.uint8(behind[i, j, c] * (1 - a) + front[i, j, c] * a + 0.5)


def composite(front: np.ndarray, behind: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Lay one picture over another, the edge softened by half a pixel.

    Args:
        front: (H, W, 3) uint8.
        behind: (H, W, 3) uint8.
        mask: (H, W) bool, where the front is.

    Returns:
        (H, W, 3) uint8.
    """
    alpha = cv2.GaussianBlur(mask.astype(np.uint8) * 255, (3, 3), 0)
    out = np.empty_like(front)
    _composite(front, np.ascontiguousarray(behind), alpha, mask, out)
    return out
