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
from ..template.topology import HeadTopology
from .atlas import Atlas
from .blocks import half_span, row_blocks
from .skin_sampler import SkinSampler

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
#: Rows around those that are made at a time that are looked at, too; an even number.
HALO_ROWS = 4
#: Thickness, meters, that is white in the map.
FULL_THICKNESS = 0.02


@dataclass(frozen=True)
class SurfaceMaps:
    """Maps for the coordinates of the albedo, S texels square.

    Attributes:
        normal: (S, S, 3) uint8, tangent space, OpenGL's and glTF's convention: green is up.
        roughness: (S, S) uint8, linear.
        occlusion: (S, S) uint8, linear, 255 is open.
        thickness: (S, S) uint8, linear, 255 is two centimeters and more: where light goes through. Read-only:
            all heads of a topology have the same.
    """

    normal: np.ndarray
    roughness: np.ndarray
    occlusion: np.ndarray
    thickness: np.ndarray


@dataclass(frozen=True)
class ReliefParts:
    """The fine structure of the skin's lightness, blurred more and more, natural logarithms.

    Attributes:
        detail: (S, S) float32.
        pores: (S, S) float32.
        wrinkles: (S/2, S/2) float32.
    """

    detail: np.ndarray
    pores: np.ndarray
    wrinkles: np.ndarray


class SurfaceMapper:
    """Makes maps of one size; what depends on the topology alone is computed once."""

    def __init__(self, topology: HeadTopology, size: int, parts: Atlas, skin: SkinSampler) -> None:
        """Prepare what does not depend on the photo.

        Args:
            topology: Of the heads.
            size: Side of the maps, texels.
            parts: The texels of all parts but the skin.
            skin: Those of the skin, at half the resolution.
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
        picture = skin.at_texels(columns).take(skin.nearest, 0).reshape(half, half, -1)
        # At half the resolution: enlarged, they would take 50 MB as long as the engine runs.
        self._rough, self._keep, self._open, thickness = (
            np.ascontiguousarray(picture[..., channel]) for channel in range(4)
        )
        self._texel = parts.texel
        self._part_open, part_thick = parts.interpolate(columns[:, 2:], np.arange(len(parts.texel))).T.copy()
        self._thickness = _to_bytes(cv2.resize(thickness, (size, size), interpolation=cv2.INTER_LINEAR))
        self._thickness.ravel()[self._texel] = _to_bytes(part_thick)
        self._thickness.setflags(write=False)  # all heads share it
        self._part_rough = np.zeros(len(parts.texel), np.float32)
        for index, name in enumerate(topology.part_names):
            value = next(
                (roughness for start, roughness in PART_ROUGHNESS.items() if name.startswith(start)), 0.5
            )
            self._part_rough[parts.part == index] = value

    def maps(self, detail: np.ndarray) -> SurfaceMaps:
        """Make the maps of a head.

        Args:
            detail: (S, S) float32, natural logarithm of the fine structure of the skin's lightness.

        Returns:
            The maps.
        """
        relief = self._relief_parts(detail)
        normal = np.empty((self.size, self.size, 3), np.uint8)
        rough, occlusion = (np.empty((self.size, self.size), np.uint8) for _ in range(2))
        for rows in row_blocks(slice(0, self.size)):
            self._block(relief, rows, normal[rows], rough[rows], occlusion[rows])
        return SurfaceMaps(normal, rough, occlusion, self._thickness)

    def _block(
        self,
        relief: ReliefParts,
        rows: slice,
        normal: np.ndarray,
        roughness: np.ndarray,
        occlusion: np.ndarray,
    ) -> None:
        """Make rows of the maps, and write them into normal (h, S, 3), roughness and occlusion (h, S)."""
        around = slice(max(rows.start - HALO_ROWS, 0), min(rows.stop + HALO_ROWS, self.size))
        inner = slice(rows.start - around.start, rows.stop - around.start)
        height = self._height(relief, around)
        across = cv2.Scharr(height, cv2.CV_32F, 1, 0, scale=1 / 32)[inner]
        down = cv2.Scharr(height, cv2.CV_32F, 0, 1, scale=1 / 32)[inner]
        ends = np.searchsorted(self._texel, [rows.start * self.size, rows.stop * self.size])
        parts = slice(*ends)
        texel = self._texel[parts] - rows.start * self.size
        for slope in (across, down):
            slope.reshape(-1)[texel] = 0
        scale = np.float32(127.5) / np.sqrt(across**2 + down**2 + np.float32(1))
        normal[..., 0] = 128 - across * scale
        normal[..., 1] = 128 + down * scale
        normal[..., 2] = 128 + scale
        deep = np.clip(-height[inner] / self._scale, 0, 1)
        rough = np.clip(self._enlarged(self._rough, rows) + CAVITY_ROUGHNESS * deep, *ROUGHNESS_LIMITS)
        rough.ravel()[texel] = self._part_rough[parts]
        roughness[:] = _to_bytes(rough)
        deep *= CAVITY_OCCLUSION
        deep.ravel()[texel] = 0
        openness = self._enlarged(self._open, rows)
        openness.ravel()[texel] = self._part_open[parts]
        occlusion[:] = _to_bytes(openness * (1 - deep))

    def _relief_parts(self, detail: np.ndarray) -> ReliefParts:
        """What the relief is made of, for the fine structure (S, S) of the skin's lightness."""
        pores = cv2.GaussianBlur(detail, (0, 0), PORE_SIGMA * self._scale)
        # The widest blur is done at half the resolution, which has all that it leaves.
        half = cv2.resize(pores, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        return ReliefParts(detail, pores, cv2.GaussianBlur(half, (0, 0), WRINKLE_SIGMA * self._scale / 2))

    def _height(self, relief: ReliefParts, rows: slice) -> np.ndarray:
        """(h, S) float32 height, texels, of some rows."""
        around = slice(max(rows.start - HALO_ROWS, 0), min(rows.stop + HALO_ROWS, self.size))
        inner = slice(rows.start - around.start, rows.stop - around.start)
        fine = cv2.GaussianBlur(relief.detail[around], (0, 0), FINEST_SIGMA * self._scale)[inner]
        pores, wrinkles = relief.pores[rows], self._enlarged(relief.wrinkles, rows)
        height = cv2.addWeighted(
            _limited(fine - pores), PORE_DEPTH, _limited(pores - wrinkles), WRINKLE_DEPTH, 0
        )
        return np.asarray(cv2.multiply(height, self._enlarged(self._keep, rows), scale=self._scale))

    def _enlarged(self, picture: np.ndarray, rows: slice) -> np.ndarray:
        """(h, S) of rows, from an even one to an even one, of a picture (S/2, S/2) enlarged."""
        small_rows, own_rows = half_span(rows, len(picture))
        part = cv2.resize(picture[small_rows], None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(part[own_rows])


def _limited(values: np.ndarray) -> np.ndarray:
    """Values that go on ever more slowly beyond RELIEF_LIMIT."""
    # tanh by OpenCV's exponential, which takes a fraction of the time of numpy's tanh.
    power: np.ndarray = cv2.exp(values * np.float32(2 / RELIEF_LIMIT))
    power += np.float32(1)
    np.divide(np.float32(-2 * RELIEF_LIMIT), power, out=power)
    power += np.float32(RELIEF_LIMIT)
    return np.asarray(power)


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
