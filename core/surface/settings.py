"""What a user may set of the surface."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SurfaceSettings:
    """Settings of the surface. The defaults are those that the quality report is calibrated with.

    Attributes:
        bending_length: Distance, voxels, over which the prior bends where the network's surface counts fully:
            less follows the network more closely.
        front_sigma: Standard deviation, voxels, of the smoothing of the visible surface.
        min_mean_cosine: Mean cosine between normal and ray from which on the volume counts beside the prior.
        full_mean_cosine: Mean cosine from which on the volume alone counts.
    """

    bending_length: float = 2.5
    front_sigma: float = 0.6
    min_mean_cosine: float = 0.45
    full_mean_cosine: float = 0.75


DEFAULT_SETTINGS = SurfaceSettings()
