"""The head's texture as it is handed on."""

from dataclasses import dataclass, field

import numpy as np

from .eyes import EyeColors
from .surface_maps import SurfaceMaps

#: albedo_mask.png: where each texel comes from.
EMPTY = 0
PAINTED = 64
COMPLETED = 128
MIRRORED = 192
OBSERVED = 255


@dataclass(frozen=True)
class Albedo:
    """A texture for the template's coordinates.

    Attributes:
        image: (S, S, 4) uint8 sRGB and coverage, which is below 255 only between lashes.
        mask: (S, S) uint8, how each texel was made: EMPTY, PAINTED, COMPLETED, MIRRORED or OBSERVED.
        fractions: Of the skin's texels that are "observed", "mirrored" and "filled" (completed); with "face_"
            before it, of the face's.
        eyes: The colors found.
        timings: Seconds by step.
        maps: Normals, roughness, occlusion and thickness, if they were asked for.
    """

    image: np.ndarray
    mask: np.ndarray
    fractions: dict[str, float]
    eyes: EyeColors
    timings: dict[str, float] = field(default_factory=dict)
    maps: SurfaceMaps | None = None
