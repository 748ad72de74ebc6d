"""Maps beside the albedo: tangent-space normals, roughness, ambient occlusion, thickness.

The relief is what the albedo's fine structure says of it: pores, wrinkles and creases are darker than the
skin around them (M. Glencross et al., A Perceptually Validated Model for Surface Depth Hallucination,
SIGGRAPH 2008). Only what is finer than three millimeters counts, so that no light gets into it; where the
skin was not seen, the fine structure is synthesized, and so are the pores.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ..detection.mediapipe_topology import LIPS
from ..template.regions import Regions
from ..template.topology import SKIN, HeadTopology
from .atlas import Atlas
from .padding import dilate_texels

#: Standard deviations of the blurs that the bands of relief lie between, texels of a texture of 2048 (0.17
#: mm): below the first is noise of the photo.
FINEST_SIGMA = 0.7
PORE_SIGMA = 3.0
WRINKLE_SIGMA = 12.0
#: Depth, texels of a texture of 2048, of a structure that is darker by a natural logarithm of 1.
PORE_DEPTH = 4.0
WRINKLE_DEPTH = 6.0
#: Differences of lightness, natural logarithm, that count fully; greater ones are hair, moles and edges.
RELIEF_LIMIT = 0.15
#: Fraction of the relief that brows, lids, lips and beards keep: there, dark is hair or color.
FEATURE_FRACTION = 0.25
BEARD_FRACTION = 0.5
#: Roughness of plain skin, of its oily parts (nose, forehead's middle), of lips and of what is deep.
PLAIN_ROUGHNESS = 0.52
OILY_ROUGHNESS = 0.40
LIP_ROUGHNESS = 0.34
CAVITY_ROUGHNESS = 0.25
#: Least and greatest roughness of skin.
ROUGHNESS_LIMITS = (0.25, 0.8)
#: Roughness of the other parts, by the beginning of their names.
PART_ROUGHNESS = {
    "eye": 0.08,
    "teeth": 0.22,
    "tongue": 0.35,
    "inner": 0.35,
    "lashes": 0.8,
}
#: Half the width of the oily part and its end above and below, meters: x, z in the head frame.
OILY_HALF_WIDTH = 0.022
OILY_HEIGHTS = (-0.05, 0.07)
OILY_FADE = 0.015
#: How far back they reach, y in the head frame, meters.
FRONT_Y = 0.03
#: Distance from the lips' landmarks at which the lips end, and the width of the transition, meters.
LIP_REACH = 0.004
LIP_FADE = 0.003
#: Darkening of cavities, fraction of what the relief's depth of one texel of 2048 hides.
CAVITY_OCCLUSION = 0.12
#: Thickness, meters, that is white in the map.
FULL_THICKNESS = 0.02


@dataclass(frozen=True)
class SurfaceMaps:
    """Maps for the coordinates of the albedo, S texels square.

    Attributes:
        normal: (S, S, 3) uint8, tangent space, OpenGL's and glTF's convention: green is up.
        roughness: (S, S) uint8, linear.
        occlusion: (S, S) uint8, linear, 255 is open.
        thickness: (S, S) uint8, linear, 255 is two centimeters and more: where light goes through.
    """

    normal: np.ndarray
    roughness: np.ndarray
    occlusion: np.ndarray
    thickness: np.ndarray


class SurfaceMapper:
    """Makes maps of one size; what depends on the topology alone is computed once."""

    def __init__(self, topology: HeadTopology, size: int, parts: Atlas) -> None:
        """Prepare what does not depend on the photo.

        Args:
            topology: Of the heads.
            size: Side of the maps, texels.
            parts: The texels of all parts but the skin.
        """
        self.size, self._scale = size, size / 2048
        half = size // 2
        regions = Regions.of(topology)
        lips = topology.vertices[topology.landmark[list(LIPS)]]
        to_lips = cKDTree(lips).query(topology.vertices)[0]
        lip = np.clip((LIP_REACH - to_lips) / LIP_FADE, 0, 1)
        oily = _oily(topology.vertices)
        rough = PLAIN_ROUGHNESS + (OILY_ROUGHNESS - PLAIN_ROUGHNESS) * oily
        rough = rough + (LIP_ROUGHNESS - rough) * lip
        keep = 1 - (1 - FEATURE_FRACTION) * regions.features
        keep *= 1 - (1 - BEARD_FRACTION) * regions.beard
        thick = np.clip(topology.thickness / FULL_THICKNESS, 0, 1)
        columns = np.column_stack([rough, keep, topology.openness, thick]).astype(np.float32)
        atlas = Atlas.of(topology, half, [SKIN])
        picture = atlas.image(atlas.interpolate(columns, np.arange(len(atlas.texel))))
        dilate_texels(picture, atlas.texel, 2 * half)
        full = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
        self._rough, self._keep = full[..., 0].copy(), full[..., 1].copy()
        flat = [one.copy() for one in (full[..., 2], full[..., 3])]
        own = parts.interpolate(columns[:, 2:], np.arange(len(parts.texel)))
        for one, values in zip(flat, own.T, strict=True):
            one.ravel()[parts.texel] = values
        self._openness, thickness = flat
        self._thickness = _to_bytes(thickness)
        self._texel = parts.texel
        self._part_rough = np.zeros(len(parts.texel), np.float32)
        for index, name in enumerate(topology.part_names):
            value = next((one for start, one in PART_ROUGHNESS.items() if name.startswith(start)), 0.5)
            self._part_rough[parts.part == index] = value

    def maps(self, detail: np.ndarray) -> SurfaceMaps:
        """Make the maps of a head.

        Args:
            detail: (S, S) float32, natural logarithm of the fine structure of the skin's lightness.

        Returns:
            The maps.
        """
        height = self._relief(detail)
        across = cv2.Scharr(height, cv2.CV_32F, 1, 0, scale=1 / 32)
        down = cv2.Scharr(height, cv2.CV_32F, 0, 1, scale=1 / 32)
        for one in (across, down):
            one.ravel()[self._texel] = 0
        scale = np.float32(127.5) / np.sqrt(across**2 + down**2 + np.float32(1))
        normal = np.empty((self.size, self.size, 3), np.uint8)
        normal[..., 0] = 128 - across * scale
        normal[..., 1] = 128 + down * scale
        normal[..., 2] = 128 + scale
        deep = np.clip(-height / self._scale, 0, 1)
        rough = np.clip(self._rough + CAVITY_ROUGHNESS * deep, *ROUGHNESS_LIMITS)
        rough.ravel()[self._texel] = self._part_rough
        deep *= CAVITY_OCCLUSION
        deep.ravel()[self._texel] = 0
        return SurfaceMaps(normal, _to_bytes(rough), _to_bytes(self._openness * (1 - deep)), self._thickness)

    def _relief(self, detail: np.ndarray) -> np.ndarray:
        """(S, S) float32 height, texels."""
        fine, pores = (
            cv2.GaussianBlur(detail, (0, 0), sigma * self._scale) for sigma in (FINEST_SIGMA, PORE_SIGMA)
        )
        # The widest blur is done at half the resolution, which has all that it leaves.
        half = cv2.resize(pores, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        sigma = WRINKLE_SIGMA * self._scale / 2
        wrinkles = cv2.resize(cv2.GaussianBlur(half, (0, 0), sigma), detail.shape[::-1])
        height = cv2.addWeighted(
            _limited(fine - pores), PORE_DEPTH, _limited(pores - wrinkles), WRINKLE_DEPTH, 0
        )
        return np.asarray(cv2.multiply(height, self._keep, scale=self._scale))


def _limited(values: np.ndarray) -> np.ndarray:
    """Values that go on ever more slowly beyond RELIEF_LIMIT."""
    return np.asarray(RELIEF_LIMIT * np.tanh(values / RELIEF_LIMIT))


def _oily(vertices: np.ndarray) -> np.ndarray:
    """(V,) 0..1: nose, middle of the forehead and chin, of vertices (V, 3) of the average head."""
    x, y, z = vertices.T
    inside = np.clip((OILY_HALF_WIDTH - np.abs(x)) / OILY_FADE + 0.5, 0, 1)
    inside *= np.clip((z - OILY_HEIGHTS[0]) / OILY_FADE + 0.5, 0, 1)
    inside *= np.clip((OILY_HEIGHTS[1] - z) / OILY_FADE + 0.5, 0, 1)
    return np.asarray(inside * (y < FRONT_Y))


def _to_bytes(values: np.ndarray) -> np.ndarray:
    """Linear values 0..1 as uint8."""
    scaled = values * np.float32(255)
    scaled += np.float32(0.5)
    return np.asarray(np.clip(scaled, 0, 255, out=scaled), np.uint8)
