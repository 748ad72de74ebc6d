"""Test-time flip averaging: the network is run twice, the second time on the mirror image."""

import numpy as np

from .guidance import Guidance
from .predictor import VolumePredictor


class FlipAveragedPredictor:
    """The mean of a predictor's volumes of the face and of its mirror image: twice the time for a little less
    error, as the two err differently.
    """

    def __init__(self, predictor: VolumePredictor) -> None:
        self.predictor = predictor

    def predict(self, crop: np.ndarray, guidance: Guidance) -> np.ndarray:
        """See `VolumePredictor.predict`."""
        volume = self.predictor.predict(crop, guidance)
        other = self.predictor.predict(np.ascontiguousarray(crop[:, ::-1]), mirrored_guidance(guidance))
        return (volume + other[:, :, ::-1]) * np.float32(0.5)


def mirrored_guidance(guidance: Guidance) -> Guidance:
    """The guidance of the mirrored face: all maps reversed, and the first, the canonical x, negated."""
    maps = np.ascontiguousarray(guidance.maps[:, :, ::-1])
    maps[0] *= -1
    return Guidance(maps, np.ascontiguousarray(guidance.template_logits[:, :, ::-1]))
