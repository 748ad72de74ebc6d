"""What runs the volume network on one crop, whichever the backend."""

from typing import Protocol

import numpy as np

from .guidance import Guidance

#: Logits are divided by this before they become occupancies. Within the few voxels around a surface they grow
#: evenly; a plain sigmoid would flatten that to 0 and 1, and leave marching cubes nothing to interpolate.
TEMPERATURE = 4.0


class VolumePredictor(Protocol):
    """Picture and guidance in, volume out; every backend gives the same within 1e-3 of occupancy."""

    def predict(self, crop: np.ndarray, guidance: Guidance) -> np.ndarray:
        """Predict the occupancy of the head.

        Args:
            crop: (192, 192, 3) uint8 RGB, crop frame.
            guidance: In the same frame.

        Returns:
            (200, 192, 192) float32, [z, y, x], volume frame: sigmoid(logit / TEMPERATURE), 0.5 on
            the surface.
        """
        ...


def picture_channels(crop: np.ndarray) -> np.ndarray:
    """The picture as the network is given it.

    Args:
        crop: (192, 192, 3) uint8, RGB.

    Returns:
        (3, 192, 192) float32, -1..1.
    """
    return (crop.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)


def network_input(crop: np.ndarray, guidance: Guidance) -> np.ndarray:
    """All that the network is given.

    Args:
        crop: (192, 192, 3) uint8, RGB, crop frame.
        guidance: In the same frame.

    Returns:
        (10, 192, 192) float32: RGB in -1..1, then the maps of the guidance.
    """
    return np.concatenate([picture_channels(crop), guidance.maps])
