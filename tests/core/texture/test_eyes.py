"""The colors of eyes, and where irises are painted."""

import numpy as np
import pytest

from core.runtime.weights import models_folder
from core.template.eye_surfaces import OUTWARD_DEG, iris_axis
from core.template.topology import EYE_LEFT, EYE_RIGHT, HeadTopology
from core.texture.atlas import Atlas
from core.texture.eyes import IRISES, OUTLINES, eye_colors
from core.texture.procedural import eye_directions


def looking_ahead():
    """Landmarks (478, 2) of two wide open eyes in a photo of 400 x 200 pixels."""
    landmarks = np.zeros((478, 2))
    for outline, iris, x in zip(OUTLINES, IRISES, (100.0, 300.0), strict=True):
        for index, (width, height) in ((outline, (40, 18)), (iris[1:], (14, 14))):
            angle = np.linspace(0, 2 * np.pi, len(index), endpoint=False)
            places = np.stack([x + width * np.cos(angle), 100 + height * np.sin(angle)], 1)
            landmarks[list(index)] = places
        landmarks[iris[0]] = (x, 100)
    return landmarks


@pytest.mark.filterwarnings("error")
def test_eyes_behind_black_glasses_have_usual_colors():
    black = eye_colors(np.zeros((200, 400, 3), np.uint8), looking_ahead())
    unseen = eye_colors(np.zeros((200, 400, 3), np.uint8), looking_ahead() + 5000)
    assert not black.from_photo
    np.testing.assert_array_equal(black.iris, unseen.iris)
    np.testing.assert_array_equal(black.white, unseen.white)
    assert eye_colors(np.full((200, 400, 3), 8, np.uint8), looking_ahead()).from_photo


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
