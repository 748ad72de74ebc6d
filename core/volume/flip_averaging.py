"""Test-time mirror averaging: the network looks twice, the second time into a mirror."""

import numpy as np

from .guidance import Guidance
from .predictor import VolumePredictor


class FlipAveragedPredictor:
    """The mean of a predictor's volumes of the face and of its mirror image: twice the time for a little less
    error, as the two looks err differently.
    """

    def __init__(self, predictor: VolumePredictor) -> None:
        self.predictor = predictor

    def predict(self, crop: np.ndarray, guidance: Guidance) -> np.ndarray:
        """See `VolumePredictor.predict`."""
        volume = self.predictor.predict(crop, guidance)
        other = self.predictor.predict(np.ascontiguousarray(crop[:, ::-1]), mirrored(guidance))
        return (volume + other[:, :, ::-1]) * np.float32(0.5)


def mirrored(guidance: Guidance) -> Guidance:
    """The guidance of the face in a mirror: everything else stands on its other side, and so do the canonical
    coordinates, whose x is the first map.
    """
    maps = np.ascontiguousarray(guidance.maps[:, :, ::-1])
    maps[0] *= -1
    return Guidance(maps, np.ascontiguousarray(guidance.template_logits[:, :, ::-1]))
