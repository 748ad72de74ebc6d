"""The animation-ready head: the template wrapped onto the surface, its neutral and its 52 face units."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Head:
    """A wrapped head; its topology is `core.head_topology.HeadTopology`. All in the head frame, metres.

    vertices: (V, 3) float32, as photographed. neutral: (V, 3) float32, without the expression. units: (52,
    V, 3) float32, offsets from the neutral. expression: (52,) float32 weights: neutral plus the weighted
    units is near the vertices. confidence: (V,) float32, 0 (guessed) to 1 (seen, facing the camera).
    deviation: (V,) float32, distance to the surface. timings: seconds by step.
    """

    vertices: np.ndarray
    neutral: np.ndarray
    units: np.ndarray
    expression: np.ndarray
    confidence: np.ndarray
    deviation: np.ndarray
    timings: dict[str, float]

    @property
    def photo(self) -> np.ndarray:
        """(V, 3) float32: the neutral with the photo's expression, what the units make of it."""
        return self.neutral + np.tensordot(self.expression, self.units, 1).astype(np.float32)
