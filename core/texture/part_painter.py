"""Everything but the skin, painted: eyeballs, teeth, tongue, lashes, the inside of the mouth."""

import numpy as np

from ..template.regions import Regions
from ..template.topology import EYE_LEFT, EYE_RIGHT, INNER, HeadTopology
from .atlas import Atlas
from .eyes import EyeballPainter, EyeColors
from .procedural import eye_directions, paint_inside, paint_parts


class PartPainter:
    """Paints the parts of one atlas; what depends on the topology alone is computed once.

    Attributes:
        of_part: Part -> its texels, int indices into the atlas's.
        inner: Texels of the inside of the mouth, of the lids and of the nose.
        alpha: (N,) uint8 coverage of all texels.
    """

    def __init__(self, topology: HeadTopology, atlas: Atlas) -> None:
        """Prepare what does not depend on the photo.

        Args:
            topology: Of the heads.
            atlas: The texels, with all parts but perhaps the skin.
        """
        self._topology, self._atlas = topology, atlas
        self._regions = Regions.of(topology)
        self.of_part = {name: np.flatnonzero(atlas.part == k) for k, name in enumerate(topology.part_names)}
        self.inner = self.of_part[INNER]
        self._linear, self.alpha = paint_parts(topology, atlas, self.of_part)
        self._eyeballs = {
            name: EyeballPainter(*eye_directions(topology, atlas, self.of_part[name], name))
            for name in (EYE_LEFT, EYE_RIGHT)
        }

    def paint(self, rim: np.ndarray, eyes: EyeColors) -> np.ndarray:
        """The colors of all parts.

        Args:
            rim: (n, 3) float32 linear colors of the skin, continued to the `inner` texels.
            eyes: Of the person.

        Returns:
            (N, 3) float32 linear, of all texels; 0 on the skin.
        """
        linear = self._linear.copy()
        linear[self.inner] = paint_inside(self._regions, self._topology, self._atlas, self.inner, rim)
        for name, eyeball in self._eyeballs.items():
            linear[self.of_part[name]] = eyeball.paint(eyes)
        return linear
