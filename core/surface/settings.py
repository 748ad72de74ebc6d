"""What a user may set of the surface."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SurfaceSettings:
    """How prior and volume make the surface.

    The defaults are those that the quality report is calibrated with.
    """

    #: Distance over which the prior bends where the network's surface counts fully, voxels: less follows the
    #: network more closely.
    bending_length: float = 2.5
    #: Standard deviation of the smoothing of the visible surface, voxels.
    front_sigma: float = 0.6
    #: Mean cosine between normal and ray from which on the volume counts beside the prior.
    min_mean_cosine: float = 0.45
    #: Mean cosine from which on the volume alone counts.
    full_mean_cosine: float = 0.75


DEFAULT_SETTINGS = SurfaceSettings()
