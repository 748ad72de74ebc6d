"""Where irises are painted."""

import numpy as np
import pytest

from core.runtime.weights import models_folder
from core.template.eye_surfaces import OUTWARD_DEG, iris_axis
from core.template.topology import EYE_LEFT, EYE_RIGHT, HeadTopology
from core.texture.atlas import Atlas
from core.texture.procedural import eye_directions


@pytest.mark.parametrize(("name", "side"), [(EYE_LEFT, 1), (EYE_RIGHT, -1)])
def test_irises_lie_a_little_outward(name, side):
    topology = HeadTopology.load(models_folder())
    atlas = Atlas.of(topology, 256, [name])
    texels = np.flatnonzero(atlas.part == topology.part_names.index(name))
    direction, radius = eye_directions(topology, atlas, texels, name)
    assert 0.01 < radius < 0.02
    np.testing.assert_allclose(np.linalg.norm(direction, axis=1), 1, atol=1e-5)
    middle = direction[:, 1].argmin()
    ball = topology.vertices[topology.vertices_of(name)]
    place = atlas.interpolate(topology.vertices, texels)[middle] - (ball.min(0) + ball.max(0)) / 2
    turned = np.degrees(np.arctan2(place[0], -place[1])) * side
    assert turned == pytest.approx(OUTWARD_DEG, abs=2.5)
    assert iris_axis(name)[0] * side > 0
